// A question: how it stands in the chat, and the key by which the service knows it when it is sent twice.

import { h } from "./dom.js";

/** A random idempotency key; pages without a secure address lack randomUUID. */
export const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Make its bubble. */
export function question(message) {
  return h("article", { class: "question", "aria-label": "Question" }, h("div", { class: "bubble", dir: "auto" }, message.content));
}
