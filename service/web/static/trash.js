// Chats that were deleted and can be brought back for a while; only after it, or when the page is left, the service
// is told to delete them.

import { chats, problemOf } from "./api.js";
import { notice, tell } from "./notices.js";

const UNDO_MS = 8000;

export class Trash {
  #waiting = new Map(); // id -> {chat, away}: can be brought back
  #leaving = new Set(); // ids the service was told about
  #changed;
  #restored;

  /** `changed()` is called when other chats are in here than before, `restored(chat)` when one was brought back. */
  constructor(changed, restored) {
    this.#changed = changed;
    this.#restored = restored;
    addEventListener("pagehide", () => this.empty());
  }

  has(id) {
    return this.#waiting.has(id) || this.#leaving.has(id);
  }

  /** Take a chat in; `title` is how it is called. */
  put(chat, title) {
    const away = notice(`Deleted “${title}”`, {
      action: "Undo",
      act: () => this.#restore(chat.id),
      ended: () => this.#delete(chat.id, title),
      ms: UNDO_MS,
    });
    this.#waiting.set(chat.id, { chat, away });
    this.#changed();
  }

  /** Bring back what was deleted last, if it still can be. */
  undo() {
    const last = [...this.#waiting.keys()].at(-1);
    if (last !== undefined) this.#restore(last);
  }

  /** A chat is gone for good. */
  forget(id) {
    this.#waiting.get(id)?.away();
    this.#waiting.delete(id);
    this.#leaving.delete(id);
  }

  #restore(id) {
    const { chat, away } = this.#waiting.get(id);
    away();
    this.#waiting.delete(id);
    this.#changed();
    this.#restored(chat);
  }

  async #delete(id, title) {
    const { chat } = this.#waiting.get(id);
    this.#waiting.delete(id);
    this.#leaving.add(id);
    const problem = await problemOf(chats.delete(id, true));
    if (problem === null || problem.status === 404) return; // the stream tells when it is gone
    this.#leaving.delete(id);
    this.#changed();
    tell(problem, () => this.put(chat, title));
  }

  /** Delete at once what could still be brought back. */
  async empty() {
    const going = [...this.#waiting].map(([id, { away }]) => {
      away();
      this.#leaving.add(id);
      return chats.delete(id, true).catch(() => null); // nobody is left to tell
    });
    this.#waiting.clear();
    await Promise.all(going);
  }
}
