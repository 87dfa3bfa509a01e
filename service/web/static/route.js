// Where the page stands, in the address: #/ · #/chat/ID · #/knowledge?q=&topic= and, with each, ?doc=&lines=10-24&rev=.

/** Read the address. `view` is "chat" or "knowledge"; `chat` is null for a new one. */
export function current() {
  const [where, search = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const parameters = new URLSearchParams(search);
  const [first, second] = where.split("/");
  const [start, end] = (parameters.get("lines") ?? "").split("-").map(Number);
  return {
    view: first === "knowledge" ? "knowledge" : "chat",
    chat: first === "chat" && second ? decodeURIComponent(second) : null,
    q: parameters.get("q") ?? "",
    topic: parameters.get("topic") ?? "",
    doc: parameters.get("doc"),
    start: start || null,
    end: end || start || null,
    rev: parameters.get("rev"),
  };
}

/** Write a route as a hash. */
export function href({ view = "chat", chat = null, q = "", topic = "", doc = null, start = null, end = null, rev = null }) {
  const parameters = new URLSearchParams();
  if (view === "knowledge" && q) parameters.set("q", q);
  if (view === "knowledge" && topic) parameters.set("topic", topic);
  if (doc) parameters.set("doc", doc);
  if (doc && start) parameters.set("lines", `${start}-${end ?? start}`);
  if (doc && rev) parameters.set("rev", rev);
  const where = view === "knowledge" ? "#/knowledge" : chat ? `#/chat/${encodeURIComponent(chat)}` : "#/";
  return parameters.size > 0 ? `${where}?${parameters}` : where;
}

/** Go there; `replace` leaves no step for the back button. */
export function go(route, { replace = false } = {}) {
  const target = href(route);
  if (target === location.hash) return;
  if (replace) history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  dispatchEvent(new Event("route"));
}

/** Change parts of the present route. */
export const change = (parts, options) => go({ ...current(), ...parts }, options);

/** Call `listener(route)` whenever the address changes. */
export function onChange(listener) {
  addEventListener("route", () => listener(current()));
  addEventListener("hashchange", () => listener(current()));
}
