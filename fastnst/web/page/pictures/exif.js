// EXIF: found in the photo's file, and written into the painting's without what no longer holds. The entries
// that are kept are those that fastnst keeps (fastnst/image/file.py).

const KEPT = new Set([0x010e, 0x010f, 0x0110, 0x0132, 0x013b, 0x8298]);
const EXIF_IFD = 0x8769;
const GPS_IFD = 0x8825;
const DROPPED_DETAILS = new Set([0xa005, 0x927c]); // interoperability, and the maker's note with its own offsets
const PIXEL_WIDTH = 0xa002;
const PIXEL_HEIGHT = 0xa003;
const COLOR_SPACE = 0xa001;
const SIZES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8];
const MOST_BYTES = 65000; // of one segment of a JPEG

/**
 * Return the EXIF of a painting whose photo had it, as the bytes of a TIFF; null where there is none.
 * @param {Uint8Array} file a JPEG, PNG or WebP
 * @param {{width: number, height: number}} size of the upright picture
 */
export function keptExif(file, size) {
  try {
    const tiff = findTiff(file);
    return tiff && rewritten(tiff, size);
  } catch {
    return null; // what is damaged is left out, and the picture is still good
  }
}

/** Put EXIF into a JPEG, after its start. */
export function withExif(jpeg, tiff) {
  const length = 2 + 6 + tiff.length;
  const segment = new Uint8Array(4 + 6);
  segment.set([0xff, 0xe1, length >> 8, length & 255, 0x45, 0x78, 0x69, 0x66, 0, 0]);
  return new Blob([jpeg.subarray(0, 2), segment, tiff, jpeg.subarray(2)], { type: "image/jpeg" });
}

function findTiff(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const text = (at, length) => String.fromCharCode(...file.subarray(at, at + length));
  if (view.getUint16(0) === 0xffd8) {
    for (let at = 2; at + 4 <= file.length && file[at] === 0xff && file[at + 1] !== 0xda; ) {
      const length = view.getUint16(at + 2);
      if (file[at + 1] === 0xe1 && text(at + 4, 6) === "Exif\0\0") return file.slice(at + 10, at + 2 + length);
      at += 2 + length;
    }
  } else if (text(1, 3) === "PNG") {
    for (let at = 8; at + 12 <= file.length; ) {
      const length = view.getUint32(at);
      if (text(at + 4, 4) === "eXIf") return file.slice(at + 8, at + 8 + length);
      at += 12 + length;
    }
  } else if (text(0, 4) === "RIFF" && text(8, 4) === "WEBP") {
    for (let at = 12; at + 8 <= file.length; ) {
      const length = view.getUint32(at + 4, true);
      if (text(at, 4) === "EXIF") {
        const start = text(at + 8, 6) === "Exif\0\0" ? 6 : 0;
        return file.slice(at + 8 + start, at + 8 + length);
      }
      at += 8 + length + (length % 2);
    }
  }
  return null;
}

function rewritten(tiff, { width, height }) {
  const view = new DataView(tiff.buffer);
  const little = view.getUint16(0) === 0x4949;
  const main = entries(view, view.getUint32(4, little), little);
  const details = childEntries(view, main, EXIF_IFD, little).filter(({ tag }) => !DROPPED_DETAILS.has(tag));
  const location = childEntries(view, main, GPS_IFD, little);
  const sides = { [PIXEL_WIDTH]: width, [PIXEL_HEIGHT]: height };
  for (const entry of details) {
    if (entry.tag in sides) Object.assign(entry, { type: 4, count: 1, value: uint32(sides[entry.tag], little) });
    // The painting is sRGB, whatever the photo was.
    if (entry.tag === COLOR_SPACE) Object.assign(entry, { type: 3, count: 1, value: uint16(1, little) });
  }
  const kept = main.filter(({ tag }) => KEPT.has(tag));
  if (kept.length + details.length + location.length === 0) return null;
  const pointers = [];
  if (details.length) pointers.push({ tag: EXIF_IFD, type: 4, count: 1, child: details });
  if (location.length) pointers.push({ tag: GPS_IFD, type: 4, count: 1, child: location });
  const written = serialized([...kept, ...pointers], little);
  return written.length <= MOST_BYTES ? written : null;
}

function entries(view, start, little) {
  const found = [];
  const count = view.getUint16(start, little);
  for (let each = 0; each < count; each++) {
    const at = start + 2 + 12 * each;
    const [tag, type] = [view.getUint16(at, little), view.getUint16(at + 2, little)];
    const number = view.getUint32(at + 4, little);
    const length = (SIZES[type] ?? 0) * number;
    const from = length <= 4 ? at + 8 : view.getUint32(at + 8, little);
    if (length === 0 || from + length > view.byteLength) continue;
    found.push({ tag, type, count: number, value: new Uint8Array(view.buffer.slice(from, from + length)) });
  }
  return found;
}

function childEntries(view, main, tag, little) {
  const pointer = main.find((entry) => entry.tag === tag);
  if (!pointer) return [];
  try {
    return entries(view, new DataView(pointer.value.buffer).getUint32(0, little), little);
  } catch {
    return [];
  }
}

function serialized(main, little) {
  const bytes = [...(little ? [0x49, 0x49] : [0x4d, 0x4d]), ...uint16(42, little), ...uint32(8, little)];
  const put = (at, values) => values.forEach((value, each) => (bytes[at + each] = value));
  const writeIfd = (list) => {
    list.sort((one, other) => one.tag - other.tag);
    const start = bytes.length;
    put(start, uint16(list.length, little));
    put(start + 2, new Array(12 * list.length + 4).fill(0));
    list.forEach((entry, each) => {
      const at = start + 2 + 12 * each;
      put(at, [...uint16(entry.tag, little), ...uint16(entry.type, little), ...uint32(entry.count, little)]);
      if (!entry.child && entry.value.length <= 4) return put(at + 8, entry.value);
      if (bytes.length % 2) bytes.push(0);
      put(at + 8, uint32(bytes.length, little));
      if (entry.child) writeIfd(entry.child);
      else for (const value of entry.value) bytes.push(value);
    });
  };
  writeIfd(main);
  return Uint8Array.from(bytes);
}

function uint16(value, little) {
  const bytes = [value >> 8, value & 255];
  return Uint8Array.from(little ? bytes.reverse() : bytes);
}

function uint32(value, little) {
  const bytes = [value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255];
  return Uint8Array.from(little ? bytes.reverse() : bytes);
}
