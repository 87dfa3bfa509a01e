// An answer's text: HTML that the server rendered and sanitised, followed by the plain text that came since.

import { fragment } from "./api.js";
import { h } from "./dom.js";
import { isFinal } from "./messages.js";
import { codePoints, cutAt } from "./text.js";

const RENDER_MS = 200; // between two fragments while the text grows
const SHARE = 6; // a busy server is asked less often: it renders at most a sixth of the time
const PATIENCE_MS = 80; // how long the first text waits for its fragment, so that no raw Markdown flashes
const RETRY_MS = 1500;
const TEXTS = new Set(["P", "LI", "H2", "H3", "H4", "H5", "H6"]);
const BLOCKS = new Set([...TEXTS, "UL", "OL", "BLOCKQUOTE", "PRE"]);

// The only place where a string becomes HTML, and it only ever gets fragments of the server.
const policy = globalThis.trustedTypes?.createPolicy("fragments", { createHTML: (html) => html }) ?? {
  createHTML: (html) => html,
};

/** Parse fragments: message id -> its element. */
export function parseFragments(html) {
  const parsed = new DOMParser().parseFromString(policy.createHTML(html), "text/html");
  return new Map([...parsed.querySelectorAll("[data-message]")].map((element) => [element.dataset.message, element]));
}

export class Prose {
  #message;
  #rendered;
  #plain = false; // no fragment can be had: show the text as it is
  #covered = 0; // code points of the text that the shown fragment renders
  #finished = false; // the fragment of the final text is shown
  #loading = false;
  #next = 0; // when the next fragment may be asked for
  #timer = null;
  #patience = null;
  #epoch = 0; // a fragment asked for before a reset must not be shown after it

  /** `rendered` is called after the text was rendered, or could not be. */
  constructor(message, rendered) {
    this.#message = message;
    this.#rendered = rendered;
    this.element = h("div", { class: "prose", dir: "auto" });
  }

  /** Whether the whole text of a final message stands. */
  get settled() {
    return isFinal(this.#message) && (this.#finished || this.#plain || this.#message.content === "");
  }

  /** Show a fragment that came with the history. */
  prime(element, message, final) {
    this.#message = message;
    this.#place(element, final);
  }

  /** Bring the text up to date with the message. */
  update(message, final) {
    if (codePoints(message.content) < this.#covered && !final) this.#restart();
    this.#message = message;
    if (final && this.#finished) return;
    if (final || message.content) this.#schedule(final);
    if (this.#covered > 0) this.#showTail();
    else if (message.content && this.#patience === null) {
      this.#patience = setTimeout(() => this.#showTail(), PATIENCE_MS);
    }
  }

  #restart() {
    this.#epoch += 1;
    this.#covered = 0;
    this.#finished = false;
    clearTimeout(this.#patience);
    this.#patience = null;
    this.element.replaceChildren();
  }

  #schedule(final) {
    if (this.#loading || (this.#timer !== null && !final)) return;
    clearTimeout(this.#timer);
    const wait = final ? 0 : Math.max(0, this.#next - performance.now());
    this.#timer = setTimeout(() => this.#load(), wait);
  }

  async #load() {
    const { chat_id: chatId, id } = this.#message;
    const epoch = this.#epoch;
    this.#timer = null;
    this.#loading = true;
    const asked = performance.now();
    try {
      const element = parseFragments(await fragment(chatId, id)).get(id);
      if (epoch === this.#epoch && element) this.#place(element, element.dataset.final === "true");
      this.#next = asked + Math.max(RENDER_MS, (performance.now() - asked) * SHARE);
    } catch {
      this.#next = asked + RETRY_MS;
      this.#plain = true;
      this.#showTail();
      this.#rendered();
    } finally {
      this.#loading = false;
    }
    const behind = this.#rest().trim() !== "" || isFinal(this.#message);
    if (!this.#finished && behind && this.element.isConnected) this.#schedule(false);
  }

  #place(element, final) {
    clearTimeout(this.#patience);
    this.#plain = false;
    this.#covered = Number(element.dataset.chars);
    this.#finished = final;
    this.element.querySelector(".tail")?.remove();
    morph(this.element, element);
    this.#showTail();
    this.#rendered();
  }

  #rest() {
    return this.#finished ? "" : cutAt(this.#message.content, this.#covered)[1];
  }

  #showTail() {
    this.element.querySelector(".tail")?.remove();
    const text = this.#plain ? this.#rest() : untilMarkup(this.#rest());
    if (text) {
      const host = tailHost(this.element);
      host.append(h(host === this.element ? "p" : "span", { class: "tail" }, text));
    }
  }
}

/** What can be shown before the next fragment says how it is meant: the rest of the line, without its marks. */
const untilMarkup = (text) => text.replace(/\n[^]*$/, "").replace(/\*\*|`|\s*\[\d+\]/g, "").trimEnd();

/** Where plain text goes on: inside the last paragraph, list item or code block. */
function tailHost(root) {
  let host = root;
  while (BLOCKS.has(host.lastElementChild?.tagName)) host = host.lastElementChild;
  if (host.tagName === "PRE") return host.firstElementChild ?? host;
  return TEXTS.has(host.tagName) ? host : root;
}

/** Make `root` show the blocks of `wanted`; equal ones stay the nodes they are, so selections and focus do too. */
function morph(root, wanted) {
  const blocks = [...wanted.children];
  blocks.forEach((block, index) => {
    const present = root.children[index];
    if (!present) root.append(block);
    else if (!present.isEqualNode(block)) present.replaceWith(block);
  });
  while (root.children.length > blocks.length) root.lastElementChild.remove();
}
