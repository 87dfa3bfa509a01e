// One answer: its steps, its text, how well it is founded, its sources, and what can be done with it.

import { copyButton, offerCode } from "./copying.js";
import { h, icon, iconButton } from "./dom.js";
import { Feedback } from "./feedback.js";
import { isFinal } from "./messages.js";
import { Prose } from "./prose.js";
import { citationOf, labelChips, sourceList } from "./sources.js";
import { Steps } from "./steps.js";
import { counted, duration, lineRange, moment, sentence } from "./text.js";

const OUTCOMES = {
  grounded: ["Grounded", "Every source it names was found in the knowledge base for this question."],
  partial: ["Partly grounded", "Some of it could not be traced to the knowledge base, or the answer was cut short."],
  not_in_kb: ["Not in the knowledge base", "It searched, and nothing in the answer rests on the knowledge base."],
  conversational: ["Conversation", "No search was needed for this."],
  stopped: ["Stopped", "The answer was stopped; what was written until then is kept."],
  limit: ["Limit reached", "A limit of the service ended the answer."],
  error: ["Failed", "The question could not be answered."],
};

export class AnswerView {
  #message;
  #actions;
  #steps = new Steps();
  #prose;
  #ending = h("div", { class: "ending" });
  #ended = false;
  #feedback;

  /** Actions: openCitation(citation), askAgain(message), rate(message, rating, comment) -> whether it was taken. */
  constructor(message, actions) {
    this.#message = message;
    this.#actions = actions;
    this.#prose = new Prose(message, () => this.#rendered());
    this.#feedback = new Feedback((rating, comment) => actions.rate(this.#message, rating, comment));
    this.element = h(
      "article",
      { class: "answer", "aria-label": "Answer", data: { message: message.id } },
      this.#steps.element,
      this.#prose.element,
      this.#ending,
    );
    this.#prose.element.addEventListener("click", (event) => this.#clicked(event));
  }

  /** Show the message as it is now; `rendered` is the fragment of its text, when it came with the history. */
  update(message, rendered = null) {
    this.#message = message;
    const final = isFinal(message);
    this.element.dataset.status = message.status;
    this.element.setAttribute("aria-busy", String(!final));
    this.#steps.update(message, final);
    if (rendered) this.#prose.prime(rendered, message, final);
    else this.#prose.update(message, final);
    if (message.superseded_by) this.supersede();
    this.#rendered();
  }

  /** What stands below the text comes after it, so that nothing has to move down. */
  #rendered() {
    if (!this.#prose.settled) return;
    if (!this.#ended) this.#end();
    offerCode(this.#prose.element);
    labelChips(this.#prose.element, this.#message);
    this.#feedback.update(this.#message.feedback);
  }

  /** There is a newer answer to the same question: fold this one away. */
  supersede() {
    if (this.element.querySelector(".former")) return;
    const show = h("button", { type: "button", class: "former", "aria-expanded": "false" }, icon("chevron"), "Earlier answer");
    show.addEventListener("click", () => {
      const open = this.element.toggleAttribute("data-unfolded");
      show.setAttribute("aria-expanded", String(open));
    });
    this.element.prepend(show);
    this.element.toggleAttribute("data-superseded", true);
  }

  #end() {
    const message = this.#message;
    this.#ended = true;
    this.#ending.replaceChildren(
      ...[
        message.error ? this.#failure(message.error) : null,
        h("p", { class: "verdict" }, badge(message), verdictNote(message)),
        message.citations.length > 0 ? sourceList(message, this.#actions.openCitation) : null,
        h("div", { class: "answer-actions" }, this.#buttons(message), h("span", { class: "made-by" }, madeBy(message))),
        this.#feedback.element,
      ].filter(Boolean),
    );
  }

  #failure({ detail, retryable }) {
    const again = h("button", { type: "button", class: "button", on: { click: () => this.#actions.askAgain(this.#message) } });
    again.append(icon("retry"), "Ask again");
    const advice = retryable ? null : h("p", { class: "quiet" }, "Asking again will not help until the cause is removed.");
    return h("div", { class: "failure", role: "alert" }, icon("warning"), h("div", {}, h("p", { dir: "auto" }, sentence(detail)), advice, again));
  }

  #buttons(message) {
    if (message.error) return [];
    const again = iconButton("retry", "Answer again", () => this.#actions.askAgain(this.#message));
    again.classList.add("again");
    return [message.content ? copyButton("Copy the answer", () => asText(this.#message)) : null, ...this.#feedback.buttons, again];
  }

  #clicked(event) {
    const chip = event.target.closest("button.cite");
    const citation = chip && citationOf(this.#message, chip.dataset.marker);
    if (citation) this.#actions.openCitation(citation);
    const link = event.target.closest("a[href]");
    const target = link?.getAttribute("href");
    if (!target || /^[a-z][a-z0-9+.-]*:/i.test(target)) return;
    event.preventDefault(); // a relative link in an answer can only mean a document
    const name = documentName(target);
    if (name) this.#actions.openCitation({ document: name, start_line: null, end_line: null });
  }
}

function documentName(target) {
  const path = target.replace(/[?#].*$/, "").replace(/^(\.{0,2}\/)+/, "");
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function badge(message) {
  const outcome = message.outcome ?? (message.status === "cancelled" ? "stopped" : "error");
  const [name, meaning] = OUTCOMES[outcome] ?? [outcome, ""];
  return h("span", { class: "outcome", data: { outcome }, title: meaning }, name);
}

function verdictNote({ citations, citations_dropped: dropped }) {
  const notes = [];
  if (citations.length > 0) notes.push(counted(citations.length, "source"));
  if (dropped > 0) notes.push(`${counted(dropped, "citation")} removed that did not hold`);
  return notes.length > 0 ? h("span", { class: "quiet" }, notes.join(" · ")) : null;
}

function madeBy({ model, created_at: asked, completed_at: answered }) {
  const took = answered ? duration(Date.parse(answered) - Date.parse(asked)) : null;
  const when = h("time", { datetime: asked, title: moment(asked) }, took ?? moment(asked));
  return [model ? h("span", { class: "model", title: "What wrote the answer" }, model) : null, when];
}

function asText({ content, citations }) {
  const sources = citations.map((c) => `${c.marker} ${c.title} (${c.document}, ${lineRange(c.start_line, c.end_line)})`);
  return sources.length > 0 ? `${content}\n\n${sources.join("\n")}\n` : content;
}

/** What a screen reader is told once an answer stands. */
export function spoken(message) {
  if (message.status === "failed") return `The question failed: ${message.error?.detail ?? ""}`;
  return `Answer: ${message.content.replace(/\[\d+\]|[*`#]/g, "")}`;
}
