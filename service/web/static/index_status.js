// The state of the index: asked for again when it may have changed, told to whoever shows it.

import { kb, tried } from "./api.js";
import { byId, debounced, h } from "./dom.js";
import { counted } from "./text.js";

const WORKING_MS = 1000;
const IDLE_MS = 20_000; // skipped files and scans change without an event

const STATES = {
  starting: "Starting",
  ready: "Ready",
  rebuilding: "Rebuilding",
  missing: "Folder missing",
  unreadable: "Folder unreadable",
  failed: "Failed",
};

export const stateName = (status) => STATES[status.state] ?? status.state;

/** The folder's own name; the whole path is of no use here. */
export const folderName = (status) => status.folder.replace(/[/\\]+$/, "").split(/[/\\]/).at(-1) || status.folder;

/** Say what is wrong with the folder, or null. */
export function folderTrouble(status) {
  if (status?.state !== "missing" && status?.state !== "unreadable") return null;
  return `The folder “${folderName(status)}” is ${status.state}. It is picked up as soon as it can be read; the setting KNOWLEDGE_DIR names it.`;
}

export class IndexStatus {
  #listeners = [];
  #timer = null;
  #loading = false;
  #again = false; // something happened since it was asked for
  status = null;

  /** Ask again soon: something happened. */
  refresh = debounced(120, () => this.#load());

  constructor() {
    this.#load();
  }

  /** Call `listener(status)` now, when it is known, and after each change of it. */
  onChange(listener) {
    this.#listeners.push(listener);
    if (this.status) listener(this.status);
  }

  /** One request at a time, so that no older answer comes after a newer one. */
  async #load() {
    clearTimeout(this.#timer);
    this.#again = this.#loading;
    if (this.#loading) return;
    this.#loading = true;
    const [status, problem] = await tried(kb.status());
    this.#loading = false;
    if (problem?.status === 403) return; // the key opens chats only
    const working = status === null || status.progress !== null || status.state === "starting";
    this.#timer = setTimeout(() => this.#load(), this.#again ? 0 : working ? WORKING_MS : IDLE_MS);
    if (status === null) return;
    const news = this.status !== null && this.status.revision !== status.revision;
    this.status = status;
    showBadge(status, news);
    for (const listener of this.#listeners) listener(status);
  }
}

function showBadge(status, news) {
  const badge = byId("index-badge");
  const documents = counted(status.indexed, "document");
  const progress = status.progress ? ` ${Math.floor((100 * status.progress[0]) / Math.max(1, status.progress[1]))} %` : "";
  badge.dataset.index = status.state;
  badge.dataset.revision = status.revision;
  badge.title = `Knowledge base: ${stateName(status)}, ${documents}, revision ${status.revision}. Open it.`;
  badge.setAttribute("aria-label", badge.title);
  const text = status.state === "ready" ? documents : `${stateName(status)}${progress}`;
  const parts = [text, status.state === "ready" ? `revision ${status.revision}` : documents];
  byId("index-text").replaceChildren(parts[0], h("span", {}, ` · ${parts[1]}`));
  if (!news) return;
  badge.classList.remove("news");
  void badge.offsetWidth; // begins the animation anew
  badge.classList.add("news");
}
