// What was asked and could not be answered: a table for authors.

import { h } from "./dom.js";
import { href } from "./route.js";
import { ago, counted, shortened } from "./text.js";

/** Make the table, folded, or null where there is nothing to tell. */
export function gapTable(gaps) {
  if (gaps.length === 0) return null;
  const open = gaps.filter((gap) => gap.state === "open").length;
  const title = open > 0 ? `${counted(open, "question")} without an answer` : "Every question has an answer now";
  const names = ["Question", "Asked", "Last", "Answered by"];
  return h(
    "details",
    { class: "gaps" },
    h("summary", {}, title),
    h(
      "div",
      { class: "gap-scroll", tabindex: "0", role: "region", "aria-label": "Questions without an answer" },
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, gaps.map(row)),
      ),
    ),
  );
}

function row(gap) {
  const near = gap.near_terms.length > 0 && h("span", { class: "quiet" }, `There is: ${gap.near_terms.join(", ")}`);
  return h(
    "tr",
    { data: { gap: gap.id, state: gap.state } },
    h("td", { dir: "auto" }, h("a", { href: href({ view: "knowledge", q: shortened(gap.question, 200) }) }, shortened(gap.question, 160)), near),
    h("td", {}, counted(gap.count, "time")),
    h("td", {}, ago(gap.last_seen)),
    h("td", {}, gap.resolved_by ? documentLink(gap.resolved_by) : "—"),
  );
}

const documentLink = (name) => h("a", { href: href({ view: "knowledge", doc: name }) }, h("bdi", { class: "path" }, name));
