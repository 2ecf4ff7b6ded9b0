// A ZIP archive of files that are compressed already: stored as they are, names in UTF-8.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 255];
  return ~crc >>> 0;
}

/** An archive that grows by one file at a time; the files themselves may stay on the visitor's disk. */
export class Zip {
  #parts = [];
  #directory = [];
  #size = 0;
  #names = new Set();

  /** Add a file; a name that is taken becomes "name (2).jpg". */
  async add(name, blob) {
    const unique = this.#unique(name);
    const bytes = new TextEncoder().encode(unique);
    const crc = crc32(new Uint8Array(await blob.arrayBuffer()));
    const flags = 0x0800; // the name is UTF-8
    const day = 0x21; // 1980-01-01, the first that the format knows
    // [bytes of the field, its value]: version, flags, no compression, time, day, checksum, sizes, lengths
    const fields = [[2, 20], [2, flags], [2, 0], [2, 0], [2, day], [4, crc], [4, blob.size], [4, blob.size]];
    fields.push([2, bytes.length], [2, 0]);
    const start = [[4, 0x02014b50], [2, 20]];
    const end = [[2, 0], [2, 0], [2, 0], [4, 0], [4, this.#size]];
    this.#directory.push(packed([...start, ...fields, ...end]), bytes);
    const header = packed([[4, 0x04034b50], ...fields]);
    this.#parts.push(header, bytes, blob);
    this.#size += header.length + bytes.length + blob.size;
  }

  /** The archive's file. */
  blob() {
    const length = this.#directory.reduce((sum, part) => sum + part.length, 0);
    const count = this.#directory.length / 2;
    const counts = [[2, count], [2, count], [4, length], [4, this.#size]];
    const end = packed([[4, 0x06054b50], [2, 0], [2, 0], ...counts, [2, 0]]);
    return new Blob([...this.#parts, ...this.#directory, end], { type: "application/zip" });
  }

  #unique(name) {
    const dot = name.lastIndexOf(".");
    let unique = name;
    for (let number = 2; this.#names.has(unique); number++) unique = `${name.slice(0, dot)} (${number})${name.slice(dot)}`;
    this.#names.add(unique);
    return unique;
  }
}

function packed(fields) {
  const bytes = [];
  for (const [size, value] of fields) {
    for (let each = 0; each < size; each++) bytes.push(Math.floor(value / 2 ** (8 * each)) % 256);
  }
  return Uint8Array.from(bytes);
}
