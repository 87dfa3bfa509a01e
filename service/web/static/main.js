// Wires the page: the address decides what is shown, a stream keeps it current.

import { chats, eventsUrl, Problem, problemOf, readiness } from "./api.js";
import { ChatList, titleOf } from "./chat_list.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { DocumentPanel } from "./document_panel.js";
import { byId, placeIcons } from "./dom.js";
import { IndexStatus } from "./index_status.js";
import { KnowledgeView } from "./knowledge.js";
import { LiveStream } from "./live.js";
import { announce, connection, tell } from "./notices.js";
import { change, current, go, onChange } from "./route.js";
import { admitted } from "./session.js";
import { listen } from "./shortcuts.js";
import { welcome, welcomeToChats } from "./welcome.js";

let openTitle = "New chat";
let wasOpen = null; // the chat that was open when it was deleted

placeIcons(document);
const readsKnowledge = await admitted(() => list.settle());
const index = new IndexStatus();
const list = new ChatList(
  byId("chat-list"),
  byId("chat-query"),
  (id) => {
    if (id !== current().chat) return;
    wasOpen = id;
    go({});
  },
  (id) => id === wasOpen && atNewChat() && go({ chat: id }),
);
const panel = new DocumentPanel(byId("panel"), () => change({ doc: null }));
const knowledge = new KnowledgeView(byId("knowledge-view"), index);
const composer = new Composer(byId("composer"), byId("question"), ask, stop);
const conversation = new Conversation(byId("conversation"), byId("scroller"), byId("to-newest"), {
  announce,
  openCitation: (citation) => change({ doc: citation.document, start: citation.start_line, end: citation.end_line, rev: citation.revision }),
  failed: (problem) => tell(problem),
  stateChanged: showState,
  chatChanged: showTitle,
  created,
  follow,
  reopen: openChat,
  gone,
  welcome: () => greeting,
});
const stream = new LiveStream(eventsUrl, {
  event: received,
  open: (resumed) => {
    connection("open");
    if (!resumed) reread();
  },
  lost: (closed) => {
    connection("lost");
    if (!closed) return;
    conversation.check(); // the answer may have been that the chat is gone
    index.refresh(); // or that the sign-in has ended
  },
  paused: () => connection("paused"),
});
const greeting = readsKnowledge ? welcome(index, begin) : welcomeToChats(begin);
let visit = 0; // counts the ways to a place: whoever comes late at one has nothing to show any more

function begin(question) {
  composer.ask(question);
}

function showState() {
  const { chatId, state } = conversation;
  const busy = state === "answering";
  composer.busy = busy;
  document.body.dataset.state = current().view === "chat" ? state : "ready";
  if (chatId && state !== "loading") list.setActivity(chatId, busy ? "working" : "");
}

function showTitle(chat) {
  list.put(chat);
  openTitle = titleOf(chat);
  if (current().view === "chat") setTitle(openTitle);
}

function setTitle(title) {
  byId("view-title").textContent = title;
  document.title = title ? `${title} · kb-agent` : "kb-agent";
}

const atNewChat = () => current().view === "chat" && current().chat === null;

/** Ask in the open chat, or in a new one. */
async function ask(question) {
  try {
    await conversation.ask(question);
  } catch (problem) {
    const passing = problem.status === 0 || problem.status >= 500 || (problem.status === 429 && problem.code !== "quota_exhausted");
    tell(problem, passing ? () => composer.again(question) : null); // the question is back in its box by then
    throw problem;
  }
}

/** A new chat has come to be; the reader may have gone elsewhere since its question was asked. */
function created(chat, isOpen) {
  list.put(chat);
  if (isOpen && atNewChat()) go({ chat: chat.id }, { replace: true });
}

/** Have the text of this chat come too; resolves once nothing is missed of what happens in it. */
async function follow(id) {
  stream.text = id;
  await placed;
}

function gone(id) {
  list.remove(id);
  if (current().chat !== id) return conversation.showNew();
  tell(new Problem("gone", "This chat was deleted."));
  go({}, { replace: true });
}

function stop() {
  conversation.stop().catch((problem) => tell(problem, stop));
}

