// The places for event streams. A browser opens six connections to a host for all of its windows together, and a
// stream takes one for good: so at most five windows hold one, those that were looked at last.

import { newKey } from "./question.js";

const MOST = 5;
const CHANNEL = "streams";

export class Places {
  #me = newKey();
  #channel = new BroadcastChannel(CHANNEL);
  #after = new Set(); // the windows that have taken a place after this one

  /** `changed()` is called when another window takes or leaves a place. */
  constructor(changed) {
    this.#channel.addEventListener("message", ({ data: { page, taken } }) => {
      if (taken) this.#after.add(page);
      else this.#after.delete(page);
      changed();
    });
    addEventListener("pagehide", () => this.leave());
  }

  /** Whether there is a place for this window. */
  get isFree() {
    return this.#after.size < MOST;
  }

  /** Take a place, before all others. */
  take() {
    this.#after.clear();
    this.#tell(true);
  }

  leave() {
    this.#tell(false);
  }

  #tell(taken) {
    this.#channel.postMessage({ page: this.#me, taken });
  }
}
