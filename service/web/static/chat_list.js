// The list of chats: newest first, by day, searched, renamed in place, deleted and brought back.

import { chats, Problem, problemOf, tried } from "./api.js";
import { arrange, debounced, h, iconButton } from "./dom.js";
import { later } from "./live.js";
import { tell } from "./notices.js";
import { titleBox } from "./renaming.js";
import { href } from "./route.js";
import { dayName, moment, shortened } from "./text.js";
import { Trash } from "./trash.js";

const TYPING_MS = 150;
const NAMED = 40; // characters of a title in a message
export const titleOf = (chat) => chat.title ?? "New chat";

export class ChatList {
  #element;
  #chats = new Map(); // id -> {chat, row}; newest first
  #activities = new Map(); // id -> "working" or "news"
  #days = new Map(); // name -> {heading, list}
  #cursor = null;
  #query = "";
  #visit = 0;
  #news = new Map(); // id -> what became of a chat while a list was on its way; null is gone
  #open = null;
  #deleted;
  #trash;
  #older = h("button", { type: "button", class: "button more", on: { click: () => this.#more() } }, "Show older chats");

  /** `box` takes words to look for; `deleted(id)` is told when a chat goes, `restored(id)` when one comes back. */
  constructor(element, box, deleted, restored) {
    this.#element = element;
    this.#deleted = deleted;
    this.#trash = new Trash(() => this.#render(), (chat) => this.#restored(chat, restored));
    element.addEventListener("keydown", (event) => this.#key(event));
    box.addEventListener("input", debounced(TYPING_MS, () => {
      this.#query = box.value.trim();
      this.load();
    }));
  }

  /**
   * Load the newest chats anew; gives the id to follow from, null where nothing has happened yet or that failed. Then
   * it goes on trying, and tells once.
   */
  async load(tells = true) {
    const loading = this.#page(null);
    const visit = this.#visit;
    const [place, problem] = await tried(loading);
    if (problem === null) return place;
    if (!(problem instanceof Problem)) throw problem;
    if (tells) tell(problem);
    later().then(() => visit === this.#visit && this.load(false));
    return null;
  }

  #more() {
    this.#page(this.#cursor).catch((problem) => tell(problem, () => this.#more()));
  }

  /** Load a page of chats, the first one in place of all that are here. What happened meanwhile is newer than it. */
  async #page(cursor) {
    const visit = (this.#visit += 1);
    this.#news.clear();
    this.#older.disabled = true;
    const page = await chats.list(cursor, this.#query).finally(() => (this.#older.disabled &&= visit !== this.#visit));
    if (visit !== this.#visit) return page.last_event_id;
    const open = this.#chats.get(this.#open); // may be older than the newest ones
    const found = page.items.map((chat) => [chat.id, this.#entry(chat)]);
    this.#chats = new Map(cursor === null ? found : [...this.#chats, ...found]);
    this.#cursor = page.next_cursor;
    if (open && !this.#query) this.#add(open.chat);
    for (const [id, chat] of this.#news) if (chat) this.#add(chat); else this.#chats.delete(id);
    this.#render();
    return page.last_event_id;
  }

  /** A chat was made or changed. */
  put(chat) {
    this.#news.set(chat.id, chat);
    if (this.#add(chat)) this.#render();
  }

  /** A chat is gone for good. */
  remove(id) {
    this.#news.set(id, null);
    this.#activities.delete(id);
    this.#trash.forget(id);
    if (this.#chats.delete(id)) this.#render();
  }

  /** The title of a chat, if it is here. */
  titleOf(id) {
    return this.#chats.has(id) ? titleOf(this.#chats.get(id).chat) : null;
  }

  /** Bring back the chat that was deleted last, if it still can be. */
  undo() {
    this.#trash.undo();
  }

  /** Delete at once what could still be brought back. */
  async settle() {
    await this.#trash.empty();
  }

  /** Mark the chat that is open, if any. */
  set open(id) {
    this.#open = id;
    if (this.#activities.get(id) === "news") this.#activities.delete(id);
    for (const [other, { row }] of this.#chats) this.#mark(row, other);
  }

  /** Show that a chat is being answered ("working"), has a new answer ("news"), or neither (""). */
  setActivity(id, activity) {
    if (activity === "" && this.#activities.get(id) === "news") return; // not seen yet
    this.#activities.set(id, activity === "news" && id === this.#open ? "" : activity);
    const entry = this.#chats.get(id);
    if (entry) this.#mark(entry.row, id);
  }

  /** Give the entry of a chat; the row stays the one it was. */
  #entry(chat) {
    const entry = this.#chats.get(chat.id) ?? { chat, row: this.#row(chat) };
    entry.chat = chat;
    showTitle(entry.row, titleOf(chat), chat);
    return entry;
  }

  /** Take a chat in; give whether it is a new one. A search shows what it found and no other. */
  #add(chat) {
    const isNew = !this.#chats.has(chat.id);
    if (isNew && this.#query) return false;
    const entries = [...this.#chats.set(chat.id, this.#entry(chat))];
    if (isNew) this.#chats = new Map(entries.sort(([, one], [, other]) => other.chat.created_at.localeCompare(one.chat.created_at)));
    return isNew;
  }

  #restored(chat, restored) {
    if (!this.#chats.has(chat.id) && this.#add(chat)) this.#render(); // one that is here is newer
    restored(chat.id);
  }

  #render() {
    const rows = new Map();
    for (const { chat, row } of this.#chats.values()) {
      if (this.#trash.has(chat.id)) continue;
      const day = dayName(chat.created_at);
      rows.set(day, [...(rows.get(day) ?? []), row]);
    }
    const parts = [...rows].flatMap(([day, itsRows]) => this.#day(day, itsRows));
    const none = this.#query ? "No chat has these words." : "Your chats will be listed here.";
    if (parts.length === 0) parts.push(h("p", { class: "empty-list" }, none));
    if (this.#cursor) parts.push(this.#older);
    arrange(this.#element, parts);
  }

  #day(name, rows) {
    if (!this.#days.has(name)) this.#days.set(name, [h("h2", { class: "day" }, name), h("ul", { "aria-label": name })]);
    const [heading, list] = this.#days.get(name);
    arrange(list, rows);
    return [heading, list];
  }

  #row(chat) {
    const row = h("li", { class: "chat-row", data: { chat: chat.id } });
    this.#fill(row, chat);
    return row;
  }

  #fill(row, chat) {
    const link = h(
      "a",
      { class: "chat-link", href: href({ chat: chat.id }) },
      h("span", { class: "chat-title", dir: "auto" }),
      h("span", { class: "activity" }),
    );
    const current = () => this.#chats.get(chat.id)?.chat ?? chat;
    row.replaceChildren(
      link,
      iconButton("pencil", "Rename", () => this.#rename(row, current())),
      iconButton("trash", "Delete", () => this.#delete(current())),
    );
    showTitle(row, titleOf(chat), chat);
    this.#mark(row, chat.id);
  }

  #mark(row, id) {
    const isOpen = id === this.#open;
    row.toggleAttribute("data-open", isOpen);
    row.dataset.activity = this.#activities.get(id) ?? "";
    row.querySelector(".chat-link")?.setAttribute("aria-current", isOpen ? "page" : "false");
  }

  #rename(row, { id, title: former }) {
    const box = titleBox(titleOf({ title: former }), (title, stay) => {
      const chat = this.#chats.get(id)?.chat ?? { id, title: former };
      this.#fill(row, chat);
      if (stay) row.querySelector(".chat-link").focus();
      if (title) this.#retitle(row, chat, title);
    });
    row.replaceChildren(box);
    box.select();
  }

  /** Show the title at once. That it was taken, and what others make of it, the stream tells. */
  async #retitle(row, chat, title) {
    showTitle(row, title, chat);
    const problem = await problemOf(chats.rename(chat.id, title));
    if (problem === null) return;
    const now = this.#chats.get(chat.id)?.chat ?? chat;
    showTitle(row, titleOf(now), now);
    tell(problem, () => this.#retitle(row, now, title));
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

function showTitle(row, title, chat) {
  const link = row.querySelector(".chat-link");
  if (!link) return; // it is being renamed
  link.querySelector(".chat-title").textContent = title;
  link.title = `${title}\n${moment(chat.updated_at)}`;
}
