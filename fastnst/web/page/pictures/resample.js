// Pillow's resampling, so that masks, brushes and blends come out as in Python: the same kernels, widened when a
// picture is reduced, and the same fixed-point numbers for bytes.

const bilinear = { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) };

const bicubic = {
  support: 2,
  at(x) {
    const a = -0.5;
    x = Math.abs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
  },
};

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos = { support: 3, at: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) };

const KERNELS = { bilinear, bicubic, lanczos };
const BITS = 22; // of Pillow's fixed-point weights

/**
 * Resize planes of interleaved channels.
 * @param {Uint8Array | Uint8ClampedArray | Float32Array} source rows of pixels of `channels` values
 * @param {{width: number, height: number}} from its size
 * @param {{width: number, height: number}} to the size of the result
 * @param {number} channels values of a pixel
 * @param {"bilinear" | "bicubic" | "lanczos"} kernel bytes take any, floats too
 * @returns an array of the source's kind; the source itself where the sizes are the same
 */
export function resized(source, from, to, channels, kernel) {
  let planes = source;
  let size = from;
  const across = () => {
    if (to.width === size.width) return;
    planes = acrossRows(planes, size.width, size.height, to.width, channels, KERNELS[kernel]);
    size = { width: to.width, height: size.height };
  };
  const down = () => {
    if (to.height === size.height) return;
    planes = downColumns(planes, size.width, size.height, to.height, channels, KERNELS[kernel]);
    size = { width: size.width, height: to.height };
  };
  // The order decides how bytes are rounded in between. This is Pillow 13's; earlier ones always took rows first.
  const isTall = to.height < from.height && from.height - to.height > 2 * (from.width - to.width);
  for (const pass of isTall ? [down, across] : [across, down]) pass();
  return planes;
}

/** The size of a picture whose longer side is given, as in fastnst.image.resize. */
export function fit({ width, height }, longerSide) {
  const scale = longerSide / Math.max(width, height);
  return { width: Math.max(1, roundHalfEven(width * scale)), height: Math.max(1, roundHalfEven(height * scale)) };
}

/** Round as Python and NumPy do: the middle of two goes to the even one. */
export function roundHalfEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

/** For each place of the result: the first value that counts, and the weights from there on. */
function weights(from, to, kernel, isBytes) {
  const scale = from / to;
  const filterScale = Math.max(scale, 1);
  const support = kernel.support * filterScale;
  const places = [];
  for (let place = 0; place < to; place++) {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    const shares = new Float64Array(end - first);
    let sum = 0;
    for (let each = 0; each < shares.length; each++) {
      shares[each] = kernel.at((each + first - centre + 0.5) / filterScale);
      sum += shares[each];
    }
    for (let each = 0; each < shares.length; each++) {
      shares[each] /= sum;
      if (isBytes) shares[each] = Math.trunc(shares[each] * 2 ** BITS + (shares[each] < 0 ? -0.5 : 0.5));
    }
    places.push({ first, shares });
  }
  return places;
}

function acrossRows(source, width, height, newWidth, channels, kernel) {
  const isBytes = !(source instanceof Float32Array);
  const places = weights(width, newWidth, kernel, isBytes);
  const result = isBytes ? new Uint8Array(newWidth * height * channels) : new Float32Array(newWidth * height * channels);
  for (let row = 0; row < height; row++) {
    const from = row * width * channels;
    let at = row * newWidth * channels;
    for (const { first, shares } of places) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        let index = from + first * channels + channel;
        for (let each = 0; each < shares.length; each++, index += channels) sum += source[index] * shares[each];
        result[at++] = isBytes ? byteOf(sum) : sum;
      }
    }
  }
  return result;
}

function downColumns(source, width, height, newHeight, channels, kernel) {
  const isBytes = !(source instanceof Float32Array);
  const places = weights(height, newHeight, kernel, isBytes);
  const row = width * channels;
  const result = isBytes ? new Uint8Array(row * newHeight) : new Float32Array(row * newHeight);
  const sums = new Float64Array(row);
  places.forEach(({ first, shares }, place) => {
    sums.fill(0);
    for (let each = 0; each < shares.length; each++) {
      const from = (first + each) * row;
      const share = shares[each];
      for (let x = 0; x < row; x++) sums[x] += source[from + x] * share;
    }
    const at = place * row;
    for (let x = 0; x < row; x++) result[at + x] = isBytes ? byteOf(sums[x]) : sums[x];
  });
  return result;
}

function byteOf(fixedPoint) {
  const value = Math.floor((fixedPoint + 2 ** (BITS - 1)) / 2 ** BITS);
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
