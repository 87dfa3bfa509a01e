// The history of a chat, a page at a time: its messages with their answers as HTML, and the way to those before.

import { chats, fragments } from "./api.js";
import { h } from "./dom.js";
import { parseFragments } from "./prose.js";

/** Read a page of messages, oldest first: {messages, rendered, cursor}. Throws a Problem. */
export async function historyOf(chatId, cursor = null) {
  const page = await chats.messages(chatId, cursor);
  const messages = page.items.reverse();
  const answers = messages.filter((message) => message.role === "assistant" && message.content);
  const ids = answers.map((message) => message.id);
  const rendered = ids.length === 0 ? new Map() : parseFragments(await fragments(chatId, ids));
  return { messages, rendered, cursor: page.next_cursor };
}

/** A button for the page before; `show(page)` shows it in its place. Where that `failed` it can be pressed again. */
export function earlierButton(chatId, cursor, failed, show) {
  const button = h("button", { type: "button", class: "button earlier" }, "Show earlier messages");
  button.addEventListener("click", async () => {
    button.disabled = true;
    const page = await historyOf(chatId, cursor).catch(failed);
    button.disabled = false;
    if (page && button.isConnected) show(page);
  });
  return button;
}
