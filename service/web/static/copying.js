// Copying to the clipboard.

import { h, icon, iconButton } from "./dom.js";
import { announce } from "./notices.js";

/** A button that copies `text()`. */
export function copyButton(label, text) {
  const button = iconButton("copy", label, async () => {
    const done = await copy(text());
    button.replaceChildren(icon(done ? "check" : "warning"));
    button.title = done ? "Copied" : "The browser did not allow copying";
    announce(button.title);
    setTimeout(() => {
      button.replaceChildren(icon("copy"));
      button.title = label;
    }, 1600);
  });
  button.classList.add("copy");
  return button;
}

/** Give each code block of a text that stands a button that copies it. */
export function offerCode(prose) {
  for (const block of prose.querySelectorAll("pre:not(.code > *)")) {
    const box = h("div", { class: "code" });
    block.replaceWith(box);
    box.append(block, copyButton("Copy the code", () => block.textContent));
  }
}

/** Copy a text; pages without a secure address lack the clipboard, there a selection has to do. */
async function copy(text) {
  if (navigator.clipboard) {
    const done = await navigator.clipboard.writeText(text).then(() => true, () => false);
    if (done) return true;
  }
  const area = h("textarea", { class: "hidden", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
