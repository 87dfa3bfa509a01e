// What a new chat shows: what this is, and questions to begin with.

import { kb } from "./api.js";
import { h } from "./dom.js";
import { folderName, folderTrouble } from "./index_status.js";
import { counted } from "./text.js";

/** Questions that the sample knowledge answers, each offered only while its document is there. */
const EXAMPLES = [
  ["How does a client resume a stream after a disconnect?", "streaming/resume.md"],
  ["How do I connect a model that runs in Ollama?", "models/ollama.md"],
  ["How soon is a saved file searchable?", "authoring/live-indexing.md"],
  ["How do I back up the database while the service runs?", "operations/sqlite-and-backups.md"],
];

const EXAMPLE_GROUP = { class: "examples", role: "group", "aria-label": "Example questions" };

/** Questions about the knowledge base itself: they have an answer whatever is in it. */
const ANYWHERE = ["What topics are there?", "What can you do?"];

/** Make the welcome. `ask(question)` asks one of the examples. */
export function welcome(index, ask) {
  const about = h("p", { class: "welcome-about" });
  const examples = h("div", EXAMPLE_GROUP);
  let revision = null;
  index.onChange((status) => {
    about.replaceChildren(...describe(status));
    if (revision === status.revision) return;
    revision = status.revision;
    offer(examples, ask, () => revision === status.revision);
  });
  return greeting(about, examples);
}

/** Make the welcome of somebody whose key opens chats only: he sees no list of documents. */
export function welcomeToChats(ask) {
  const about = h("p", { class: "welcome-about" }, "Ask in your own words. Every source of an answer shows the lines that it quotes.");
  return greeting(about, h("div", { ...EXAMPLE_GROUP, class: "examples few" }, ANYWHERE.map((question) => offered(question, ask))));
}

function greeting(about, examples) {
  return h(
    "div",
    { class: "welcome" },
    h("img", { src: "/static/favicon.svg", width: 56, height: 56, alt: "" }),
    h("h2", {}, "Ask the knowledge base"),
    about,
    examples,
  );
}

function describe(status) {
  const trouble = folderTrouble(status);
  if (trouble) return [trouble];
  if (status.indexed === 0) {
    return [`The folder “${folderName(status)}” has no documents yet. Put text files into it: they can be asked about within a second.`];
  }
  return [
    `Answers come from ${counted(status.indexed, "document")} in the folder “${folderName(status)}”, and every source leads to the lines it rests on. `,
    h("a", { href: "#/knowledge" }, "See what is in there"),
  ];
}

async function offer(examples, ask, isNewest) {
  const page = await kb.documents(null, null, 200).catch(() => null);
  if (page === null || !isNewest()) return;
  const names = new Set(page.items.map((document) => document.name));
  const known = EXAMPLES.filter(([, name]) => names.has(name)).map(([question]) => question);
  const questions = known.length >= 2 ? known : page.items.slice(0, 4).map(({ title }) => asQuestion(title));
  examples.replaceChildren(...questions.map((question) => offered(question, ask)));
}

const offered = (question, ask) => h("button", { type: "button", class: "example", dir: "auto", on: { click: () => ask(question) } }, question);

const asQuestion = (title) => (/^(how|what|why|when|where|who|which|can|does|is)\b/i.test(title) ? title : `What is there to know about “${title}”?`);
