// A photo's file, decoded by the browser into upright sRGB, and its painting, encoded again.

import { keptExif, withExif } from "./exif.js";
import { PageError } from "../rpc.js";

export const MOST_PIXELS = 60e6;
const MOST_SIDE = 16384; // of a canvas

/**
 * Read a photo.
 * @param {Blob} file
 * @returns {Promise<{rgb: Uint8Array, alpha: Uint8Array | null, width: number, height: number, exif: Uint8Array | null}>}
 */
export async function readPhoto(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new PageError(isHeic(bytes) ? "heic" : "unreadable");
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS || Math.max(width, height) > MOST_SIDE) {
    bitmap.close();
    throw new PageError("tooLarge", { width, height, most: MOST_PIXELS / 1e6 });
  }
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return { ...withoutAlpha(data), width, height, exif: keptExif(bytes, { width, height }) };
}

/**
 * Write a picture: a JPEG, or a PNG where it has transparency.
 * @returns {Promise<Blob>}
 */
export async function encoded({ rgb, alpha, width, height, exif }, type = alpha ? "image/png" : "image/jpeg") {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(withAlpha(rgb, alpha), width, height), 0, 0);
  // Below full quality browsers halve the colours' resolution, which blurs the edges of strokes.
  const blob = await canvas.convertToBlob({ type, quality: 1 });
  if (type !== "image/jpeg" || !exif) return blob;
  return withExif(new Uint8Array(await blob.arrayBuffer()), exif);
}

/** Whether a file is HEIC, by the brands at its beginning. */
export function isHeic(bytes) {
  const brands = new TextDecoder("latin1").decode(bytes.subarray(4, 40));
  return brands.startsWith("ftyp") && /heic|heix|hevc|heim|heis|mif1/.test(brands) && !/avif/.test(brands);
}

/** Pixels of four bytes from those of three. */
export function withAlpha(rgb, alpha) {
  const data = new Uint8ClampedArray((rgb.length / 3) * 4);
  for (let from = 0, at = 0, pixel = 0; from < rgb.length; pixel++) {
    data[at++] = rgb[from++];
    data[at++] = rgb[from++];
    data[at++] = rgb[from++];
    data[at++] = alpha ? alpha[pixel] : 255;
  }
  return data;
}

function withoutAlpha(data) {
  const pixels = data.length / 4;
  const rgb = new Uint8Array(3 * pixels);
  const alpha = new Uint8Array(pixels);
  const sums = [0, 0, 0];
  let opacity = 0;
  let isOpaque = true;
  for (let pixel = 0, from = 0, at = 0; pixel < pixels; pixel++, from += 4) {
    rgb[at++] = data[from];
    rgb[at++] = data[from + 1];
    rgb[at++] = data[from + 2];
    alpha[pixel] = data[from + 3];
    if (data[from + 3] !== 255) isOpaque = false;
  }
  if (isOpaque) return { rgb, alpha: null };
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let channel = 0; channel < 3; channel++) sums[channel] += alpha[pixel] * rgb[3 * pixel + channel];
    opacity += alpha[pixel];
  }
  // What nobody sees would be painted: it takes the mean of what is seen, as in fastnst.
  for (let pixel = 0; pixel < pixels && opacity; pixel++) {
    if (alpha[pixel] === 0) for (let channel = 0; channel < 3; channel++) rgb[3 * pixel + channel] = Math.round(sums[channel] / opacity);
  }
  return { rgb, alpha };
}
