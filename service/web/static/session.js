// Who is asking. Where the service wants a key the page asks for it; it becomes a cookie that no script can read.

import { problemOf, session, tried } from "./api.js";
import { byId, h } from "./dom.js";
import { later } from "./live.js";
import { connection, tell } from "./notices.js";

const ENDED = "sign-in-ended"; // kept while the page begins anew

/**
 * Wait until somebody may ask, signed in where that is needed; from then on the end of a sign-in is noticed.
 * Gives whether he may read the knowledge base too, beside asking it. `leaving()` does what is left to do before a
 * sign-out.
 */
export async function admitted(leaving) {
  const who = await whoAsks();
  if (who === null) return signedIn();
  addEventListener("refused", recheck, { once: true });
  byId("who").hidden = !who.signed_in;
  byId("who-name").textContent = who.name ?? "";
  byId("sign-out").addEventListener("click", () => leave(leaving));
  const readsKnowledge = who.scopes.includes("kb");
  for (const id of ["open-knowledge", "index-badge"]) byId(id).hidden = !readsKnowledge;
  return readsKnowledge;
}

/** Ask who it is until the service says so; null where nobody is signed in who has to be. */
async function whoAsks() {
  const [who, problem] = await tried(session.get());
  const isKnown = problem === null || problem.status === 401;
  connection(isKnown ? "open" : "lost");
  if (isKnown) return who;
  await later();
  return whoAsks();
}

/** A request was refused: when it was for want of a sign-in, begin anew with asking for one. */
async function recheck() {
  const problem = await problemOf(session.get());
  if (problem?.status === 401) {
    sessionStorage.setItem(ENDED, "1");
    location.reload();
  } else addEventListener("refused", recheck, { once: true });
}

async function leave(leaving) {
  await leaving();
  const problem = await problemOf(session.end());
  if (problem === null || problem.status === 401) location.reload();
  else tell(problem, () => leave(leaving));
}

/** Ask for a key. Never resolves: the page begins anew with it, wherever it stood. */
function signedIn() {
  const dialog = byId("sign-in");
  const box = byId("key");
  byId("sign-in-text").replaceChildren(...reason());
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.firstElementChild.addEventListener("submit", (event) => {
    event.preventDefault();
    enter(box);
  });
  document.addEventListener("visibilitychange", () => document.hidden || session.get().then(() => location.reload(), () => null));
  document.body.dataset.state = "signed-out";
  dialog.showModal();
  return new Promise(() => {});
}

function reason() {
  if (sessionStorage.getItem(ENDED)) return ["Your sign-in has ended, or its key was revoked. What you have typed is kept."];
  return ["This service asks for an API key. Whoever runs it makes one with ", h("code", {}, "kb-agent keys create NAME"), "."];
}

async function enter(box) {
  const key = box.value.trim();
  if (key === "") return;
  const problem = await problemOf(session.begin(key));
  if (problem === null) {
    sessionStorage.removeItem(ENDED);
    return location.reload();
  }
  byId("sign-in-error").textContent = problem.message;
  box.setAttribute("aria-invalid", "true");
  box.select();
}
