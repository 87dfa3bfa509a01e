// The documents by topic, a page at a time.

import { kb, tried } from "./api.js";
import { h, icon } from "./dom.js";
import { tell } from "./notices.js";
import { href } from "./route.js";
import { capitalized, counted } from "./text.js";

const PAGE = 200;

export class DocumentList {
  #element = null;
  #route = null;
  #topics = [];
  #items = [];
  #cursor = null;

  /**
   * Read the documents of the route's topic or all, as many as stood here before; gives their element, or null where
   * there are none. Throws a Problem.
   */
  async read(route, topics, signal) {
    const wanted = route.topic === this.#route?.topic ? this.#items.length : 0;
    const items = [];
    let cursor = null;
    do {
      const page = await kb.documents(route.topic, cursor, PAGE, signal);
      items.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor && items.length < wanted);
    [this.#route, this.#topics, this.#items, this.#cursor] = [route, topics, items, cursor];
    return items.length > 0 ? this.#made() : null;
  }

  #made() {
    const about = new Map(this.#topics.map((topic) => [topic.name, topic]));
    const sections = [...Map.groupBy(this.#items, (item) => item.topic)].map(([name, items]) =>
      section(about.get(name) ?? { title: name, documents: items.length }, items, this.#route),
    );
    this.#element = h("div", {}, sections, this.#cursor && this.#more());
    return this.#element;
  }

  #more() {
    const { topic } = this.#route;
    const all = this.#topics.filter(({ name }) => topic === "" || name === topic).reduce((sum, each) => sum + each.documents, 0);
    const button = h("button", { type: "button", class: "button more" }, `Show more of ${counted(all, "document")}`);
    button.addEventListener("click", () => this.#append(button));
    return button;
  }

  async #append(button) {
    const list = this.#element;
    button.disabled = true;
    const [page, problem] = await tried(kb.documents(this.#route.topic, this.#cursor, PAGE));
    button.disabled = false;
    if (list !== this.#element) return; // it was read anew meanwhile
    if (problem) return tell(problem, () => button.click());
    this.#items.push(...page.items);
    this.#cursor = page.next_cursor;
    list.replaceWith(this.#made());
    const [first] = page.items;
    this.#element.querySelector(`[data-document="${CSS.escape(first.name)}"]`).focus({ preventScroll: true });
  }
}

function section(topic, documents, route) {
  return h(
    "section",
    { class: "topic" },
    h("h2", { dir: "auto" }, capitalized(topic.title), h("span", { class: "count" }, counted(topic.documents, "document"))),
    topic.description && h("p", { class: "quiet", dir: "auto" }, topic.description),
    h("ul", { class: "documents" }, documents.map((item) => h("li", {}, documentLink(item, route)))),
  );
}

function documentLink(item, route) {
  return h(
    "a",
    { class: "document", href: href({ view: "knowledge", topic: route.topic, doc: item.name }), data: { document: item.name } },
    icon("file"),
    h(
      "span",
      { class: "document-text" },
      h("span", { class: "document-title", dir: "auto" }, item.title),
      h("span", { class: "document-about", dir: "auto" }, item.description || item.name),
    ),
  );
}
