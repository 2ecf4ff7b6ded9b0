// The styles as pictures of the visitor's own photo, painted small.

import { address } from "../assets.js";
import { draw } from "./stage.js";

export class StyleList {
  #root = document.querySelector("#styles");
  #items = new Map();

  #onPick;

  /** @param {function(string)} onPick called with a style's key */
  constructor(onPick) {
    this.#onPick = onPick;
  }

  /** @param {{key, title, artist, icon?: ImageBitmap}} style with the painting, where it is shown in a corner */
  add(style) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "style", value: style.key });
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    canvas.setAttribute("aria-hidden", "true");
    const title = Object.assign(document.createElement("b"), { textContent: style.title });
    label.append(input, canvas);
    if (style.icon) label.append(corner(style.icon));
    label.append(title);
    label.title = style.artist;
    label.classList.add("waiting");
    input.addEventListener("change", () => this.#onPick(style.key));
    this.#items.set(style.key, { label, input, canvas, artist: style.artist });
    this.#root.append(label);
  }

  /** Mark all as not painted yet. */
  clear() {
    for (const { label } of this.#items.values()) mark(label, "waiting");
  }

  /** Show the small picture that a style painted, or with null that it failed. */
  show(key, bitmap) {
    const { label, canvas } = this.#items.get(key);
    if (bitmap) draw(canvas, bitmap);
    mark(label, bitmap ? null : "failed");
  }

  /** Bring a style into view. */
  reveal(key) {
    this.#items.get(key).label.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  pick(key) {
    for (const [each, { input }] of this.#items) input.checked = each === key;
    document.querySelector("#artist").textContent = this.#items.get(key)?.artist ?? "";
  }

  /** The picture of a style as it is shown, to stand in until the painting is done. */
  picture(key) {
    const { label, canvas } = this.#items.get(key);
    return label.matches(".waiting, .failed") ? null : canvas;
  }
}

function mark(label, state) {
  for (const each of ["waiting", "failed"]) label.classList.toggle(each, each === state);
}

function corner(painting) {
  const canvas = Object.assign(document.createElement("canvas"), { className: "painting" });
  canvas.setAttribute("aria-hidden", "true");
  draw(canvas, painting);
  return canvas;
}

/** A card of the first page: a picture with words below, which one may click. */
export function card({ image, alt, title, detail }, onClick) {
  const item = document.createElement("li");
  const button = Object.assign(document.createElement("button"), { type: "button" });
  const picture = Object.assign(document.createElement("img"), { src: address(image), alt, loading: "lazy" });
  button.append(picture);
  if (title) button.append(Object.assign(document.createElement("b"), { textContent: title }));
  if (detail) button.append(Object.assign(document.createElement("small"), { textContent: detail }));
  button.addEventListener("click", onClick);
  item.append(button);
  return item;
}
