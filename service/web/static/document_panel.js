// The side panel: a document at the cited lines, with the quote marked.

import { kb, tried } from "./api.js";
import { quoteRanges, rows } from "./document_lines.js";
import { debounced, h, icon, iconButton } from "./dom.js";
import { tell } from "./notices.js";
import { current, href } from "./route.js";
import { lineRange } from "./text.js";

const BEFORE = 30; // lines shown around what is cited
const AFTER = 60;
const PAGE = 200;
const SETTLED_MS = 250;

export class DocumentPanel {
  #element;
  #close;
  #shown = null; // what the panel shows, as a key
  #route = null;
  #citations = [];
  #text = null; // the text that stands in it
  #visit = 0;
  #opener = null;

  /** `close()` is called when the reader closes the panel. */
  constructor(element, close) {
    this.#element = element;
    this.#close = close;
  }

  get isOpen() {
    return !this.#element.hidden;
  }

  /**
   * Show a document; `start` and `end` are the cited lines or null, `rev` is the revision that was cited or null for
   * the present one, `citations` are those that stand there.
   */
  async show({ doc: name, start, end, rev }, citations) {
    const key = `${name}:${start}-${end}:${rev}:${citations.length > 0}`;
    if (this.isOpen && key === this.#shown) return;
    if (!this.isOpen) this.#opener = document.activeElement;
    this.#shown = key;
    this.#route = { name, start, end, rev };
    this.#citations = citations;
    this.#text = null;
    this.#element.hidden = false;
    document.body.dataset.panel = "loading";
    if (!(await this.#load())) return;
    document.body.dataset.panel = "open";
    this.#element.querySelector(".line[data-cited]")?.scrollIntoView({ block: "center" });
    this.#element.querySelector(".panel-close").focus({ preventScroll: true });
  }

  /** The folder changed: show what has become of the document, and stay where the reader is. */
  refresh = debounced(SETTLED_MS, async () => {
    if (document.body.dataset.panel !== "open") return;
    const { scrollTop } = this.#element.querySelector(".panel-body");
    if (await this.#load()) this.#element.querySelector(".panel-body").scrollTop = scrollTop;
  });

  /** Load the text; gives whether other text than before stands there now. */
  async #load() {
    const visit = (this.#visit += 1);
    const { name, start, end, rev } = this.#route;
    const first = Math.max(1, (start ?? 1) - BEFORE);
    const last = start === null ? PAGE : end + AFTER;
    const [text, problem] = await tried(cited(name, first, last, rev));
    if (visit !== this.#visit || !this.#isNews(text, problem)) return false;
    this.#text = text;
    if (text) this.#fill(name, text, this.#body(text, { name, start, end, citations: this.#citations }));
    else this.#fill(name, null, h("div", { class: "panel-body" }, missing(problem, this.#citations)));
    return true;
  }

  #isNews(text, problem) {
    if (this.#text === null) return true;
    if (problem) return problem.status === 404;
    return this.#text.revision !== text.revision || this.#text.current_revision !== text.current_revision;
  }

  hide() {
    if (!this.isOpen) return;
    this.#visit += 1;
    this.#shown = null;
    this.#element.hidden = true;
    this.#element.replaceChildren();
    document.body.dataset.panel = "closed";
    if (this.#opener?.isConnected) this.#opener.focus({ preventScroll: true });
  }

  #fill(name, text, body) {
    const focused = this.#element.contains(document.activeElement);
    const close = iconButton("close", "Close the document (Esc)", () => this.#close());
    close.classList.add("panel-close");
    const about = text ? `${text.topic} · ${text.lines} lines` : "";
    this.#element.replaceChildren(
      h(
        "header",
        { class: "panel-head" },
        h("div", {}, h("h2", { dir: "auto" }, text?.title ?? name), h("p", { class: "quiet" }, h("bdi", { class: "path" }, name), about && ` · ${about}`)),
        close,
      ),
      body,
    );
    if (focused) close.focus({ preventScroll: true });
  }

  #body(text, { name, start, end, citations }) {
    const lines = h("ol", { class: "lines", dir: "auto" });
    const marked = quoteRanges(text, citations);
    const add = (part, place) => lines[place](...rows(part, start, end, marked));
    add(text, "append");
    const otherwise = citations.some((citation) => citation.revision && citation.revision !== text.revision);
    return h(
      "div",
      { class: "panel-body", tabindex: "0", role: "region", "aria-label": "Text of the document" },
      text.changed && h("p", { class: "changed" }, icon("warning"), h("span", {}, ...since(text))),
      otherwise && h("p", { class: "changed" }, icon("warning"), "This document has changed since the answer was written."),
      start !== null && h("p", { class: "cited-lines" }, `Cited: ${lineRange(start, end)}`),
      text.start_line > 1 && text.complete && this.#earlier(text, text.start_line, add),
      lines,
      text.next_line !== null && this.#later(text, text.next_line, add),
    );
  }

  #earlier(text, from, add) {
    const button = h("button", { type: "button", class: "button more" }, "Show the lines before");
    button.addEventListener("click", async () => {
      const body = button.closest(".panel-body");
      const part = await this.#part(button, text, Math.max(1, from - PAGE), from - 1);
      if (!part) return;
      const { scrollTop, scrollHeight } = body;
      add(part, "prepend");
      if (part.start_line > 1) button.replaceWith(this.#earlier(text, part.start_line, add));
      else button.remove();
      body.scrollTop = scrollTop + body.scrollHeight - scrollHeight;
    });
    return button;
  }

  /** Read more lines of the text that stands there, not of what the document has become since. */
  async #part(button, text, first, last) {
    button.disabled = true;
    const [part, problem] = await tried(kb.read(text.name, first, last, text.revision));
    button.disabled = false;
    if (problem?.status === 404) this.refresh();
    else if (problem) tell(problem, () => button.click());
    return part;
  }

  #later(text, from, add) {
    const button = h("button", { type: "button", class: "button more" }, "Show the lines after");
    button.addEventListener("click", async () => {
      const part = await this.#part(button, text, from, from + PAGE - 1);
      if (!part) return;
      add(part, "append");
      if (part.next_line !== null) button.replaceWith(this.#later(text, part.next_line, add));
      else button.remove();
    });
    return button;
  }
}

/** Read the revision that was cited; of one that is not kept, what there is now. */
async function cited(name, first, last, rev) {
  if (rev === null) return kb.read(name, first, last);
  return kb.read(name, first, last, rev).catch((problem) => {
    if (problem.code !== "revision_not_found") throw problem;
    return kb.read(name, first, last);
  });
}

/** What has become of a document since the revision that is shown. */
function since(text) {
  if (text.current_revision === null) return ["As the answer saw it. This document is not in the knowledge base any more."];
  const now = h("a", { href: href({ ...current(), start: null, end: null, rev: null }) }, "Show the current text");
  return ["As the answer saw it. This document has changed since. ", now];
}

function missing(problem, citations) {
  const why = {
    403: "Your key opens chats only. This is what the answer quotes:",
    404: "This document is not in the knowledge base any more.",
  };
  return h(
    "div",
    { class: "missing" },
    icon("warning"),
    h("p", {}, why[problem.status] ?? problem.message),
    ...citations.map((citation) => h("blockquote", { dir: "auto" }, citation.quote)),
  );
}
