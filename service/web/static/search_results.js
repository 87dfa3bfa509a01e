// What a search of the knowledge base found, with the matching words marked.

import { h } from "./dom.js";
import { href } from "./route.js";
import { codePoints, counted, cutAt, duration, lineRange } from "./text.js";

const STEPS = {
  identifier: "an exact name",
  terms: "words",
  near: "similar words",
};

const unique = (terms) => [...new Set(terms)];

/** Make the results. `again(term)` searches for another term. */
export function searchResults(result, route, again) {
  if (result.hits.length === 0) return nothing(result, again);
  const near = result.near_terms.length > 0 ? ` (${unique(result.near_terms).join(", ")})` : "";
  const found = `${counted(result.hits.length, "passage")} · matched by ${STEPS[result.step] ?? result.step}${near} · ${duration(result.took_ms)}`;
  return h(
    "section",
    { class: "results", "aria-label": "Results", data: { step: result.step } },
    h("p", { class: "quiet result-note", role: "status" }, found),
    h("ol", { class: "hits" }, result.hits.map((hit) => h("li", {}, card(hit, route)))),
  );
}

function card(hit, route) {
  const target = href({ ...route, doc: hit.document, start: hit.start_line, end: hit.end_line });
  return h(
    "a",
    { class: "hit", href: target },
    h("span", { class: "hit-title", dir: "auto" }, hit.title),
    h("span", { class: "hit-place" }, h("bdi", { class: "path" }, hit.document), ` · ${lineRange(hit.start_line, hit.end_line)}`),
    h("span", { class: "hit-heading", dir: "auto" }, headingPath(hit)),
    h("span", { class: "hit-excerpt", dir: "auto" }, highlighted(...withoutHeading(hit))),
  );
}

/** The headings above the passage, without the title that stands there already. */
function headingPath({ heading, title }) {
  const path = heading.split(" > ");
  return (path[0] === title ? path.slice(1) : path).join(" › ");
}

/** The excerpt and what matched in it, without the heading line that stands above it already. */
function withoutHeading({ heading, excerpt, highlights }) {
  const [line] = excerpt.match(/^#{1,6} /) ?? [""];
  const repeated = line + heading.split(" > ").at(-1);
  if (line === "" || !excerpt.startsWith(repeated)) return [excerpt, highlights];
  const rest = excerpt.slice(repeated.length);
  const text = rest.trimStart();
  const left = codePoints(excerpt) - codePoints(text);
  return [text, highlights.filter(([start]) => start >= left).map(([start, end]) => [start - left, end - left])];
}

/** Mark ranges of a text; the server counts code points. */
function highlighted(text, ranges) {
  const parts = [];
  let rest = text;
  let position = 0;
  for (const [start, end] of ranges) {
    if (start < position) continue;
    const [before, from] = cutAt(rest, start - position);
    const [marked, after] = cutAt(from, end - start);
    parts.push(before, h("mark", {}, marked));
    rest = after;
    position = end;
  }
  return [...parts, rest];
}

function nothing(result, again) {
  const terms = unique(result.near_terms).map((term) =>
    h("button", { type: "button", class: "chip", on: { click: () => again(term) } }, term),
  );
  return h(
    "section",
    { class: "results nothing", "aria-label": "Results", data: { step: "none" } },
    h("p", { role: "status" }, `Nothing was found for “${result.query}”.`),
    terms.length > 0 && h("p", { class: "quiet" }, "Words that do occur:"),
    terms.length > 0 && h("div", { class: "chips" }, terms),
    terms.length === 0 && h("p", { class: "quiet" }, "Try other words: the nouns of the question, a name, an error code."),
  );
}
