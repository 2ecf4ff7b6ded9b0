// The worker that holds the photos' pixels: it decodes, mixes, scales for the screen, and encodes.

import { cropped, PaintedPhoto, scaled } from "./controls.js";
import { encoded, readPhoto, withAlpha } from "./photo.js";
import { fit, resized } from "./resample.js";
import { expose, PageError } from "../rpc.js";

const LEAST_SIDE = 64; // of a painting
const MOST_DECODED = 2; // photos, beside the one that is shown

const files = new Map();
const decoded = new Map(); // id -> {photo, painted}, the last used one last
let shown = null;

async function held(id) {
  const known = decoded.get(id);
  const photo = known?.photo ?? (await readPhoto(files.get(id)));
  const entry = known ?? { photo, painted: new PaintedPhoto(photo) };
  decoded.delete(id);
  decoded.set(id, entry);
  const others = [...decoded.keys()].filter((each) => each !== shown && each !== id);
  for (const each of others.slice(0, Math.max(0, others.length - MOST_DECODED + 1))) decoded.delete(each);
  return entry;
}

expose({
  /** Take a photo's file, and decode it. */
  async open(id, file) {
    files.set(id, file);
    const { width, height, alpha } = (await held(id)).photo;
    return { width, height, hasAlpha: alpha !== null };
  },

  /** Keep this photo and its paintings whatever else is opened. */
  hold(id) {
    shown = id;
  },

  close(id) {
    files.delete(id);
    decoded.delete(id);
  },

  /** The photo's pixels at the size that its painting shall have: the longer side, or null for its own. */
  async pixels(id, longerSide) {
    const { photo } = await held(id);
    const size = longerSide === null ? { width: photo.width, height: photo.height } : fit(photo, longerSide);
    const rgb = scaled(photo.rgb, photo, size);
    return { rgb, ...size };
  },

  async keep(id, key, painting) {
    (await held(id)).painted.keep(key, painting);
  },

  has(id, key) {
    return decoded.get(id)?.painted.paintings.has(key) ?? false;
  },

  /** The result as a bitmap for the screen: all of it, or a part at full size. Without layers, the photo. */
  async view(id, layers, controls, longerSide, crop) {
    const entry = await held(id);
    const { photo, painted } = crop ? entry : reduced(entry, layers, longerSide);
    const rgb = painted.result(layers, controls, crop);
    const alpha = photo.alpha && cropped(photo.alpha, photo, crop, 1);
    const { width, height } = crop ?? photo;
    const bitmap = await bitmapOf({ rgb, alpha, width, height });
    return { value: bitmap, transfer: [bitmap] };
  },

  /** A painting of any size as a bitmap. */
  async bitmap(painting) {
    const bitmap = await bitmapOf(painting);
    return { value: bitmap, transfer: [bitmap] };
  },

  /** The result's file. */
  async encode(id, layers, controls, type) {
    const { photo, painted } = await held(id);
    return encoded({ ...photo, rgb: painted.result(layers, controls) }, type);
  },

  /** A painting's pixels at the size that it is measured at, laid on white. */
  async painting(file, longerSide) {
    const { rgb, alpha, width, height } = await readPhoto(file);
    if (alpha) layOnWhite(rgb, alpha);
    const size = fit({ width, height }, longerSide);
    if (Math.min(width, height, size.width, size.height) < LEAST_SIDE) {
      throw new PageError("paintingSmall", { width, height, least: LEAST_SIDE });
    }
    return { rgb: resized(rgb, { width, height }, size, 3, "lanczos"), ...size };
  },

  /** A mask's file as bytes, white where it paints: its opacity where it has transparency, else its brightness. */
  async mask(file) {
    const { rgb, alpha, width, height } = await readPhoto(file);
    const values = alpha ?? new Uint8Array(width * height);
    if (!alpha) {
      for (let pixel = 0; pixel < values.length; pixel++) {
        const [red, green, blue] = rgb.subarray(3 * pixel, 3 * pixel + 3);
        values[pixel] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16; // as Pillow's mode L
      }
    }
    return { values, width, height };
  },
});

function layOnWhite(rgb, alpha) {
  if (!alpha.some(Boolean)) throw new PageError("paintingClear");
  for (let at = 0; at < rgb.length; at++) {
    const opacity = alpha[Math.floor(at / 3)] / 255;
    rgb[at] = Math.round(255 + opacity * (rgb[at] - 255));
  }
}

/**
 * A photo with its paintings as large as the screen needs them: controls act on these at once, however large
 * the photo is. The result's file is made of the whole ones.
 */
function reduced(entry, layers, longerSide) {
  const { photo, painted } = entry;
  if (Math.max(photo.width, photo.height) <= longerSide) return entry;
  const size = fit(photo, longerSide);
  if (entry.screen?.photo.width !== size.width) {
    const rgb = scaled(photo.rgb, photo, size);
    const alpha = photo.alpha && resized(photo.alpha, photo, size, 1, "bilinear");
    const small = { rgb, alpha, ...size };
    entry.screen = { photo: small, painted: new PaintedPhoto(small) };
  }
  const { screen } = entry;
  for (const { key } of layers) {
    const painting = painted.paintings.get(key);
    const isLarger = painting.width > size.width;
    const rgb = () => scaled(painting.rgb, painting, size);
    if (!screen.painted.paintings.has(key)) screen.painted.keep(key, isLarger ? { rgb: rgb(), ...size } : painting);
  }
  return screen;
}

function bitmapOf({ rgb, alpha = null, width, height }) {
  return createImageBitmap(new ImageData(withAlpha(rgb, alpha), width, height));
}
