// What acts on a finished painting: blends, colours, strength and mask. The port of fastnst's Painter
// (fastnst/painter.py, fastnst/image/), within one level of its bytes. The network never runs here.

import { oklabToRgb, rgbToOklab, withColoursOf } from "./oklab.js";
import { resized } from "./resample.js";

const LEVELS = 5; // of a blend's pyramids: 1 to 16 pixels hold brush strokes
const NEGLIGIBLE = 1e-8;

/**
 * Scale a picture as the Painter does: Lanczos to reduce, bicubic to enlarge.
 * @param {Uint8Array} rgb pixels of three bytes
 */
export function scaled(rgb, from, to) {
  const isSmaller = to.width * to.height < from.width * from.height;
  return resized(rgb, from, to, 3, isSmaller ? "lanczos" : "bicubic");
}

/**
 * Mix pictures of one motif, so that each stroke and colour comes from one: fastnst.image.blend.
 * @param {Uint8Array[]} pictures pixels of three bytes, all of one size
 * @param {number[]} weights one for each, above 0
 */
export function blended(pictures, weights, size) {
  if (pictures.length === 1) return pictures[0];
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const shares = weights.map((weight) => weight / total);
  const pyramids = pictures.map((picture) => split(rgbToOklab(picture), size));
  const bands = pyramids[0].bands.map(({ size: bandSize }, level) => ({
    size: bandSize,
    planes: strongest(
      pyramids.map((pyramid) => pyramid.bands[level].planes),
      shares,
      bandSize,
      0,
    ),
  }));
  const { base: first, size: baseSize } = pyramids[0];
  const base = strongest(
    pyramids.map((pyramid) => pyramid.base),
    shares,
    baseSize,
    1,
  );
  for (let at = 0; at < first.length; at += 3) {
    base[at] = pyramids.reduce((sum, pyramid, each) => sum + shares[each] * pyramid.base[at], 0);
  }
  return oklabToRgb(join(bands, base, baseSize));
}

/**
 * Mix the photo and the painting by strength times mask: fastnst.image.mask.mix.
 * @param {Uint8Array} photo pixels of three bytes
 * @param {Uint8Array} painting of the same size
 * @param {number} strength from 0 to 2
 * @param {Float32Array | null} mask a weight from 0 to 1 for each pixel
 */
export function mixed(photo, painting, strength, mask) {
  if (strength === 1 && mask === null) return painting;
  // Such an array rounds as NumPy does, and clips.
  const result = new Uint8ClampedArray(photo.length);
  if (mask === null) {
    for (let at = 0; at < result.length; at++) result[at] = photo[at] + strength * (painting[at] - photo[at]);
  } else {
    for (let pixel = 0, at = 0; at < result.length; pixel++) {
      const weight = strength * mask[pixel];
      for (const end = at + 3; at < end; at++) result[at] = photo[at] + weight * (painting[at] - photo[at]);
    }
  }
  return new Uint8Array(result.buffer);
}

/**
 * Fit a mask to a photo: fastnst.image.mask.Mask.fit.
 * @param {Uint8Array} mask white is painted
 * @returns {Float32Array} from 0 to 1
 */
export function fittedMask(mask, from, to) {
  const plane = Float32Array.from(mask, (value) => value / 255);
  return resized(plane, from, to, 1, "bilinear").map((value) => (value < 0 ? 0 : value > 1 ? 1 : value));
}

/**
 * Cut a part out of a picture.
 * @param {{x, y, width, height}?} crop null takes all of it
 */
export function cropped(values, { width }, crop, channels) {
  if (crop === null) return values;
  const row = crop.width * channels;
  const result = new values.constructor(row * crop.height);
  for (let y = 0; y < crop.height; y++) {
    const from = ((crop.y + y) * width + crop.x) * channels;
    result.set(values.subarray(from, from + row), y * row);
  }
  return result;
}

const MOST_KEPT = 64e6; // pixels of paintings that are kept, so that going back needs no network

/** One photo with its paintings; each step is kept, so that a slider repeats only what depends on it. */
export class PaintedPhoto {
  /** @param {{rgb: Uint8Array, width: number, height: number}} photo pixels of three bytes */
  constructor(photo) {
    this.photo = photo;
    this.paintings = new Map();
    this.steps = new Map();
  }

