// Elements made from data. Text is always a text node; nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

const SHAPES = {
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  menu: "M4 7h16M4 12h16M4 17h10",
  book: "M5 5.5C5 4.7 5.7 4 6.5 4H19v13H6.5A1.5 1.5 0 0 0 5 18.5v-13zM5 18.5A1.5 1.5 0 0 0 6.5 20H19v-3",
  up: "M12 19V6M6.5 11.500L12 6l5.5 5.5",
  down: "M12 5v13M6.5 12.500L12 18l5.5-5.5",
  pencil: "M5 19l.9-3.700L15.6 5.600a1.8 1.8 0 0 1 2.6 0l.2.2a1.8 1.8 0 0 1 0 2.600L8.7 18.1 5 19zM14 7.300l2.7 2.7",
  trash: "M5 7h14M10 7V5h4v2M7 7l.8 12h8.400L17 7M10.5 11v5M13.5 11v5",
  copy: "M9 9h10v11H9zM9 15H5V4h10v5",
  check: "M5 12.500l4.5 4.500L19 7.5",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.3 15.300L20 20",
  chevron: "M9 6l6 6-6 6",
  retry: "M19 12a7 7 0 1 1-2.2-5.100M19 4v4.500h-4.5",
  warning: "M12 4l9 16H3L12 4zM12 10v4.500M12 17.300v.2",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  file: "M7 4h7l4 4v12H7zM14 4v4h4",
  thumb: "M8 11l3.5-6.5c1.3 0 2.1 1 1.8 2.200L12.6 10H18a1.5 1.5 0 0 1 1.5 1.800l-1.1 5.600a2 2 0 0 1-2 1.600H8zM8 11H5v8h3",
  stop: "M7.5 7.5h9v9h-9z",
  keyboard: "M4 7h16v10H4zM8 14h8M7.5 10.500v.1M10.5 10.500v.1M13.5 10.500v.1M16.5 10.500v.1",
  leave: "M10 5H5v14h5M14 8l4 4-4 4M18 12H9",
  list: "M5 7h14M5 12h14M5 17h9",
};

/** Make an element. `on` holds listeners, `data` dataset entries; a property that is null or false is left out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Make one of the page's icons. It is decoration: the control that holds it needs its own name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

/** Give every element of the shell that asks for one its icon. */
export function placeIcons(root) {
  for (const element of root.querySelectorAll("[data-icon]")) element.prepend(icon(element.dataset.icon));
}

/** Give `parent` exactly these children, moving none that stands right: focus and clicks there go on undisturbed. */
export function arrange(parent, wanted) {
  const kept = new Set(wanted);
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  let next = parent.firstElementChild;
  for (const child of wanted) {
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
  }
}

/** Find an element of the shell by its id. */
export const byId = (id) => document.getElementById(id);

/** A button with an icon only; `label` is its accessible name and tooltip. */
export function iconButton(name, label, onClick) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, on: { click: onClick } }, icon(name));
}

/** Wait with `work` until no call came for `ms`; the last call's arguments win. */
export function debounced(ms, work) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...args), ms);
  };
}
