// The messages of one chat and how events change them. Pure state: no DOM, no requests.
//
// A stream may tell again what was loaded before; whatever is already known is taken as told.

import { codePoints, cutAt } from "./text.js";

const FINAL = new Set(["completed", "failed", "cancelled"]);
const ENDS = new Set(["answer.completed", "turn.failed", "turn.cancelled"]);

export const isFinal = (message) => FINAL.has(message.status);

export class Messages {
  #byId = new Map();

  /** Oldest first. */
  get all() {
    return [...this.#byId.values()];
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** The newest question, if any. */
  get question() {
    return this.all.findLast((message) => message.role === "user") ?? null;
  }

  /** Whether a question stands after the message `after`, null for the first place; undefined says that it was not sent. */
  hasAsked({ content, after }) {
    if (after === undefined) return false;
    const later = this.all.slice(this.all.findIndex(({ id }) => id === after) + 1);
    return later.some((message) => message.role === "user" && message.content === content);
  }

  /** The answer that is being written, if any. */
  get running() {
    return this.all.findLast((message) => message.role === "assistant" && !isFinal(message)) ?? null;
  }

  /** Add older messages, given oldest first, before those that are here. */
  prepend(older) {
    this.#byId = new Map([...older.map((message) => [message.id, message]), ...this.#byId]);
  }

  /** Take a message as the server has it; give whether it is a new one. */
  put(message) {
    const isNew = !this.#byId.has(message.id);
    this.#byId.set(message.id, message);
    return isNew;
  }

  /**
   * Apply an event of the chat. Gives the message it changed or null, and with it `ended: true` when that is final
   * now, or `gap: true` when text is missing and the message has to be read anew.
   */
  apply(type, data) {
    const id = data.message_id ?? data.message?.id;
    const known = this.#byId.get(id);
    if (type === "message.created") return known ? null : this.#added(data.message);
    if (type === "message.rated") return known ? rated(known, data.feedback) : null;
    if (known && isFinal(known)) return null; // what is told again is older: a rating may have come since
    if (ENDS.has(type)) return { ...this.#added(data.message), ended: true };
    if (!known) return null;
    if (type === "turn.started") Object.assign(known, { status: "running", model: data.model, content: "" });
    else if (type === "answer.reset") known.content = "";
    else if (type === "step.started" || type === "step.completed") noteStep(known, data.step);
    else if (type === "answer.delta") return extend(known, data);
    else return null;
    return { message: known };
  }

  #added(message) {
    this.#byId.set(message.id, message);
    return { message };
  }
}

function rated(message, feedback) {
  message.feedback = feedback;
  return { message };
}

function noteStep(message, step) {
  const index = message.steps.findIndex((other) => other.number === step.number);
  if (index < 0) message.steps.push(step);
  else if (step.duration_ms !== null || message.steps[index].duration_ms === null) message.steps[index] = step;
}

function extend(message, { offset, text }) {
  const length = codePoints(message.content);
  if (offset > length) return { message, gap: true };
  const kept = offset === length ? message.content : cutAt(message.content, offset)[0];
  // Text that was loaded with the history comes again from the start: never show less than before.
  if (offset < length && codePoints(text) + offset <= length) return null;
  message.content = kept + text;
  return { message };
}
