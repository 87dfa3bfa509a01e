// The open chat: loads its history, follows its stream, and keeps the newest text in view.

import { chats, fragments } from "./api.js";
import { AnswerView, spoken } from "./answer.js";
import { h } from "./dom.js";
import { LiveStream } from "./live.js";
import { isFinal, Messages } from "./messages.js";
import { parseFragments } from "./prose.js";
import { newKey, question } from "./question.js";
import { Scroller } from "./scroller.js";

export class Conversation {
  #element;
  #scroller;
  #actions;
  #chatId = null;
  #messages = new Messages();
  #views = new Map();
  #stream = null;
  #sending = false; // a question was sent and its answer has not begun
  #bubble = null; // that question, until the server tells of it
  #ticket = null; // {content, key} of a question that may have arrived although its request failed
  #visit = 0;
  #cursor = null;

  /**
   * Actions: openCitation(citation), failed(problem), stateChanged(), chatChanged(chat), gone(), connection(isLost),
   * announce(text), welcome() -> element.
   */
  constructor(element, scroller, toNewest, actions) {
    this.#element = element;
    this.#actions = actions;
    this.#scroller = new Scroller(scroller, element, toNewest);
  }

  get chatId() {
    return this.#chatId;
  }

  /** Whether a question of this chat is being answered. */
  get busy() {
    return this.#sending || this.#messages.running !== null;
  }

  /** The citations of this chat that stand in these lines of a document. */
  quotesIn({ doc, start, end, rev }) {
    const all = this.#messages.all.flatMap((message) => message.citations);
    return all.filter((c) => c.document === doc && c.start_line === start && c.end_line === end && (rev === null || c.revision === rev));
  }

  /** Leave the chat and show how to begin a new one. */
  showNew() {
    this.#leave();
    this.#chatId = null;
    this.#element.replaceChildren(this.#actions.welcome());
    this.#actions.stateChanged();
  }

