// What the reader thinks of an answer: good or bad, and why.

import { h, iconButton } from "./dom.js";

const LONGEST = 2000; // characters the service takes

export class Feedback {
  #rate;
  #given = null; // {rating, comment}, as the service has it
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
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.rating === given?.rating));
    this.#note.textContent = given?.comment ? `Your comment: ${given.comment}` : "";
    this.#note.hidden = !given?.comment || !this.#form.hidden;
  }

  #button(rating, label) {
    const button = iconButton("thumb", label, () => this.#chosen(rating));
    button.dataset.rating = rating;
    return button;
  }

  async #chosen(rating) {
    const same = this.#given?.rating === rating;
    if (same && !this.#form.hidden) return this.#close();
    const comment = same ? this.#given.comment : null;
    this.#box.value = comment ?? "";
    this.#box.placeholder = rating === "up" ? "What was good about it? (optional)" : "What was wrong or missing? (optional)";
    this.#form.hidden = false;
    this.#note.hidden = true;
    this.#box.focus({ preventScroll: true });
    this.#form.scrollIntoView({ block: "nearest" });
    if (!same && !(await this.#rate(rating, comment))) this.#close();
  }

  async #send() {
    const comment = this.#box.value.trim();
    if (this.#given && (await this.#rate(this.#given.rating, comment || null))) this.#close();
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
    if (focused) this.buttons.find((button) => button.dataset.rating === this.#given?.rating)?.focus();
  }
}
