// One chat while it is open: its history, what happens in it, the question that is on its way. What comes back after
// the reader has gone elsewhere ends in here, where nobody sees it.

import { spoken } from "./answer.js";
import { chats, Problem, problemOf, tried } from "./api.js";
import { h } from "./dom.js";
import { earlierButton, historyOf } from "./history.js";
import { later } from "./live.js";
import { isFinal } from "./messages.js";
import { failure } from "./notices.js";
import { newKey } from "./question.js";
import { codePoints } from "./text.js";
import { Thread } from "./thread.js";

export class OpenChat {
  id; // null until the first question of a new chat
  element = h("div", { class: "thread" });
  #scroller;
  #actions;
  #thread;
  #loading = Promise.resolve(); // until the history stands
  #failed = false; // it could not be loaded
  #isShown = false;
  #early = null; // what has happened while the history is on its way
  #asked = null; // {id, stop}: a question is on its way and its answer has not begun
  #ticket = null; // {content, key, after}: a question that may have arrived after that message although its request failed
  #rereading = new Set();
  #closed = false;

  /**
   * Actions: openCitation(citation), failed(problem), stateChanged(), chatChanged(chat), created(chat, isOpen),
   * follow(id) -> resolves once nothing that happens in the chat is missed, gone(id), announce(text), reopen(id),
   * welcome() -> element.
   */
  constructor(id, scroller, actions) {
    this.id = id;
    this.#scroller = scroller;
    this.#actions = actions;
    this.#thread = new Thread(this.element, {
      openCitation: actions.openCitation,
      askAgain: (answer) => this.#again(answer),
      rate: (answer, rating, comment) => this.#rate(answer, rating, comment),
    });
    if (id === null) this.element.append(actions.welcome());
  }

  /** What goes on in it: "answering" a question, "loading" it, or "ready". */
  get state() {
    if (this.#asked !== null || this.#thread.messages.running !== null) return "answering";
    return this.id === null || this.#isShown || this.#failed ? "ready" : "loading";
  }

  get messages() {
    return this.#thread.messages.all;
  }

  /** Load the history; `received` goes on from there. Throws a Problem, and offers to try again. */
  load() {
    this.#loading = this.#load().catch((problem) => {
      this.#failed = true;
      this.#early = null;
      if (!this.#closed) this.element.replaceChildren(failure(problem, () => this.#actions.reopen(this.id)));
      this.#changed();
      throw problem;
    });
    this.#changed();
    return this.#loading;
  }

  /** The reader has gone elsewhere. A question on its way is asked all the same. */
  close() {
    this.#closed = true;
  }

  /** Take an event of the page's stream, which may be one of another chat. */
  received(type, data) {
    const chatId = data.message?.chat_id ?? data.chat?.id ?? data.chat_id ?? this.id; // others name a message
    if (this.id === null || this.#failed || chatId !== this.id) return;
    if (this.#early) this.#early.push([type, data]);
    else this.#received(type, data);
  }

  /** Events may have been missed: load anew, until it succeeds or the chat is gone. */
  reread() {
    if (this.id !== null) this.#loading = this.#loading.catch(() => null).then(() => this.#reload());
  }

  /** Leave the chat if it is gone. */
  async check() {
    const problem = this.id === null ? null : await problemOf(chats.get(this.id));
    if (problem?.status === 404 && !this.#closed) this.#actions.gone(this.id);
  }

  /** Send a question. It stands in the chat at once; throws a Problem when the service did not take it. */
  async ask(content) {
    if (this.#ticket?.content !== content) this.#ticket = { content, key: newKey() };
    const ticket = this.#ticket;
    this.element.querySelector(":scope > :is(.welcome, .failure)")?.remove();
    this.#thread.expect(content);
    this.#scroller.toNewestTurn();
    await this.#send(async () => {
      if (this.id === null) await this.#create();
      else await (this.#failed ? this.load() : this.#loading.catch(() => this.load()));
      ticket.after ??= this.#thread.messages.question?.id ?? null;
      return chats.ask(this.id, content, ticket.key);
    }).catch((problem) => {
      if (!this.#thread.messages.hasAsked(ticket)) throw problem; // only its confirmation was lost
    });
    if (this.#ticket === ticket) this.#ticket = null;
  }

  /** Stop the answer that is being written, or is about to be. Throws a Problem. */
  async stop() {
    const id = this.#thread.messages.running?.id ?? this.#asked?.id;
    if (id) await chats.cancel(this.id, id);
    else if (this.#asked) this.#asked.stop = true;
  }

  async #create() {
    const chat = await chats.create();
    this.id = chat.id;
    this.#isShown = true;
    this.#actions.created(chat, !this.#closed);
    if (!this.#closed) await this.#actions.follow(chat.id);
  }

  async #again(answer) {
    if (this.state === "answering") return;
    await this.#send(() => chats.regenerate(this.id, answer.id)).catch(this.#actions.failed);
  }

  async #send(request) {
    const asked = (this.#asked = { id: null, stop: false });
    this.#changed();
    try {
      asked.id = (await request()).id;
    } catch (problem) {
      if (this.#asked === asked || this.#asked === null) this.#settle();
      throw problem;
    }
    if (asked.stop) chats.cancel(this.id, asked.id).catch(this.#actions.failed);
    if (this.#asked === asked && this.#thread.messages.get(asked.id)) this.#settle(); // told of before
  }

  /** The question is in the chat, or came back. */
  #settle() {
    this.#asked = null;
    this.#thread.settle();
    if (this.id === null && !this.#closed) this.element.replaceChildren(this.#actions.welcome());
    this.#changed();
  }

  #changed() {
    if (!this.#closed) this.#actions.stateChanged();
  }

  async #load() {
    if (this.#closed) return;
    this.#failed = false;
    this.#early ??= [];
    await this.#actions.follow(this.id);
    const [chat, history] = await Promise.all([chats.get(this.id), historyOf(this.id)]);
    if (this.#closed) return;
    this.#show(history);
    this.#actions.chatChanged(chat);
    const early = this.#early;
    this.#early = null;
    for (const [type, data] of early) this.#received(type, data);
    this.#changed();
  }

  #show({ messages, rendered, cursor }) {
    this.#thread.fill(messages, rendered);
    this.#offerEarlier(cursor);
    const known = this.#asked?.id && this.#thread.messages.get(this.#asked.id);
    if (known) this.#asked = null;
    if (known || (this.#ticket && this.#thread.messages.hasAsked(this.#ticket))) this.#thread.settle();
    if (!this.#isShown) this.#scroller.toNewestTurn();
    this.#isShown = true;
  }

  async #reload() {
    const [, problem] = await tried(this.#load());
    if (problem === null || this.#closed) return;
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 404) return void this.#actions.gone(this.id);
    await later();
    await this.#reload();
  }

  async #rate(answer, rating, comment) {
    const before = this.#thread.messages.get(answer.id)?.feedback;
    const rated = await chats.rate(this.id, answer.id, rating, comment).catch(this.#actions.failed);
    const now = this.#thread.messages.get(answer.id);
    if (rated && now?.feedback === before) this.#thread.show({ ...now, feedback: rated.feedback }); // nothing newer was told
    return Boolean(rated);
  }

  #received(type, data) {
    if (type === "chat.deleted") this.#actions.gone(this.id);
    else if (type === "chat.updated") this.#actions.chatChanged(data.chat);
    else this.#apply(this.#thread.apply(type, data));
  }

  #apply(changed) {
    if (changed === null) return;
    const { message, isNew, gap, ended } = changed;
    if (isNew) this.#added(message);
    else if (gap) this.#readAgain(message.id);
    if (ended) this.#actions.announce(spoken(message));
    this.#changed();
  }

  #added(message) {
    const follow = message.role === "user" && (this.#thread.isExpecting || this.#scroller.atEnd);
    if (message.role === "user") this.#thread.settle();
    else if (this.#asked?.stop) this.stop().catch(this.#actions.failed);
    if (message.role === "assistant") this.#asked = null;
    this.element.querySelector(".welcome")?.remove();
    this.#thread.add(message);
    if (follow) this.#scroller.toNewestTurn();
  }

  /** Text is missing: read the message as it is. It may have grown, or ended, by the time that comes. */
  async #readAgain(id) {
    if (this.#rereading.has(id)) return;
    this.#rereading.add(id);
    const message = await chats.message(this.id, id).catch(() => null);
    this.#rereading.delete(id);
    const known = this.#thread.messages.get(id);
    if (this.#closed || !message || !known || isFinal(known)) return;
    if (!isFinal(message) && codePoints(message.content) <= codePoints(known.content)) return;
    this.#thread.show(message);
    if (isFinal(message)) this.#actions.announce(spoken(message));
    this.#changed();
  }

  #offerEarlier(cursor) {
    if (!cursor) return;
    const button = earlierButton(this.id, cursor, this.#actions.failed, (page) => {
      const turns = this.#thread.older(page.messages, page.rendered);
      this.#scroller.keepingPlace(() => {
        button.replaceWith(...turns);
        this.#offerEarlier(page.cursor);
      });
    });
    this.element.prepend(button);
  }
}
