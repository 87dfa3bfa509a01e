// What the agent did: one line for each tool call, folded away once the answer begins.

import { h, icon } from "./dom.js";
import { counted, duration, lineRange } from "./text.js";

export class Steps {
  #list = h("ol", { class: "step-list" });
  #summary = h("span", { class: "steps-summary" });
  #folded = false;

  constructor() {
    this.element = h(
      "details",
      { class: "steps", hidden: true },
      h("summary", {}, icon("chevron"), this.#summary),
      this.#list,
    );
  }

  update(message, final) {
    const steps = message.steps;
    this.element.hidden = steps.length === 0;
    this.#list.replaceChildren(...steps.map((step) => row(step, final)));
    const last = steps.at(-1);
    if (!last) return;
    const working = !final && isPending(last);
    this.#summary.textContent = working ? "Looking into the knowledge base" : summary(steps);
    this.element.toggleAttribute("data-working", working);
    const begun = final || message.content !== "";
    if (!this.#folded) this.element.open = !begun; // nothing stands below yet, so folding moves no text
    this.#folded ||= begun;
  }
}

function row(step, final) {
  const pending = isPending(step);
  const state = step.error !== null ? "failed" : pending && !final ? "working" : "done";
  return h(
    "li",
    { class: "step", data: { state } },
    icon(state === "failed" ? "warning" : symbol(step)),
    h("span", {}, h("bdi", {}, doing(step)), pending ? null : outcome(step)),
  );
}

export const isPending = (step) => step.duration_ms === null && step.error === null;

const symbol = (step) => ({ search_kb: "search", read_kb_doc: "file" })[step.name] ?? "list";

function doing({ name, arguments: args }) {
  if (name === "search_kb") return `Searching “${args.query ?? ""}”${args.topic ? ` in ${args.topic}` : ""}`;
  if (name === "read_kb_doc") {
    const lines = args.end_line ? `, ${lineRange(args.start_line ?? 1, args.end_line)}` : "";
    return `Reading ${args.name ?? "a document"}${lines}`;
  }
  return name === "list_kb_topics" ? "Looking at the topics" : `Calling ${name}`;
}

function outcome({ name, hits, error, duration_ms: took }) {
  if (error !== null) return ` — ${error}`;
  const found = name === "list_kb_topics" ? counted(hits ?? 0, "topic") : counted(hits ?? 0, "passage");
  return hits === null ? ` — ${duration(took)}` : ` — ${found}, ${duration(took)}`;
}

function summary(steps) {
  const took = steps.reduce((sum, step) => sum + (step.duration_ms ?? 0), 0);
  const searches = steps.filter((step) => step.name === "search_kb");
  const reads = new Set(steps.filter((step) => step.name === "read_kb_doc").map((step) => step.arguments.name));
  const parts = [];
  if (searches.length === 1) parts.push(`Searched “${searches[0].arguments.query ?? ""}”`);
  else if (searches.length > 1) parts.push(`Searched ${searches.length} times`);
  if (reads.size > 0) parts.push(`${parts.length > 0 ? "read" : "Read"} ${counted(reads.size, "document")}`);
  if (parts.length === 0) parts.push(counted(steps.length, "step"));
  return `${parts.join(", ")} · ${duration(took)}`;
}
