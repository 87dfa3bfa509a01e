// The page's event stream. It never gives up, resumes after the last id, and lets go while nobody looks.
//
// EventSource reconnects by itself only after a broken connection; a reply other than 200 closes it for good.
// So a closed one is opened anew after one to five seconds, at random, so that many pages do not return at once.
// A tab that nobody has looked at yet does not connect, a hidden one lets go after a while, and of many windows side
// by side the one that was looked at longest ago pauses.

import { Places } from "./places.js";

const TYPES = [
  "message.created", "turn.started", "step.started", "step.completed", "answer.delta", "answer.reset",
  "answer.completed", "turn.failed", "turn.cancelled", "message.rated", "chat.created", "chat.updated",
  "chat.deleted", "kb.updated", "stream.reset",
];
const HIDDEN_MS = 20_000;

const delay = () => 1000 + Math.random() * 4000;

/** Wait as long as a stream does before it is opened anew. */
export const later = () => new Promise((done) => setTimeout(done, delay()));

export class LiveStream {
  #url;
  #handlers;
  #begun = false;
  #lastId = null;
  #text = null; // the chat whose text is wanted
  #carried = null; // the one whose text comes
  #source = null;
  #timer = null;
  #places = new Places(() => this.#crowdChanged());

  /**
   * `url(lastId, chatId)` gives the address. Handlers: event(type, data), open(resumed), lost(closed), where `closed`
   * says that the server answered with something else than a stream, and paused().
   */
  constructor(url, handlers) {
    this.#url = url;
    this.#handlers = handlers;
    document.addEventListener("visibilitychange", () => this.#visibilityChanged());
    addEventListener("focus", () => this.#looked());
  }

  /** Follow what happens after `lastId`; where that is null, what happens from now on. */
  begin(lastId) {
    this.#begun = true;
    this.#lastId = lastId;
    this.#looked();
  }

  /** Whose text is wanted, beside all else. That of a chat nobody reads any more may go on, if it is there. */
  set text(chatId) {
    this.#text = chatId;
    if (this.#source === null || chatId === this.#carried) return;
    if (chatId !== null || this.#source.readyState === EventSource.CLOSED) this.#connect();
  }

  #connect() {
    this.#close();
    this.#places.take();
    this.#carried = this.#text;
    const source = new EventSource(this.#url(this.#lastId, this.#carried));
    this.#source = source;
    source.addEventListener("open", () => this.#handlers.open(this.#lastId !== null));
    source.addEventListener("error", () => this.#failed(source));
    for (const type of TYPES) source.addEventListener(type, (event) => this.#received(type, event));
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #letGo() {
    this.#close();
    this.#places.leave();
  }

  #received(type, event) {
    if (event.lastEventId) this.#lastId = event.lastEventId;
    this.#handlers.event(type, JSON.parse(event.data));
  }

  #failed(source) {
    if (source !== this.#source) return;
    const closed = source.readyState === EventSource.CLOSED;
    if (closed) this.#timer = setTimeout(() => this.#connect(), delay());
    this.#handlers.lost(closed);
  }

  #visibilityChanged() {
    clearTimeout(this.#timer);
    if (document.hidden) this.#timer = setTimeout(() => this.#letGo(), HIDDEN_MS);
    else this.#looked();
  }

  /** Somebody looks at the page. */
  #looked() {
    if (!this.#begun || document.hidden) return;
    const isOpen = this.#source !== null && this.#source.readyState !== EventSource.CLOSED;
    if (isOpen) this.#places.take();
    else this.#connect();
  }

  #crowdChanged() {
    if (this.#places.isFree && this.#source === null) this.#looked();
    if (this.#places.isFree || this.#source === null) return;
    this.#letGo();
    if (!document.hidden) this.#handlers.paused();
  }
}
