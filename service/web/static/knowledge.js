// The knowledge view: search as you type, the documents by topic, and the state of the index.

import { kb } from "./api.js";
import { DocumentList } from "./documents.js";
import { arrange, debounced, h, icon } from "./dom.js";
import { gapTable } from "./gaps.js";
import { indexCard } from "./index_card.js";
import { folderTrouble } from "./index_status.js";
import { failure } from "./notices.js";
import { change, current } from "./route.js";
import { searchResults } from "./search_results.js";
import { capitalized } from "./text.js";

const TYPING_MS = 120;
const SETTLED_MS = 250;
const NONE = "There are no documents yet. Text files put into the folder appear here at once.";

export class KnowledgeView {
  #element;
  #box = h("input", {
    type: "search",
    id: "kb-query",
    dir: "auto",
    placeholder: "Search the knowledge base…",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": "Search the knowledge base",
  });
  #topics = h("div", { class: "chips", role: "group", "aria-label": "Topics" });
  #content = h("div", { class: "knowledge-content" });
  #card = h("div", { class: "index-card" });
  #columns = h("div", { class: "knowledge-columns", hidden: true }, this.#content, this.#card);
  #documentList = new DocumentList();
  #topicList = [];
  #topicChips = new Map(); // name -> its button
  #index;
  #abort = null;
  #visit = 0;
  #shown = null;
  #typed = debounced(TYPING_MS, () => change({ q: this.#box.value.trim() }, { replace: true }));

  /** The folder changed: show what is there now. */
  refresh = debounced(SETTLED_MS, () => {
    this.#shown = null;
    if (!this.#element.hidden) this.show(current());
  });

  /** The reader goes to another view: what is shown here may be old by the time of coming back. */
  leave() {
    this.#shown = null;
  }

  constructor(element, index) {
    this.#element = element;
    this.#index = index;
    this.#box.addEventListener("input", () => this.#typed());
    index.onChange((status) => this.#card.replaceChildren(indexCard(status)));
    element.append(
      h(
        "div",
        { class: "knowledge", tabindex: "-1" },
        h("div", { class: "search-box" }, icon("search"), this.#box),
        this.#topics,
        this.#columns,
      ),
    );
  }

  focus() {
    this.#box.focus();
    this.#box.select();
  }

  /** Show what the route asks for: a search, or the documents of one topic or all. */
  async show(route) {
    if (document.activeElement !== this.#box) this.#box.value = route.q;
    const key = `${route.q}\n${route.topic}`;
    if (key === this.#shown) return;
    this.#shown = key;
    const visit = (this.#visit += 1);
    this.#abort?.abort();
    this.#abort = new AbortController();
    this.#element.dataset.search = "loading";
    const parts = await this.#parts(route).catch((problem) => (problem.name === "AbortError" ? null : [failure(problem, this.refresh)]));
    if (visit !== this.#visit || parts === null) return;
    this.#replace(parts);
    this.#showTopics(route);
    this.#columns.hidden = false; // only now it is known where they stand
    this.#element.dataset.search = "done";
  }

  /** Show other parts; what was unfolded stays so, and the focus stays on what is there again. */
  #replace(parts) {
    const focused = this.#content.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const unfolded = this.#content.querySelector(".gaps")?.open ?? false;
    this.#content.replaceChildren(...parts);
    this.#content.querySelector(".gaps")?.toggleAttribute("open", unfolded);
    if (focused) this.#content.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  async #parts(route) {
    const { signal } = this.#abort;
    if (this.#topicList.length === 0 || !route.q) this.#topicList = (await kb.topics(signal)).items;
    if (!route.q) return this.#documents(route, signal);
    const result = await kb.search(route.q, route.topic, signal);
    return [searchResults(result, { view: "knowledge", q: route.q, topic: route.topic }, (term) => this.#again(term))];
  }

  #again(term) {
    this.#box.value = term;
    change({ q: term });
  }

  async #documents(route, signal) {
    const [documents, gaps] = await Promise.all([this.#documentList.read(route, this.#topicList, signal), kb.gaps(signal)]);
    const table = route.topic ? null : gapTable(gaps.items);
    const none = () => h("p", { class: "empty" }, folderTrouble(this.#index.status) ?? NONE);
    return [table, documents ?? none()].filter(Boolean);
  }

  #showTopics(route) {
    const all = this.#topicList.reduce((sum, topic) => sum + topic.documents, 0);
    const chip = (name, title, count) => {
      if (!this.#topicChips.has(name)) this.#topicChips.set(name, h("button", { type: "button", class: "chip", on: { click: () => change({ topic: name }) } }));
      const button = this.#topicChips.get(name);
      button.setAttribute("aria-pressed", String(route.topic === name));
      button.replaceChildren(title, h("span", { class: "count" }, String(count)));
      return button;
    };
    arrange(this.#topics, [chip("", "All", all), ...this.#topicList.map((topic) => chip(topic.name, capitalized(topic.title), topic.documents))]);
  }
}
