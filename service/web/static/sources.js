// The sources of an answer: the list below it, and the numbered chips in its text.

import { h } from "./dom.js";
import { lineRange, shortened } from "./text.js";

/** The number in a citation's marker: "[3]" -> "3". */
const numberOf = (citation) => citation.marker.replace(/\D/g, "");

/** Find the citation that a chip with that number stands for. */
export const citationOf = (message, number) => message.citations.find((citation) => numberOf(citation) === number);

/** Make the list of an answer's sources; `open(citation)` shows one. */
export function sourceList(message, open) {
  return h(
    "ol",
    { class: "sources", "aria-label": "Sources" },
    message.citations.map((citation) => h("li", {}, sourceCard(citation, open))),
  );
}

function sourceCard(citation, open) {
  return h(
    "button",
    { type: "button", class: "source", data: { marker: numberOf(citation) }, on: { click: () => open(citation) } },
    h("span", { class: "cite-number", "aria-hidden": "true" }, numberOf(citation)),
    h(
      "span",
      { class: "source-text" },
      h("span", { class: "source-title", dir: "auto" }, citation.title),
      h(
        "span",
        { class: "source-place" },
        h("bdi", { class: "path" }, citation.document),
        ` · ${lineRange(citation.start_line, citation.end_line)}`,
      ),
      h("q", { class: "source-quote", dir: "auto" }, shortened(citation.quote, 180)),
    ),
  );
}

/** Tell each chip of the text what it stands for; those without a citation (yet) cannot be opened. */
export function labelChips(prose, message) {
  for (const chip of prose.querySelectorAll("button.cite")) {
    const citation = citationOf(message, chip.dataset.marker);
    chip.disabled = !citation;
    if (!citation) continue;
    const place = `${citation.title} — ${citation.document}, ${lineRange(citation.start_line, citation.end_line)}`;
    chip.title = place;
    chip.setAttribute("aria-label", `Source ${chip.dataset.marker}: ${place}`);
  }
}
