// The picture that a training renews, taken apart: each photo in the new style, with the photo in its corner.

import { text } from "../texts.js";

const GAP = 8; // white, around all cells of the picture

/**
 * Show a picture.
 * @param {HTMLElement} list of the photos; it gets an item for each
 * @param {ImageBitmap} picture the painting on the left, then a column for each photo: itself, and painted below
 * @param {number} photos how many it shows
 */
export function showPreview(list, picture, photos) {
  const width = (picture.width - GAP) / (photos + 1) - GAP;
  const height = (picture.height - 3 * GAP) / 2;
  while (list.children.length > photos) list.lastChild.remove();
  for (let column = 1; column <= photos; column++) {
    const left = GAP + column * (width + GAP);
    const cell = trimmed(picture, left, GAP, width, height);
    const item = list.children[column - 1] ?? newItem(list, column);
    const [painted, photo] = item.children;
    draw(painted, picture, { ...cell, top: cell.top + height + GAP });
    draw(photo, picture, cell);
  }
}

function newItem(list, number) {
  const item = document.createElement("li");
  const painted = document.createElement("canvas");
  painted.setAttribute("role", "img");
  painted.setAttribute("aria-label", text("previewOf", { number }));
  const photo = document.createElement("canvas");
  photo.setAttribute("aria-hidden", "true");
  item.append(painted, photo);
  list.append(item);
  return item;
}

function draw(canvas, picture, { left, top, width, height }) {
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").drawImage(picture, left, top, width, height, 0, 0, width, height);
}

/** The part of a cell that its photo fills: the rest is white. */
function trimmed(picture, left, top, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, left, top, width, height, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const isWhite = (x, y) => {
    const at = 4 * (y * width + x);
    return data[at] === 255 && data[at + 1] === 255 && data[at + 2] === 255;
  };
  const rowIsWhite = (y) => everyOf(width, (x) => isWhite(x, y));
  const columnIsWhite = (x) => everyOf(height, (y) => isWhite(x, y));
  // Photos are centred: what is white on one side is so on the other.
  let above = 0;
  while (above < height / 2 - 1 && rowIsWhite(above) && rowIsWhite(height - 1 - above)) above++;
  let beside = 0;
  while (beside < width / 2 - 1 && columnIsWhite(beside) && columnIsWhite(width - 1 - beside)) beside++;
  return { left: left + beside, top: top + above, width: width - 2 * beside, height: height - 2 * above };
}

function everyOf(count, holds) {
  for (let each = 0; each < count; each++) if (!holds(each)) return false;
  return true;
}
