// The state of the index in full: figures, and each file that was skipped with the reason.

import { h, icon } from "./dom.js";
import { folderName, stateName } from "./index_status.js";
import { ago, counted, duration } from "./text.js";

const WATCHING = {
  events: "file events, scans",
  poll: "polling",
  scan: "timed scans",
  off: "timed scans",
};

/** Make the card. */
export function indexCard(status) {
  const figures = [
    ["State", stateName(status)],
    ["Folder", folderName(status)],
    ["Documents", `${status.indexed.toLocaleString("en")} of ${counted(status.files_on_disk, "file")}`],
    ["Revision", String(status.revision)],
    ["Last change", status.last_change ? ago(status.last_change) : "never"],
    ["Last scan", status.last_scan ? ago(status.last_scan) : "not yet"],
    ["Scan took", duration(status.scan_seconds * 1000)],
    ...(status.pending > 0 ? [["Not searchable yet", counted(status.pending, "change")]] : []),
    ["Noticed by", WATCHING[status.watcher_mode] ?? status.watcher_mode],
  ];
  return h(
    "section",
    { "aria-label": "State of the index", data: { index: status.state } },
    h("h2", {}, h("span", { class: "dot" }), "Index"),
    status.progress && h("progress", { max: status.progress[1], value: status.progress[0], "aria-label": "Indexing" }),
    h("dl", {}, figures.flatMap(([name, value]) => [h("dt", {}, name), h("dd", { dir: "auto" }, value)])),
    status.last_error && h("p", { class: "index-error" }, icon("warning"), status.last_error),
    status.skipped.length > 0 ? skipped(status.skipped) : h("p", { class: "quiet" }, "No file was skipped."),
  );
}

function skipped(files) {
  return h(
    "div",
    { class: "skipped" },
    h("h3", {}, icon("warning"), `${counted(files.length, "file")} skipped`),
    h("ul", {}, files.map((file) => h("li", {}, h("bdi", { class: "path" }, file.name), h("span", { class: "quiet" }, file.detail || file.reason)))),
  );
}
