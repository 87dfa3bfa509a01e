// The side panel: a document at the cited lines, with the quote marked.

import { kb } from "./api.js";
import { h, icon, iconButton } from "./dom.js";
import { tell } from "./notices.js";
import { current, href } from "./route.js";
import { lineRange } from "./text.js";

const BEFORE = 30; // lines shown around what is cited
const AFTER = 60;
const PAGE = 200;
const LINE_END = /\r\n|\n|\r/g; // as the index counts lines

export class DocumentPanel {
  #element;
  #close;
  #shown = null; // what the panel shows, as a key
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
    const visit = (this.#visit += 1);
    this.#element.hidden = false;
    document.body.dataset.panel = "loading";
    const first = Math.max(1, (start ?? 1) - BEFORE);
    const last = start === null ? PAGE : end + AFTER;
    const [text, problem] = await cited(name, first, last, rev).then((found) => [found, null], (error) => [null, error]);
    if (visit !== this.#visit) return;
    if (problem) this.#fill(name, null, h("div", { class: "panel-body" }, missing(problem, citations)));
    else this.#fill(name, text, this.#body(text, { name, start, end, citations }));
    document.body.dataset.panel = "open";
    this.#element.querySelector(".line[data-cited]")?.scrollIntoView({ block: "center" });
    this.#element.querySelector(".panel-close").focus({ preventScroll: true });
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
      const part = await kb.read(text.name, Math.max(1, from - PAGE), from - 1, text.changed ? text.revision : null).catch((problem) => tell(problem, () => button.click()));
      if (!part) return;
      const { scrollTop, scrollHeight } = body;
      add(part, "prepend");
      if (part.start_line > 1) button.replaceWith(this.#earlier(text, part.start_line, add));
      else button.remove();
      body.scrollTop = scrollTop + body.scrollHeight - scrollHeight;
    });
    return button;
  }

  #later(text, from, add) {
    const button = h("button", { type: "button", class: "button more" }, "Show the lines after");
    button.addEventListener("click", async () => {
      const part = await kb.read(text.name, from, from + PAGE - 1, text.changed ? text.revision : null).catch((problem) => tell(problem, () => button.click()));
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

/** Where the quotes stand: line number -> [from, to] in that line, in UTF-16 units. */
function quoteRanges(text, citations) {
  const ranges = new Map();
  const lines = text.text.split(LINE_END);
  for (const { quote: verbatim, start_line: first, end_line: last } of citations) {
    const quote = verbatim.replace(LINE_END, "\n");
    const offset = first - text.start_line;
    const cited = lines.slice(offset, last - text.start_line + 1).join("\n");
    const begin = offset >= 0 ? cited.indexOf(quote) : -1;
    if (begin < 0 || quote === "") continue;
    let position = 0;
    cited.split("\n").forEach((line, index) => {
      const from = Math.max(0, begin - position);
      const to = Math.min(line.length, begin + quote.length - position);
      if (to > from) ranges.set(first + index, [from, to]);
      position += line.length + 1;
    });
  }
  return ranges;
}

function rows(part, start, end, marked) {
  const texts = part.text.split(LINE_END).slice(0, part.end_line - part.start_line + 1);
  let fenced = false;
  let front = part.start_line === 1 && texts[0].trim() === "---";
  return texts.map((text, index) => {
    const number = part.start_line + index;
    const fence = /^\s*(```|~~~)/.test(text);
    const kind = front ? "front" : fenced || fence ? "code" : /^#{1,6}\s/.test(text) ? "heading" : "text";
    if (fence) fenced = !fenced;
    if (index > 0 && text.trim() === "---") front = false;
    const cited = start !== null && number >= start && number <= end;
    return h("li", { class: "line", value: number, data: { kind, line: number, ...(cited ? { cited: "" } : {}) } }, ...content(text, marked.get(number)));
  });
}

function content(text, range) {
  if (!range) return [text === "" ? "\u200b" : text];
  return [text.slice(0, range[0]), h("mark", {}, text.slice(...range)), text.slice(range[1])];
}
