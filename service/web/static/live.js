// An event stream that never gives up: it resumes after the last id and lets go while nobody looks.
//
// EventSource reconnects by itself only after a broken connection; a reply other than 200 closes it for good.
// So a closed one is opened anew after one to five seconds, at random, so that many pages do not return at once.
// A tab that nobody has looked at yet does not connect, and a hidden one lets go when another tab does.

const TYPES = [
  "message.created", "turn.started", "step.started", "step.completed", "answer.delta", "answer.reset",
  "answer.completed", "turn.failed", "turn.cancelled", "chat.created", "chat.updated", "chat.deleted",
  "kb.updated", "stream.reset",
];
const HIDDEN_MS = 20_000; // browsers allow six connections a host: a hidden tab must not hold one
const CHANNEL = "streams"; // tells hidden tabs at once that another one connects

const delay = () => 1000 + Math.random() * 4000;

/** Wait as long as a stream does before it is opened anew. */
export const later = () => new Promise((done) => setTimeout(done, delay()));

export class LiveStream {
  #url;
  #lastId;
  #source = null;
  #timer = null;
  #handlers;
  #stopped = false;
  #others = new BroadcastChannel(CHANNEL);
  #whenVisibility = () => this.#visibilityChanged();

  /**
   * `url(lastId)` gives the address. Handlers: event(type, data), open(resumed) and lost(closed), where `closed`
   * says that the server answered with something else than a stream.
   */
  constructor(url, lastId, handlers) {
    this.#url = url;
    this.#lastId = lastId;
    this.#handlers = handlers;
    document.addEventListener("visibilitychange", this.#whenVisibility);
    this.#others.addEventListener("message", () => document.hidden && this.#disconnect());
    if (!document.hidden) this.#connect();
  }

  stop() {
    this.#stopped = true;
    this.#others.close();
    document.removeEventListener("visibilitychange", this.#whenVisibility);
    this.#disconnect();
  }

  #connect() {
    this.#disconnect();
    this.#others.postMessage("connecting");
    const source = new EventSource(this.#url(this.#lastId));
    this.#source = source;
    source.addEventListener("open", () => this.#handlers.open?.(this.#lastId !== null));
    source.addEventListener("error", () => this.#failed(source));
    for (const type of TYPES) source.addEventListener(type, (event) => this.#received(type, event));
  }

  #disconnect() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #received(type, event) {
    if (event.lastEventId) this.#lastId = event.lastEventId;
    this.#handlers.event(type, JSON.parse(event.data));
  }

  #failed(source) {
    if (this.#stopped || source !== this.#source) return;
    const closed = source.readyState === EventSource.CLOSED;
    this.#handlers.lost?.(closed);
    if (closed && !this.#stopped) this.#timer = setTimeout(() => this.#connect(), delay());
  }

  #visibilityChanged() {
    clearTimeout(this.#timer);
    if (document.hidden) this.#timer = setTimeout(() => this.#disconnect(), HIDDEN_MS);
    else if (this.#source === null || this.#source.readyState === EventSource.CLOSED) this.#connect();
  }
}
