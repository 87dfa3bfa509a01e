// The keys that do something, and the list of them. Keys without Ctrl can be switched off, for people whose
// input sends single letters by accident.

import { byId, h } from "./dom.js";

const OFF = "single-keys-off";

/** Listen to the keyboard. `actions` are functions by the names used below; one that is undefined is not offered. */
export function listen(actions) {
  const table = [
    ["Everywhere", [
      ["n", "New chat", actions.newChat],
      ["/", "Search the knowledge base", actions.searchKnowledge],
      ["f", "Search the chats", actions.searchChats],
      ["q", "Write a question", actions.writeQuestion],
      ["Ctrl+Z", "Bring back the chat deleted last", actions.undo],
      ["Esc", "Close what is open", null],
      ["?", "Show the shortcuts", show],
      ["Ctrl+/", "Show the shortcuts, also while writing", null],
    ]],
    ["In a chat", [
      ["Enter", "Ask", null],
      ["Shift+Enter", "Begin a new line", null],
      ["s", "Stop the answer", actions.stop],
      ["c", "Copy the last answer", actions.copy],
      ["r", "Answer again", actions.again],
      ["g", "Go to the newest text", actions.toNewest],
    ]],
    ["In the list of chats", [
      ["↑ ↓", "Previous, next chat", null],
      ["F2", "Rename", null],
      ["Delete", "Delete", null],
    ]],
  ].map(([title, rows]) => [title, rows.filter(([, , run]) => run !== undefined)]);
  const byKey = new Map(table.flatMap(([, rows]) => rows).filter(([, , run]) => run).map(([key, , run]) => [key, run]));
  fill(table);
  addEventListener("keydown", (event) => pressed(event, byKey));
  byId("show-shortcuts").addEventListener("click", show);
}

function pressed(event, byKey) {
  if (event.defaultPrevented || event.isComposing || event.altKey || document.querySelector("dialog[open]")) return;
  const ctrl = event.ctrlKey || event.metaKey;
  const typing = event.target.matches("input, textarea, select, [contenteditable]");
  if (typing && !(ctrl && event.key === "/")) return;
  if (!ctrl && localStorage.getItem(OFF)) return;
  const key = ctrl ? { z: "Ctrl+Z", "/": "?" }[event.key] : event.key;
  const run = byKey.get(key);
  if (!run) return;
  event.preventDefault();
  run();
}

function show() {
  byId("shortcuts").showModal();
}

function fill(table) {
  const single = h("input", { type: "checkbox" });
  single.checked = !localStorage.getItem(OFF);
  single.addEventListener("change", () => (single.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
  byId("shortcut-table").replaceChildren(
    ...table.map(([title, rows]) => h("section", {}, h("h3", {}, title), h("dl", {}, rows.flatMap(row)))),
    h("label", { class: "switch" }, single, "Use shortcuts of a single key"),
  );
}

const row = ([keys, meaning]) => [h("dt", {}, meaning), h("dd", {}, keys.split(/[+ ]/).map((key) => h("kbd", {}, key)))];
