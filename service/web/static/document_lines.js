// The lines of a document, each with its number and what kind of line it is; the quotes of citations marked in them.

import { h } from "./dom.js";

const LINE_END = /\r\n|\n|\r/g; // as the index counts lines

/** Where the quotes stand: line number -> [from, to] in that line, in UTF-16 units. */
export function quoteRanges(text, citations) {
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

/** The lines of a part as list items, with those from `start` to `end` marked as cited, and the `marked` ranges in them. */
export function rows(part, start, end, marked) {
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
