// The question box. Enter asks, Shift+Enter begins a new line; what is typed survives a reload.

const DRAFT = "draft";
const TALLEST = 220; // pixels

export class Composer {
  #box;
  #send;
  #stop;
  #ask;
  #busy = false;

  /** `ask(text)` sends the question; when it rejects, the text returns to the box. `stop()` ends a running answer. */
  constructor(form, box, ask, stop) {
    this.#box = box;
    this.#send = form.querySelector(".send");
    this.#stop = form.querySelector(".stop");
    this.#ask = ask;
    this.#stop.addEventListener("click", stop);
    box.value ||= sessionStorage.getItem(DRAFT) ?? ""; // somebody may have begun before this page did
    box.addEventListener("input", () => this.#changed());
    box.addEventListener("keydown", (event) => this.#key(event));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    new ResizeObserver(() => requestAnimationFrame(() => this.#fit())).observe(form); // more or fewer words fit in a line
    this.#changed();
  }

  /** Whether an answer is being written: the next question can be typed, not sent. */
  set busy(busy) {
    this.#busy = busy;
    const leaving = busy ? this.#send : this.#stop;
    const focused = document.activeElement === leaving;
    this.#send.hidden = busy;
    this.#stop.hidden = !busy;
    if (focused) this.#box.focus();
    this.#changed();
  }

  /** Focus the box, but do not raise the keyboard of a phone unasked. */
  focus() {
    if (matchMedia("(pointer: fine)").matches) this.#box.focus({ preventScroll: true });
  }

  /** Ask a question that was not typed. */
  async ask(text) {
    if (this.#busy) return;
    const taken = await this.#ask(text).then(() => true, () => false);
    if (!taken) this.#give([text, this.#box.value].filter(Boolean).join("\n\n")); // the next one may have been begun
  }

  /** Ask again what was not taken; it leaves the box where it was put back. */
  again(text) {
    if (this.#busy) return;
    const typed = this.#box.value;
    if (typed === text || typed.startsWith(`${text}\n\n`)) this.#give(typed.slice(text.length).trimStart());
    this.ask(text);
  }

  /** Ask what stands in the box. */
  submit() {
    const text = this.#box.value.trim();
    if (this.#busy || text === "") return;
    this.#give("");
    this.ask(text);
  }

  #give(text) {
    this.#box.value = text;
    this.#changed();
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.submit();
  }

  #changed() {
    sessionStorage.setItem(DRAFT, this.#box.value);
    this.#send.disabled = this.#busy || this.#box.value.trim() === "";
    this.#fit();
  }

  #fit() {
    this.#box.style.height = "auto";
    this.#box.style.height = `${Math.min(this.#box.scrollHeight, TALLEST)}px`;
  }
}