  /** @param {{rgb: Uint8Array, width: number, height: number}} painting by the network, of any size */
  keep(key, painting) {
    this.paintings.delete(key);
    this.paintings.set(key, painting);
    let pixels = 0;
    for (const [each, { width, height }] of [...this.paintings].toReversed()) {
      pixels += width * height;
      if (pixels > MOST_KEPT && each !== key) this.paintings.delete(each);
    }
  }

  /**
   * Apply the controls, in the Painter's order.
   * @param {{key: string, weight: number}[]} layers paintings that were kept, all of one size
   * @param {{strength: number, keepColours: boolean, mask: {values, width, height, version} | null}} controls
   * @param {{x, y, width, height}?} crop a part of the photo
   * @returns {Uint8Array} pixels of three bytes, of the photo's size or the part's
   */
  result(layers, { strength, keepColours, mask }, crop = null) {
    const { photo } = this;
    const part = (values, channels) => cropped(values, photo, crop, channels);
    if (strength === 0 || layers.length === 0) return part(photo.rgb, 3);
    const mixture = layers.map(({ key, weight }) => `${key}*${weight}`).join("+");
    let painting = this.#step("painting", mixture, () => {
      const pictures = layers.map(({ key }) => this.paintings.get(key));
      const mixture = blended(
        pictures.map(({ rgb }) => rgb),
        layers.map(({ weight }) => weight),
        pictures[0],
      );
      return scaled(mixture, pictures[0], photo);
    });
    if (keepColours) painting = this.#step("colours", mixture, () => withColoursOf(painting, photo.rgb));
    const weights = mask && this.#step("mask", mask.version, () => fittedMask(mask.values, mask, photo));
    return mixed(part(photo.rgb, 3), part(painting, 3), strength, weights && part(weights, 1));
  }

  #step(name, key, compute) {
    const kept = this.steps.get(name);
    if (kept?.key === key) return kept.value;
    this.steps.delete(name); // before the next one takes as much memory
    const value = compute();
    this.steps.set(name, { key, value });
    return value;
  }
}

const half = ({ width, height }) => ({ width: Math.ceil(width / 2), height: Math.ceil(height / 2) });

/** Split a picture into bands of detail: fastnst.image.laplacian_pyramid. */
function split(planes, size) {
  const bands = [];
  for (let level = 0; level < LEVELS; level++) {
    const smaller = resized(planes, size, half(size), 3, "bilinear");
    const band = resized(smaller, half(size), size, 3, "bilinear").slice();
    for (let at = 0; at < band.length; at++) band[at] = planes[at] - band[at];
    bands.push({ planes: band, size });
    planes = smaller;
    size = half(size);
  }
  return { bands, base: planes, size };
}

function join(bands, base, baseSize) {
  let planes = base;
  let size = baseSize;
  for (const band of bands.toReversed()) {
    const enlarged = resized(planes, size, band.size, 3, "bilinear");
    planes = new Float32Array(band.planes.length);
    for (let at = 0; at < planes.length; at++) planes[at] = enlarged[at] + band.planes[at];
    size = band.size;
  }
  return planes;
}

/** Mix planes of which the one with more energy, times its share, counts more; from a channel on. */
function strongest(pictures, shares, size, firstChannel) {
  const salience = pictures.map((planes, each) => {
    const squares = new Float32Array(size.width * size.height);
    for (let pixel = 0; pixel < squares.length; pixel++) {
      for (let channel = firstChannel; channel < 3; channel++) squares[pixel] += planes[3 * pixel + channel] ** 2;
    }
    const energy = resized(resized(squares, size, half(size), 1, "bilinear"), half(size), size, 1, "bilinear");
    return energy.map((value) => shares[each] * (value + NEGLIGIBLE));
  });
  const result = new Float32Array(pictures[0].length);
  for (let pixel = 0; pixel < size.width * size.height; pixel++) {
    let total = 0;
    for (const plane of salience) total += plane[pixel];
    pictures.forEach((planes, each) => {
      const share = salience[each][pixel] / total;
      for (let channel = firstChannel; channel < 3; channel++) {
        result[3 * pixel + channel] += share * planes[3 * pixel + channel];
      }
    });
  }
  return result;
}
