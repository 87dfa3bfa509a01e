// What the agent does: one line that says it, and below it one for each tool call, folded away once the answer begins.
// The line stands where it stands from the question to the end, so that nothing moves when the answer is there.

import { h, icon } from "./dom.js";
import { counted, duration, lineRange } from "./text.js";

export class Steps {
  #list = h("ol", { class: "step-list" });
  #summary = h("span", { class: "steps-summary", "aria-live": "polite" });
  #folded = false;

  constructor() {
    const line = h("summary", {}, icon("chevron"), h("span", { class: "pulse" }), this.#summary);
    this.element = h("details", { class: "steps" }, line, this.#list);
  }

  update(message, final) {
    const { steps, content } = message;
    const begun = final || content !== "";
    this.#list.replaceChildren(...steps.map((step) => row(step, final)));
    this.#summary.textContent = begun ? summary(steps, final) : waiting(message);
    this.element.toggleAttribute("data-working", !final);
    this.element.toggleAttribute("data-empty", steps.length === 0);
    this.element.hidden = final && steps.length === 0 && content === "";
    if (!this.#folded) this.element.open = !begun; // nothing stands below yet, so folding moves no text
    this.#folded ||= begun;
  }
}

function waiting({ status, steps }) {
  if (status === "queued") return "Waiting for its turn…";
  const last = steps.at(-1);
  if (!last) return "Thinking…";
  return isPending(last) ? "Looking into the knowledge base…" : "Reading what was found…";
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

const isPending = (step) => step.duration_ms === null && step.error === null;

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

function summary(steps, final) {
  if (steps.length === 0) return final ? "Answered without a search" : "Writing…";
  const took = steps.reduce((sum, step) => sum + (step.duration_ms ?? 0), 0);
  const searches = steps.filter((step) => step.name === "search_kb");
  const reads = new Set(steps.filter((step) => step.name === "read_kb_doc").map((step) => step.arguments.name));
  const parts = [];
  if (searches.length === 1) parts.push(`Searched “${searches[0].arguments.query ?? ""}”`);
  else if (searches.length > 1) parts.push(`Searched ${searches.length} times`);
  if (reads.size > 0) parts.push(`${parts.length > 0 ? "read" : "Read"} ${counted(reads.size, "document")}`);
  if (parts.length === 0) parts.push(counted(steps.length, "step"));
  return `${parts.join(", ")} · ${final ? duration(took) : "writing…"}`;
}
