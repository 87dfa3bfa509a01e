// Short messages at the edge of the page. They go by themselves, but not while somebody is at them.

import { byId, h, icon, iconButton } from "./dom.js";

const SHOWN_MS = 12_000;
const MOST = 3;
const CONNECTION = {
  open: "",
  lost: "Connection lost. Trying again…",
  paused: "Paused, because many windows are open. Click here to go on.",
};

/** Tell what went wrong; `retry`, when given, is offered as a button. */
export function tell(problem, retry = null) {
  if (problem.status === 401) return; // the sign-in tells
  notice(problem.message, { role: "alert", action: retry && "Try again", act: retry });
}

/**
 * Show a message. `act` is called when its button `action` was pressed, else `ended` once it is gone.
 * Gives a function that takes it away without calling either.
 */
export function notice(text, { role = "status", action = null, act = null, ended = null, ms = SHOWN_MS } = {}) {
  let timer;
  const element = h("div", { class: "notice", role }, h("p", { dir: "auto" }, text));
  const away = () => {
    clearTimeout(timer);
    element.remove();
  };
  const end = () => (away(), ended?.());
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(end, ms);
  };
  if (action) element.append(h("button", { type: "button", class: "button", on: { click: () => (away(), act()) } }, action));
  element.append(iconButton("close", "Dismiss", end));
  for (const type of ["pointerenter", "focusin"]) element.addEventListener(type, () => clearTimeout(timer));
  for (const type of ["pointerleave", "focusout"]) element.addEventListener(type, () => element.isConnected && wait());
  element.addEventListener("end", end);
  byId("notices").append(element);
  if (byId("notices").childElementCount > MOST) byId("notices").firstElementChild.dispatchEvent(new Event("end"));
  wait();
  return away;
}

/** Tell how the connection is: "open", "lost" or "paused". */
export function connection(state) {
  byId("connection").textContent = CONNECTION[state];
  byId("connection").hidden = state === "open";
}

/** Make a lasting message: what could not be shown in this place, and a button to try again. */
export function failure(problem, retry) {
  const again = h("button", { type: "button", class: "button", on: { click: retry } }, icon("retry"), "Try again");
  return h("div", { class: "failure", role: "alert" }, icon("warning"), h("div", {}, h("p", {}, problem.message), again));
}

/** Read a text to those who listen to the page. */
export function announce(text) {
  byId("announcer").textContent = text;
}