async function show(route) {
  const mine = (visit += 1);
  const isHere = () => mine === visit;
  const inChat = route.view === "chat";
  document.body.dataset.view = route.view;
  byId("chat-view").hidden = !inChat;
  byId("knowledge-view").hidden = inChat;
  byId("open-knowledge").setAttribute("aria-current", inChat ? "false" : "page");
  toggleSidebar(false);
  if (inChat) await showChat(route.chat, isHere);
  else showKnowledge(route);
  if (!isHere()) return;
  if (route.doc) await panel.show(route, conversation.quotesIn(route));
  else panel.hide();
}

async function showChat(id, isHere) {
  knowledge.leave();
  list.open = id;
  const isOpen = id !== null && id === conversation.chatId;
  if (!isOpen) {
    openTitle = id === null ? titleOf({}) : (list.titleOf(id) ?? "");
    composer.focus();
  }
  setTitle(openTitle);
  if (id === null) conversation.showNew();
  else if (isOpen) showState();
  else await openChat(id);
  if (isHere()) offerExport();
}

/** Open a chat; one that is gone is left, if that is where the reader still is. */
async function openChat(id) {
  const problem = await problemOf(conversation.open(id));
  if (!problem) return;
  if (!(problem instanceof Problem)) throw problem;
  if (problem.status !== 404 || current().chat !== id) return;
  tell(new Problem(problem.code, "This chat does not exist any more."));
  go({}, { replace: true });
}

function offerExport() {
  const id = current().view === "chat" ? conversation.chatId : null;
  byId("export").hidden = id === null;
  if (id !== null) byId("export").href = chats.exportUrl(id);
}

function showKnowledge(route) {
  list.open = null;
  offerExport();
  setTitle("Knowledge");
  showState();
  knowledge.show(route);
}

function toggleSidebar(open) {
  const wasOpen = document.body.hasAttribute("data-sidebar");
  if (open === wasOpen) return;
  document.body.toggleAttribute("data-sidebar", open);
  byId("sidebar-open").setAttribute("aria-expanded", String(open));
  byId(open ? "sidebar-close" : "sidebar-open").focus();
}

/** Take an event: the list of chats, the open chat and the index may have changed. */
function received(type, data) {
  if (type === "chat.created" || type === "chat.updated") list.put(data.chat);
  else if (type === "chat.deleted") list.remove(data.chat_id);
  else if (type === "stream.reset") reread();
  else if (type === "message.created" && data.message.role === "assistant") list.setActivity(data.message.chat_id, "working");
  else if (data.message && data.message.completed_at && data.message.role === "assistant") list.setActivity(data.message.chat_id, "news");
  if (type === "kb.updated") {
    index.refresh();
    knowledge.refresh();
    panel.refresh();
  }
  conversation.received(type, data);
}

/** Events may have been missed: read everything anew. */
function reread() {
  list.load();
  conversation.reread();
  index.refresh();
  knowledge.refresh();
  panel.refresh();
}

function keyPressed(event) {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  toggleSidebar(false);
  if (panel.isOpen) change({ doc: null });
}

listen({
  newChat: () => (go({}), composer.focus()),
  searchKnowledge: readsKnowledge ? () => (go({ view: "knowledge" }), knowledge.focus()) : undefined,
  searchChats: () => (toggleSidebar(true), byId("chat-query").focus()),
  writeQuestion: () => (current().view === "chat" || go({}), byId("question").focus()),
  undo: () => list.undo(),
  stop: () => conversation.state === "answering" && stop(),
  copy: () => conversation.press("copy"),
  again: () => conversation.press("again"),
  toNewest: () => conversation.toNewest(),
});

async function nameModel() {
  const model = (await readiness())?.details?.model;
  if (model) byId("composer-model").textContent = model === "built-in-reader" ? "built-in reader: quotes, no language model" : model;
}

byId("sidebar-open").addEventListener("click", () => toggleSidebar(true));
byId("sidebar-close").addEventListener("click", () => toggleSidebar(false));
byId("backdrop").addEventListener("click", () => toggleSidebar(false));
byId("new-chat").addEventListener("click", () => toggleSidebar(false));
byId("skip").addEventListener("click", () => byId("question").focus());
addEventListener("keydown", keyPressed);
onChange(show);

const placed = list.load().then((place) => stream.begin(place ?? null));
nameModel();
show(current());
