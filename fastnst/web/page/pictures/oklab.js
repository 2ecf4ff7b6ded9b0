// Oklab (Ottosson 2020, https://bottosson.github.io/posts/oklab/): the port of fastnst/color/oklab.py.

const RGB_TO_LMS = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
];
const LMS_TO_LAB = [
  [0.2104542553, 0.793617785, -0.0040720468],
  [1.9779984951, -2.428592205, 0.4505937099],
  [0.0259040371, 0.7827717662, -0.808675766],
];
const M = RGB_TO_LMS.flat();
const N = LMS_TO_LAB.flat();
const FROM_LMS = inverse(RGB_TO_LMS).flat();
const FROM_LAB = inverse(LMS_TO_LAB).flat();

const LINEAR = Float32Array.from({ length: 256 }, (_, level) => {
  const value = level / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
});

const STEPS = 65535;
const BYTES = Uint8Array.from({ length: STEPS + 1 }, (_, step) => {
  const light = step / STEPS;
  return Math.round(255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055));
});

const ROUNDING = 1e-4; // how far outside [0, 1] rounding alone may move a colour
const BISECTIONS = 10; // to a thousandth of the chroma

/**
 * Convert sRGB to Oklab.
 * @param {Uint8Array} rgb pixels of three bytes
 * @returns {Float32Array} L, a and b of each pixel
 */
export function rgbToOklab(rgb) {
  const lab = new Float32Array(rgb.length);
  for (let at = 0; at < rgb.length; at += 3) {
    const red = LINEAR[rgb[at]];
    const green = LINEAR[rgb[at + 1]];
    const blue = LINEAR[rgb[at + 2]];
    const l = Math.cbrt(M[0] * red + M[1] * green + M[2] * blue);
    const m = Math.cbrt(M[3] * red + M[4] * green + M[5] * blue);
    const s = Math.cbrt(M[6] * red + M[7] * green + M[8] * blue);
    lab[at] = N[0] * l + N[1] * m + N[2] * s;
    lab[at + 1] = N[3] * l + N[4] * m + N[5] * s;
    lab[at + 2] = N[6] * l + N[7] * m + N[8] * s;
  }
  return lab;
}

/**
 * Convert Oklab to sRGB; a colour that sRGB lacks keeps lightness and hue and loses chroma.
 * @param {Float32Array} lab L, a and b of each pixel
 * @returns {Uint8Array} pixels of three bytes
 */
export function oklabToRgb(lab) {
  const rgb = new Uint8Array(lab.length);
  for (let at = 0; at < lab.length; at += 3) writeRgb(lab[at], lab[at + 1], lab[at + 2], rgb, at);
  return rgb;
}

/**
 * Return a picture in a photo's colours: its lightness, the photo's chroma and hue.
 * @param {Uint8Array} picture pixels of three bytes
 * @param {Uint8Array} photo of the same size
 */
export function withColoursOf(picture, photo) {
  const result = new Uint8Array(photo.length);
  const strip = 3 << 14; // so that the arrays between stay in the processor's cache
  for (let start = 0; start < photo.length; start += strip) {
    const painted = rgbToOklab(picture.subarray(start, start + strip));
    const lab = rgbToOklab(photo.subarray(start, start + strip));
    for (let at = 0; at < lab.length; at += 3) writeRgb(painted[at], lab[at + 1], lab[at + 2], result, start + at);
  }
  return result;
}

const linear = new Float64Array(3);

function writeRgb(lightness, a, b, rgb, at) {
  lightness = lightness < 0 ? 0 : lightness > 1 ? 1 : lightness;
  toLinear(lightness, a, b);
  if (isOutside()) {
    let inside = 0;
    let beyond = 1;
    for (let step = 0; step < BISECTIONS; step++) {
      const middle = (inside + beyond) / 2;
      toLinear(lightness, a * middle, b * middle);
      if (isOutside()) beyond = middle;
      else inside = middle;
    }
    toLinear(lightness, a * inside, b * inside);
  }
  for (let channel = 0; channel < 3; channel++) {
    const light = linear[channel];
    rgb[at + channel] = BYTES[light <= 0 ? 0 : light >= 1 ? STEPS : Math.round(light * STEPS)];
  }
}

function toLinear(lightness, a, b) {
  const l = (FROM_LAB[0] * lightness + FROM_LAB[1] * a + FROM_LAB[2] * b) ** 3;
  const m = (FROM_LAB[3] * lightness + FROM_LAB[4] * a + FROM_LAB[5] * b) ** 3;
  const s = (FROM_LAB[6] * lightness + FROM_LAB[7] * a + FROM_LAB[8] * b) ** 3;
  linear[0] = FROM_LMS[0] * l + FROM_LMS[1] * m + FROM_LMS[2] * s;
  linear[1] = FROM_LMS[3] * l + FROM_LMS[4] * m + FROM_LMS[5] * s;
  linear[2] = FROM_LMS[6] * l + FROM_LMS[7] * m + FROM_LMS[8] * s;
}

function isOutside() {
  const least = Math.min(linear[0], linear[1], linear[2]);
  return least < -ROUNDING || Math.max(linear[0], linear[1], linear[2]) > 1 + ROUNDING;
}

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [(e * i - f * h) / determinant, (c * h - b * i) / determinant, (b * f - c * e) / determinant],
    [(f * g - d * i) / determinant, (a * i - c * g) / determinant, (c * d - a * f) / determinant],
    [(d * h - e * g) / determinant, (b * g - a * h) / determinant, (a * e - b * d) / determinant],
  ];
}
