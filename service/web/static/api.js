// The service's HTTP API as functions. A failure is always a Problem, whatever failed.

import { sentence } from "./text.js";

/** What went wrong, from the server's problem document: `code` is stable, `message` is for people. */
export class Problem extends Error {
  constructor(code, message, status = 0, requestId = null) {
    super(message);
    this.code = code;
    this.status = status;
    this.requestId = requestId;
  }
}

const SESSION = "/api/session";
const LATER = { Prefer: "respond-async" }; // the answer comes by the stream

const path = (...parts) => `/${parts.map(encodeURIComponent).join("/")}`;

const documentPath = (name) => `/api/kb/documents/${name.split("/").map(encodeURIComponent).join("/")}`;

function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length > 0 ? `?${new URLSearchParams(given)}` : "";
}

async function request(url, { method = "GET", body, headers = {}, signal, keepalive = false } = {}) {
  const sent = body === undefined ? { headers } : { body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } };
  const reply = await fetch(url, { method, signal, keepalive, ...sent }).catch(unreachable);
  if (reply.status === 401 && url !== SESSION) dispatchEvent(new Event("refused"));
  if (!reply.ok) throw await problem(reply);
  return reply;
}

function unreachable(error) {
  if (error.name === "AbortError") throw error;
  throw new Problem("unreachable", "The service does not answer. Check that it is running, then try again.");
}

async function problem(reply) {
  const fallback = { code: `http_${reply.status}`, detail: `The service answered with status ${reply.status}.` };
  const document = await reply.json().catch(() => fallback);
  const message = sentence(document.detail ?? document.title ?? fallback.detail);
  return new Problem(document.code ?? fallback.code, message, reply.status, document.request_id ?? null);
}

/** Wait for a request: [what came, null], or [null, its problem]. */
export const tried = (promise) => promise.then((found) => [found, null], (problem) => [null, problem]);

/** Wait for a request; gives its problem or null. */
export const problemOf = async (promise) => (await tried(promise))[1];

/** Read what a reply holds; it may break off in the middle. */
const read = (reply, kind) => reply[kind]().catch(unreachable);

const json = async (url, options) => read(await request(url, options), "json");

export const chats = {
  list: (cursor, q = "", limit = 50) => json(`/api/chats${query({ limit, cursor, q })}`),
  create: () => json("/api/chats", { method: "POST", body: {} }),
  get: (id) => json(path("api", "chats", id)),
  rename: (id, title) => json(path("api", "chats", id), { method: "PATCH", body: { title } }),
  delete: (id, keepalive = false) => request(path("api", "chats", id), { method: "DELETE", keepalive }),
  messages: (id, cursor, limit = 50) => json(path("api", "chats", id, "messages") + query({ limit, cursor, order: "desc" })),
  message: (id, messageId) => json(path("api", "chats", id, "messages", messageId)),
  ask: (id, content, key) =>
    json(path("api", "chats", id, "messages"), { method: "POST", body: { content }, headers: { ...LATER, "Idempotency-Key": key } }),
  regenerate: (id, messageId) =>
    json(path("api", "chats", id, "messages", messageId, "regenerate"), { method: "POST", headers: LATER }),
  rate: (id, messageId, rating, comment) =>
    json(path("api", "chats", id, "messages", messageId, "feedback"), { method: "PUT", body: { rating, comment } }),
  cancel: (id, messageId) => request(path("api", "chats", id, "messages", messageId, "cancel"), { method: "POST" }),
  exportUrl: (id) => `${path("api", "chats", id, "export")}?format=markdown`,
};

/** Who is asking; `begin` exchanges a key for the cookie of a sign-in. */
export const session = {
  get: () => json(SESSION),
  begin: (key) => json(SESSION, { method: "POST", body: { key } }),
  end: () => request(SESSION, { method: "DELETE" }),
};

export const kb = {
  search: (q, topic, signal) => json(`/api/kb/search${query({ q, topic, limit: 12 })}`, { signal }),
  topics: (signal) => json("/api/kb/topics", { signal }),
  documents: (topic, cursor, limit = 100, signal = undefined) => json(`/api/kb/documents${query({ topic, cursor, limit })}`, { signal }),
  read: (name, first, last, revision = null) => json(documentPath(name) + query({ start_line: first, end_line: last, revision })),
  gaps: (signal) => json(`/api/kb/gaps${query({ state: "all", limit: 100 })}`, { signal }),
  status: () => json("/api/kb/status"),
};

export const eventsUrl = (lastId, chatId) => `/api/events${query({ last_event_id: lastId, text_of: chatId })}`;

/** The service's state, ready or not: it names the model. */
export async function readiness() {
  const reply = await fetch("/readyz").catch(() => null);
  return reply === null ? null : reply.json().catch(() => null);
}

/** Answers as sanitised HTML, one fragment each. */
export async function fragments(chatId, messageIds) {
  const wanted = new URLSearchParams(messageIds.map((id) => ["id", id]));
  return read(await request(`${path("web", "chats", chatId, "messages")}?${wanted}`), "text");
}

/** One answer as sanitised HTML, as it stands now. */
export async function fragment(chatId, messageId) {
  return read(await request(path("web", "chats", chatId, "messages", messageId)), "text");
}
