// What the reader thinks of an answer: good or bad, and why.

import { h, iconButton } from "./dom.js";

const LONGEST = 2000; // characters the service takes

export class Feedback {
  #rate;
  #given = null; // {rating, comment}, as the service has it
  #wanted = null; // the rating that was chosen last
  #sent = Promise.resolve(true); // the rating that was sent last: the next one waits for it
  #waiting = 0; // ratings that are on their way
  #box = h("textarea", { rows: 2, maxlength: LONGEST, dir: "auto", "aria-label": "Comment" });
  #form = h("form", { class: "comment", hidden: true });
  #note = h("p", { class: "comment-note quiet", dir: "auto", hidden: true });

  /** `rate(rating, comment)` sends it; resolves to whether it was taken. */
  constructor(rate) {
    this.#rate = rate;
    this.buttons = [this.#button("up", "Good answer"), this.#button("down", "Bad answer")];
    this.element = h("div", { class: "feedback" }, this.#form, this.#note);
    this.#form.append(
      this.#box,
      h("div", {}, h("button", { type: "submit", class: "button primary" }, "Send"), h("button", { type: "button", class: "button", on: { click: () => this.#close() } }, "No comment")),
    );
    this.#form.addEventListener("submit", (event) => (event.preventDefault(), this.#send()));
    this.#form.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Show what the service has. */
  update(given) {
    this.#given = given ?? null;
    if (this.#waiting === 0) this.#wanted = given?.rating ?? null;
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.rating === this.#wanted));
    this.#note.textContent = given?.comment ? `Your comment: ${given.comment}` : "";
    this.#note.hidden = !given?.comment || !this.#form.hidden;
  }

  #button(rating, label) {
    const button = iconButton("thumb", label, () => this.#chosen(rating));
    button.dataset.rating = rating;
    return button;
  }

  #chosen(rating) {
    const same = this.#wanted === rating;
    if (same && !this.#form.hidden) return this.#close();
    const comment = same ? (this.#given?.comment ?? null) : null;
    this.#box.value = comment ?? "";
    this.#box.placeholder = rating === "up" ? "What was good about it? (optional)" : "What was wrong or missing? (optional)";
    this.#form.hidden = false;
    this.#note.hidden = true;
    this.#box.focus({ preventScroll: true });
    this.#form.scrollIntoView({ block: "nearest" });
    if (!same) this.#give(rating, comment);
  }

  /** Send a rating after those before it, and show it at once; resolves to whether it was taken. */
  async #give(rating, comment) {
    this.#wanted = rating;
    this.#waiting += 1;
    this.update(this.#given);
    this.#sent = this.#sent.then(() => this.#rate(rating, comment));
    const taken = await this.#sent;
    this.#waiting -= 1;
    this.update(this.#given);
    return taken;
  }

  async #send() {
    const comment = this.#box.value.trim();
    if (this.#wanted && (await this.#give(this.#wanted, comment || null))) this.#close();
  }

  #key(event) {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.#close();
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target === this.#box) {
      event.preventDefault();
      this.#send();
    }
  }

  #close() {
    const focused = this.#form.contains(document.activeElement);
    this.#form.hidden = true;
    this.update(this.#given);
    if (focused) this.buttons.find((button) => button.dataset.rating === this.#wanted)?.focus();
  }
}
