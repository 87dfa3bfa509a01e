// The box in which a chat gets another title. Enter takes it, Escape leaves it; whoever goes elsewhere gets there.

import { h } from "./dom.js";

/** Make it; `finish(title, stay)` is called once, with an empty title where nothing is to change. */
export function titleBox(former, finish) {
  const box = h("input", { class: "rename", type: "text", maxlength: 200, dir: "auto", "aria-label": "Title of the chat" });
  box.value = former;
  let done = false;
  const end = (title, stay) => {
    if (done) return;
    done = true;
    finish(title === former ? "" : title, stay);
  };
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) end(box.value.trim(), true);
    if (event.key !== "Escape") return;
    event.stopPropagation();
    end("", true);
  });
  box.addEventListener("blur", () => end(box.value.trim(), false));
  return box;
}
