// Short messages at the edge of the page, and the question before something is lost.

import { byId, h, iconButton } from "./dom.js";

const SHOWN_MS = 12_000;

/** Tell what went wrong; `retry`, when given, is offered as a button. */
export function tell(problem, retry = null) {
  const notice = h("div", { class: "notice" }, h("p", {}, problem.message));
  const close = () => notice.remove();
  if (retry) {
    notice.append(h("button", { type: "button", class: "button", on: { click: () => (close(), retry()) } }, "Try again"));
  }
  notice.append(iconButton("close", "Dismiss", close));
  byId("notices").replaceChildren(notice);
  setTimeout(close, SHOWN_MS);
}

/** Read a text to those who listen to the page. */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** Ask before doing something that cannot be undone; resolves to whether it was confirmed. */
export function confirmed(title, text, action) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-action").textContent = action;
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "confirm"), { once: true });
  });
}
