// The messages of a chat as they stand on the page: a question begins a turn, its answers follow in it.

import { AnswerView } from "./answer.js";
import { h } from "./dom.js";
import { Messages } from "./messages.js";
import { question } from "./question.js";

export class Thread {
  #element;
  #actions;
  #messages = new Messages();
  #views = new Map(); // message id -> the view of that answer
  #pending = null; // the turn of a question that is on its way

  /** Actions are those of an answer: openCitation, askAgain, rate. */
  constructor(element, actions) {
    this.#element = element;
    this.#actions = actions;
  }

  get messages() {
    return this.#messages;
  }

  /** Show this history, oldest first, in place of what stands there; `rendered` are its fragments by message id. */
  fill(history, rendered) {
    this.#messages = new Messages();
    this.#views.clear();
    this.#element.replaceChildren();
    for (const message of history) this.show(message, rendered.get(message.id));
    if (this.#pending) this.#element.append(this.#pending);
  }

  /** Show a question that is on its way, below everything, until it is settled. */
  expect(content) {
    this.settle();
    this.#pending = h("section", { class: "turn" }, question({ content }));
    this.#pending.firstElementChild.dataset.pending = "";
    this.#element.append(this.#pending);
  }

  get isExpecting() {
    return this.#pending !== null;
  }

  /** The question is in the chat, or came back. */
  settle() {
    this.#pending?.remove();
    this.#pending = null;
  }

  /** Show a message as the service has it. */
  show(message, rendered = null) {
    if (this.#messages.put(message)) this.#place(message, this.#element);
    this.#views.get(message.id)?.update(message, rendered);
  }

  /** Make the turns of older messages; they count from now on, but stand nowhere yet. */
  older(history, rendered) {
    const holder = h("div");
    for (const message of history) this.#place(message, holder);
    this.#messages.prepend(history);
    for (const message of history) this.#views.get(message.id)?.update(message, rendered.get(message.id));
    return [...holder.children];
  }

  /** Apply an event, see Messages. A message that is new is left to `add`. */
  apply(type, data) {
    const isNew = data.message && !this.#messages.get(data.message.id);
    const changed = this.#messages.apply(type, data);
    if (changed === null) return null;
    if (!isNew && !changed.gap) this.#views.get(changed.message.id)?.update(changed.message);
    return { ...changed, isNew };
  }

  /** Place a message that an event has told of. */
  add(message) {
    this.#place(message, this.#element);
    this.#views.get(message.id)?.update(message);
  }

  #place(message, parent) {
    if (message.role === "user") {
      parent.append(h("section", { class: "turn" }, question(message)));
      return;
    }
    const view = new AnswerView(message, this.#actions);
    this.#views.set(message.id, view);
    const former = this.#views.get(message.supersedes);
    if (former?.element.parentElement) {
      former.supersede();
      former.element.after(view.element);
      return;
    }
    const last = parent.lastElementChild;
    const turn = last?.matches(".turn") ? last : parent.appendChild(h("section", { class: "turn" }));
    turn.append(view.element);
  }
}
