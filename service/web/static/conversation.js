// Which chat is open, and the place where it is read.

import { OpenChat } from "./open_chat.js";
import { Scroller } from "./scroller.js";

export class Conversation {
  #element;
  #scroller;
  #actions;
  #chat = null;

  /** Actions are those of OpenChat. */
  constructor(element, box, toNewest, actions) {
    this.#element = element;
    this.#actions = actions;
    this.#scroller = new Scroller(box, element, toNewest);
  }

  /** The id of the chat that is open; null for a new one. */
  get chatId() {
    return this.#chat?.id ?? null;
  }

  /** What goes on in this chat, see OpenChat. */
  get state() {
    return this.#chat?.state ?? "loading";
  }

  /** The citations of this chat that stand in these lines of a document. */
  quotesIn({ doc, start, end, rev }) {
    const all = (this.#chat?.messages ?? []).flatMap((message) => message.citations);
    return all.filter((c) => c.document === doc && c.start_line === start && c.end_line === end && (rev === null || c.revision === rev));
  }

  /** Leave the chat and show how to begin a new one. */
  showNew() {
    this.#enter(null);
    this.#actions.follow(null);
    this.#mount();
    this.#actions.stateChanged();
  }

  /** Load a chat and follow it. The one before stands until then. Throws a Problem. */
  async open(chatId) {
    const chat = this.#enter(chatId);
    await chat.load().finally(() => chat === this.#chat && this.#mount());
  }

  /** Something has happened, in this chat or elsewhere. */
  received(type, data) {
    this.#chat?.received(type, data);
  }

  /** Something may have been missed. */
  reread() {
    this.#chat?.reread();
  }

  /** Leave the chat if it is gone. */
  async check() {
    await this.#chat?.check();
  }

  /** Send a question, see OpenChat. */
  ask(content) {
    this.#mount();
    return this.#chat.ask(content);
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
    await this.#chat?.stop();
  }

  #enter(chatId) {
    this.#chat?.close();
    return (this.#chat = new OpenChat(chatId, this.#scroller, this.#actions));
  }

  #mount() {
    const { element } = this.#chat;
    if (element.parentElement === this.#element) return;
    this.#element.replaceChildren(element);
    this.#scroller.toNewestTurn();
  }
}
