// The list of chats: newest first, by day, searched, renamed in place, deleted and brought back.

import { chats } from "./api.js";
import { debounced, h, iconButton } from "./dom.js";
import { tell } from "./notices.js";
import { href } from "./route.js";
import { dayName, moment, shortened } from "./text.js";
import { Trash } from "./trash.js";

const TYPING_MS = 150;
const NAMED = 40; // characters of a title in a message

export const titleOf = (chat) => chat.title ?? "New chat";

export class ChatList {
  #element;
  #chats = new Map(); // id -> {chat, row}; newest first
  #cursor = null;
  #query = "";
  #visit = 0;
  #news = null; // id -> what became of a chat while the list was on its way; null is gone
  #open = null;
  #renaming = false;
  #deleted;
  #trash;

  /** `box` takes words to look for; `deleted(id)` is told when a chat goes, `restored(id)` when one comes back. */
  constructor(element, box, deleted, restored) {
    this.#element = element;
    this.#deleted = deleted;
    this.#trash = new Trash(() => this.#render(), (chat) => (this.put(chat), restored(chat.id)));
    element.addEventListener("keydown", (event) => this.#key(event));
    const typed = debounced(TYPING_MS, () => {
      this.#query = box.value.trim();
      this.load().catch((problem) => tell(problem));
    });
    box.addEventListener("input", typed);
  }

  /** Load the newest chats anew. Throws a Problem. */
  async load() {
    const visit = (this.#visit += 1);
    const news = (this.#news = new Map());
    const page = await chats.list(null, this.#query);
    if (visit !== this.#visit) return;
    this.#news = null;
    const open = this.#chats.get(this.#open)?.chat; // may be older than the newest ones
    this.#chats = new Map(page.items.map((chat) => [chat.id, { chat, row: this.#row(chat) }]));
    this.#cursor = page.next_cursor;
    if (open && !this.#query && !this.#chats.has(open.id)) this.put(open);
    else this.#render();
    for (const [id, chat] of news) if (chat) this.put(chat); else this.remove(id);
  }

  /** A chat was made or changed. */
  put(chat) {
    this.#news?.set(chat.id, chat);
    if (this.#chats.has(chat.id)) return this.#update(chat);
    if (this.#query) return;
    const entries = [...this.#chats, [chat.id, { chat, row: this.#row(chat) }]];
    this.#chats = new Map(entries.sort(([, one], [, other]) => other.chat.created_at.localeCompare(one.chat.created_at)));
    this.#render();
  }

  /** A chat is gone for good. */
  remove(id) {
    this.#news?.set(id, null);
    this.#trash.forget(id);
    if (this.#chats.delete(id)) this.#render();
  }

  /** Bring back the chat that was deleted last, if it still can be. */
  undo() {
    this.#trash.undo();
  }

  /** Mark the chat that is open, if any. */
  set open(id) {
    this.#open = id;
    for (const [other, { row }] of this.#chats) mark(row, other === id);
  }

  /** Show that a chat is being answered ("working"), has a new answer ("news"), or neither (""). */
  setActivity(id, activity) {
    const row = this.#chats.get(id)?.row;
    if (row) row.dataset.activity = activity === "news" && id === this.#open ? "" : activity;
  }

  #update(chat) {
    const entry = this.#chats.get(chat.id);
    entry.chat = chat;
    const link = entry.row.querySelector(".chat-link");
    if (link) link.querySelector(".chat-title").textContent = titleOf(chat);
    link?.setAttribute("title", `${titleOf(chat)}\n${moment(chat.updated_at)}`);
  }

  #render() {
    if (this.#renaming) return;
    const groups = new Map();
    for (const { chat, row } of this.#chats.values()) {
      if (this.#trash.has(chat.id)) continue;
      const day = dayName(chat.created_at);
      if (!groups.has(day)) groups.set(day, h("ul", { "aria-label": day }));
      groups.get(day).append(row);
    }
    const parts = [...groups].flatMap(([day, list]) => [h("h2", { class: "day" }, day), list]);
    const none = this.#query ? "No chat has these words." : "Your chats will be listed here.";
    if (parts.length === 0) parts.push(h("p", { class: "empty-list" }, none));
    if (this.#cursor) parts.push(h("button", { type: "button", class: "button more", on: { click: () => this.#more() } }, "Show older chats"));
    this.#element.replaceChildren(...parts);
  }

  async #more() {
    const page = await chats.list(this.#cursor, this.#query).catch((problem) => tell(problem, () => this.#more()));
    if (!page) return;
    for (const chat of page.items) if (!this.#chats.has(chat.id)) this.#chats.set(chat.id, { chat, row: this.#row(chat) });
    this.#cursor = page.next_cursor;
    this.#render();
  }

  #row(chat) {
    const row = h("li", { class: "chat-row", data: { chat: chat.id, activity: "" } });
    this.#fill(row, chat);
    mark(row, chat.id === this.#open);
    return row;
  }

  #fill(row, chat) {
    const current = () => this.#chats.get(chat.id)?.chat ?? chat;
    const link = h(
      "a",
      { class: "chat-link", href: href({ chat: chat.id }), title: `${titleOf(chat)}\n${moment(chat.updated_at)}` },
      h("span", { class: "chat-title", dir: "auto" }, titleOf(chat)),
      h("span", { class: "activity" }),
    );
    row.replaceChildren(
      link,
      iconButton("pencil", "Rename", () => this.#rename(row, current())),
      iconButton("trash", "Delete", () => this.#delete(current())),
    );
  }

  #rename(row, chat) {
    const box = h("input", { class: "rename", type: "text", maxlength: 200, dir: "auto", "aria-label": "Title of the chat" });
    box.value = titleOf(chat);
    this.#renaming = true;
    let done = false;
    const finish = async (save) => {
      if (done) return;
      done = true;
      this.#renaming = false;
      const title = box.value.trim();
      this.#fill(row, chat);
      mark(row, chat.id === this.#open);
      this.#render();
      row.querySelector(".chat-link").focus();
      if (!save || title === "" || title === chat.title) return;
      await chats.rename(chat.id, title).then((changed) => this.put(changed), (problem) => tell(problem));
    };
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) finish(true);
      if (event.key !== "Escape") return;
      event.stopPropagation();
      finish(false);
    });
    box.addEventListener("blur", () => finish(true));
    row.replaceChildren(box);
    box.select();
  }

  #delete(chat) {
    const links = this.#links;
    const at = links.findIndex((link) => link.closest("[data-chat]").dataset.chat === chat.id);
    const next = links[at + 1] ?? links[at - 1];
    this.#trash.put(chat, shortened(titleOf(chat), NAMED));
    next?.focus();
    this.#deleted(chat.id);
  }

  get #links() {
    return [...this.#element.querySelectorAll(".chat-link")];
  }

  /** Arrows go along the chats; F2 renames, Delete deletes the one with the focus. */
  #key(event) {
    const link = event.target.closest(".chat-link");
    if (!link || event.ctrlKey || event.altKey || event.metaKey) return;
    const row = link.closest("[data-chat]");
    const { chat } = this.#chats.get(row.dataset.chat);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#links[this.#links.indexOf(link) + step]?.focus();
    else if (event.key === "F2") this.#rename(row, chat);
    else if (event.key === "Delete") this.#delete(chat);
    else return;
    event.preventDefault();
  }
}

function mark(row, isOpen) {
  row.toggleAttribute("data-open", isOpen);
  if (isOpen) row.dataset.activity = row.dataset.activity === "news" ? "" : row.dataset.activity;
  row.querySelector(".chat-link")?.setAttribute("aria-current", isOpen ? "page" : "false");
}