  /** Load a chat and follow it. Throws a Problem. */
  async open(chatId) {
    const visit = this.#leave();
    this.#chatId = chatId;
    const chat = await this.#load(chatId, visit).catch((problem) => {
      if (visit === this.#visit) this.#chatId = null;
      throw problem;
    });
    if (visit !== this.#visit) return;
    this.#actions.chatChanged(chat);
    this.#stream = new LiveStream((last) => chats.eventsUrl(chatId, last), chat.last_event_id ?? null, {
      event: (type, data) => visit === this.#visit && this.#received(type, data),
      open: () => this.#actions.connection(false),
      lost: (closed) => this.#lost(closed),
    });
    this.#actions.stateChanged();
  }

  async #load(chatId, visit) {
    const chat = await chats.get(chatId); // before its messages: the stream tells what happens after
    const page = await chats.messages(chatId);
    const history = page.items.reverse();
    const rendered = await this.#rendered(history);
    if (visit !== this.#visit) return null;
    this.#cursor = page.next_cursor;
    this.#element.replaceChildren();
    for (const message of history) this.#show(message, rendered.get(message.id));
    this.#offerEarlier();
    this.#scroller.toNewestTurn();
    return chat;
  }

  /** Send a question. It stands in the chat at once; throws a Problem when the server did not take it. */
  async ask(content) {
    if (this.#ticket?.content !== content) this.#ticket = { content, key: newKey() };
    this.#bubble = h("section", { class: "turn" }, question({ content }));
    this.#bubble.firstElementChild.dataset.pending = "";
    this.#element.querySelector(".welcome")?.remove();
    this.#element.append(this.#bubble);
    this.#scroller.toNewestTurn();
    await this.#send(() => chats.ask(this.#chatId, content, this.#ticket.key));
    this.#ticket = null;
  }

  async #send(request) {
    this.#sending = true;
    this.#actions.stateChanged();
    try {
      await request();
    } catch (problem) {
      this.#sending = false;
      this.#confirmed();
      this.#actions.stateChanged();
      throw problem;
    }
  }

  /** Press a button of the last answer: "copy" or "again". */
  press(name) {
    const answers = [...this.#element.querySelectorAll(".answer:not([data-superseded])")];
    answers.at(-1)?.querySelector(`.answer-actions .${name}`)?.click();
  }

  /** Bring the newest text into view. */
  toNewest() {
    this.#scroller.toEnd();
  }

  /** Stop the answer that is being written. Throws a Problem. */
  async stop() {
    const running = this.#messages.running;
    if (running) await chats.cancel(this.#chatId, running.id);
  }

  #leave() {
    this.#stream?.stop();
    this.#stream = null;
    this.#sending = false;
    this.#bubble = null;
    this.#messages = new Messages();
    this.#views.clear();
    this.#actions.connection(false);
    return (this.#visit += 1);
  }

  async #rendered(messages) {
    const answers = messages.filter((message) => message.role === "assistant" && message.content);
    if (answers.length === 0) return new Map();
    return parseFragments(await fragments(this.#chatId, answers.map((message) => message.id)));
  }

  #show(message, rendered = null) {
    if (this.#messages.put(message)) this.#place(message, this.#element);
    if (message.role === "assistant") this.#views.get(message.id).update(message, rendered);
  }

  #place(message, parent) {
    if (message.role === "user") {
      parent.append(h("section", { class: "turn" }, question(message)));
      return;
    }
    const view = new AnswerView(message, {
      openCitation: this.#actions.openCitation,
      askAgain: (answer) => this.#send(() => chats.regenerate(this.#chatId, answer.id)).catch(this.#actions.failed),
      rate: (answer, rating, comment) => this.#rate(answer, rating, comment),
    });
    this.#views.set(message.id, view);
    const former = this.#views.get(message.supersedes);
    if (former?.element.isConnected) {
      former.supersede();
      former.element.after(view.element);
      return;
    }
    if (parent.lastElementChild === null) parent.append(h("section", { class: "turn" }));
    parent.lastElementChild.append(view.element);
  }

  async #rate(answer, rating, comment) {
    const rated = await chats.rate(this.#chatId, answer.id, rating, comment).catch(this.#actions.failed);
    if (rated) this.#show(rated);
    return Boolean(rated);
  }

  #confirmed() {
    this.#bubble?.remove();
    this.#bubble = null;
  }

  #received(type, data) {
    if (type === "stream.reset") return void this.open(this.#chatId).catch(() => this.#lost(true));
    if (type === "chat.deleted") return this.#actions.gone();
    if (type === "chat.updated") return this.#actions.chatChanged(data.chat);
    const isNew = data.message && !this.#messages.get(data.message.id);
    const changed = this.#messages.apply(type, data);
    if (changed === null) return;
    if (isNew) this.#added(changed.message);
    else if (changed.gap) this.#reread(changed.message.id);
    else this.#views.get(changed.message.id)?.update(changed.message);
    if (isFinal(changed.message) && changed.message.role === "assistant") this.#actions.announce(spoken(changed.message));
    this.#actions.stateChanged();
  }

  #added(message) {
    const follow = message.role === "user" && (this.#bubble !== null || this.#scroller.atEnd);
    if (message.role === "user") this.#confirmed();
    else this.#sending = false;
    this.#element.querySelector(".welcome")?.remove();
    this.#place(message, this.#element);
    this.#views.get(message.id)?.update(message);
    if (follow) this.#scroller.toNewestTurn();
  }

  async #reread(id) {
    const message = await chats.message(this.#chatId, id).catch(() => null);
    if (message && this.#messages.get(id)) this.#show(message);
  }

  async #lost(closed) {
    this.#actions.connection(true);
    if (!closed) return;
    const visit = this.#visit;
    const problem = await chats.get(this.#chatId).then(() => null, (error) => error);
    if (problem?.status === 404 && visit === this.#visit) this.#actions.gone();
  }

  #offerEarlier() {
    if (!this.#cursor) return;
    const button = h("button", { type: "button", class: "button earlier" }, "Show earlier messages");
    button.addEventListener("click", () => this.#loadEarlier(button));
    this.#element.prepend(button);
  }

  async #loadEarlier(button) {
    button.disabled = true;
    const page = await chats.messages(this.#chatId, this.#cursor).catch(this.#actions.failed);
    const rendered = page && (await this.#rendered(page.items).catch(this.#actions.failed));
    button.disabled = false;
    if (!rendered) return;
    const older = page.items.reverse();
    const holder = h("div");
    for (const message of older) this.#place(message, holder);
    this.#messages.prepend(older);
    for (const message of older) this.#views.get(message.id)?.update(message, rendered.get(message.id));
    this.#cursor = page.next_cursor;
    this.#scroller.keepingPlace(() => {
      button.replaceWith(...holder.children);
      this.#offerEarlier();
    });
  }
}
