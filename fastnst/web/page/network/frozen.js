// A painting's statistics as constants of the painter of any painting: an ordinary style file, as fastnst freeze
// makes it. Only what changes is taken apart; field numbers are those of onnx.proto.

const MODEL = { graph: 7, metadata: 14 };
const GRAPH = { initializer: 5, input: 11 };
const TENSOR = { dims: 1, type: 2, name: 8, raw: 9 };
const FLOAT32 = 1;
const VARINT = 0;
const LENGTH_DELIMITED = 2;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Freeze a painting into a style file.
 * @param {Uint8Array} painter painter.onnx
 * @param {{name: string, dims: number[], data: Float32Array}[]} statistics what the encoder gives
 * @param {Object<string, string>} metadata entries beside those of the painter that are true of a style
 * @returns {Uint8Array}
 */
export function frozen(painter, statistics, metadata) {
  const names = new Set(statistics.map(({ name }) => name));
  const entries = new Map();
  const parts = [];
  let graph;
  for (const field of fields(painter)) {
    if (field.number === MODEL.graph) graph = field.payload;
    else if (field.number === MODEL.metadata) entries.set(...entryOf(field.payload));
    else parts.push(field.whole);
  }
  for (const key of entries.keys()) if (isOfThePainter(key)) entries.delete(key);
  for (const [key, value] of Object.entries(metadata)) entries.set(key, value);
  for (const [key, value] of entries) parts.push(message(MODEL.metadata, [text(1, key), text(2, value)]));
  const kept = [...fields(graph)].filter(({ number, payload }) => number !== GRAPH.input || !names.has(nameOf(payload)));
  const constants = statistics.map((value) => message(GRAPH.initializer, tensor(value)));
  parts.push(message(MODEL.graph, [...kept.map(({ whole }) => whole), ...constants]));
  return joined(parts);
}

const isOfThePainter = (key) => key === "fastnst.kind" || key === "network.painting_size" || key.startsWith("training.");

function tensor({ name, dims, data }) {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength); // ONNX is little-endian, as browsers are
  return [...dims.map((size) => number(TENSOR.dims, size)), number(TENSOR.type, FLOAT32), text(TENSOR.name, name), bytes(TENSOR.raw, raw)];
}

function* fields(data) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = data[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < data.length) {
    const start = at;
    const tag = varint();
    const [number, kind] = [Math.floor(tag / 8), tag & 7];
    if (kind === VARINT) varint();
    const length = kind === LENGTH_DELIMITED ? varint() : { 1: 8, 5: 4 }[kind] ?? 0;
    const payload = data.subarray(at, at + length);
    at += length;
    if (!(at <= data.length)) throw new Error("the painter of any painting is damaged");
    yield { number, payload, whole: data.subarray(start, at) };
  }
}

function entryOf(data) {
  const entry = ["", ""];
  for (const { number, payload } of fields(data)) entry[number - 1] = decoder.decode(payload);
  return entry;
}

function nameOf(value) {
  for (const { number, payload } of fields(value)) if (number === 1) return decoder.decode(payload);
  return "";
}

function varint(value) {
  const parts = [];
  for (; value > 127; value = Math.floor(value / 128)) parts.push((value % 128) + 128);
  return Uint8Array.from([...parts, value]);
}

const number = (field, value) => joined([varint(8 * field + VARINT), varint(value)]);
const bytes = (field, value) => joined([varint(8 * field + LENGTH_DELIMITED), varint(value.length), value]);
const text = (field, value) => bytes(field, encoder.encode(value));
const message = (field, parts) => bytes(field, joined(parts));

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
