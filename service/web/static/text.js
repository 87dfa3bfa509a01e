// How figures, times and texts are written. The server counts characters as code points, not as UTF-16 units.

/** Count code points. */
export function codePoints(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** Cut a text at a code point offset: [before, after]. */
export function cutAt(text, offset) {
  let index = 0;
  for (let passed = 0; passed < offset && index < text.length; passed += 1) {
    index += text.codePointAt(index) > 0xffff ? 2 : 1;
  }
  return [text.slice(0, index), text.slice(index)];
}

/** Shorten a text to at most `limit` UTF-16 units, at a word's end where there is one. */
export function shortened(text, limit) {
  const words = text.replace(/\s+/g, " ").trim();
  if (words.length <= limit) return words;
  const cut = words.slice(0, limit - 1);
  return `${cut.slice(0, cut.lastIndexOf(" ") > limit / 2 ? cut.lastIndexOf(" ") : limit)}…`;
}

export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** Begin with a capital letter: topics without a title are called like their folder. */
export const capitalized = (text) => text.charAt(0).toLocaleUpperCase("en") + text.slice(1);

/** Write what the service says of a failure as a sentence. */
export const sentence = (text) => `${capitalized(text)}${/[.!?…]$/.test(text) ? "" : "."}`;

export const lineRange = (first, last) => (first === last ? `line ${first}` : `lines ${first}–${last}`);

/** Milliseconds as people say them. */
export function duration(ms) {
  if (ms < 1) return "1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

/** Seconds or a timestamp ago, coarse. */
export function ago(timestamp) {
  const seconds = (Date.now() - Date.parse(timestamp)) / 1000;
  if (seconds < 5) return "just now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  return new Date(timestamp).toLocaleDateString("en", { dateStyle: "medium" });
}

/** The heading under which a chat of that day is listed. */
export function dayName(timestamp) {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const days = Math.ceil((midnight - new Date(timestamp)) / 86_400_000);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return days <= 7 ? "Last seven days" : "Earlier";
}

export const moment = (timestamp) => new Date(timestamp).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
