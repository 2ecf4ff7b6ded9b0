// The worker that holds ONNX Runtime and its sessions. It paints one picture at a time.

import { expose } from "../rpc.js";

const PROBE = { width: 40, height: 32 };
const MOST_APART = 6; // levels that WebGPU's arithmetic may differ from the CPU's on the probe

let ort;
let isGpu;
let isTrusted = false;
const sessions = new Map();

expose({
  /** Load ONNX Runtime: its module (an address or a blob), the address of its mjs, and the bytes of its wasm. */
  async start(files, how) {
    isGpu = how.isGpu;
    ort = await import(files.module instanceof Blob ? URL.createObjectURL(files.module) : files.module);
    ort.env.wasm.numThreads = how.threads;
    ort.env.logLevel = "error";
    if (files.mjs) ort.env.wasm.wasmPaths = { mjs: files.mjs };
    ort.env.wasm.wasmBinary = files.bytes;
  },

  /** Open a style file, once. */
  async open(key, model) {
    if (sessions.has(key)) return;
    const session = await ort.InferenceSession.create(model, options(isGpu));
    const [image, stylized] = [session.inputNames[0], session.outputNames[0]];
    if (image !== "image" || stylized !== "stylized") throw new Error("no style file of fastnst");
    if (isGpu && !isTrusted) {
      await compareWithCpu(session, model);
      isTrusted = true;
    }
    sessions.set(key, session);
  },

  /** Measure a painting by the encoder's file: once for each painting, so that the CPU does. */
  async measure(model, rgb, width, height) {
    const session = await ort.InferenceSession.create(model, cpu);
    const outputs = await session.run({ painting: new ort.Tensor("uint8", rgb, [1, height, width, 3]) });
    await session.release();
    return Object.entries(outputs).map(([name, { dims, data }]) => ({ name, dims: [...dims], data: data.slice() }));
  },

  /** Paint pixels of three bytes; returns the same, and the milliseconds that it took. */
  async paint(key, rgb, width, height) {
    const start = performance.now();
    const painted = await run(sessions.get(key), rgb, width, height);
    return { value: { rgb: painted, milliseconds: performance.now() - start }, transfer: [painted.buffer] };
  },
});

// Without its arena, the CPU's memory is free for the next picture of another size, and no picture is slower.
const cpu = { executionProviders: ["wasm"], enableCpuMemArena: false, enableMemPattern: false };

// In this layout the graph needs 2 transpositions in place of 22.
const webGpu = { ...cpu, executionProviders: [{ name: "webgpu", preferredLayout: "NCHW" }] };

function options(gpu) {
  return gpu ? webGpu : cpu;
}

async function run(session, rgb, width, height) {
  const image = new ort.Tensor("uint8", rgb, [1, height, width, 3]);
  const { stylized } = await session.run({ image });
  const painted = new Uint8Array(await stylized.getData()).slice();
  stylized.dispose();
  return painted;
}

/** Drivers exist that compute something else without an error. */
async function compareWithCpu(session, model) {
  const { width, height } = PROBE;
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, at) => {
    const [x, y, channel] = [Math.floor(at / 3) % width, Math.floor(at / 3 / width), at % 3];
    return 128 + 90 * Math.sin(x / (3 + channel)) * Math.cos(y / (5 - channel));
  });
  const reference = await ort.InferenceSession.create(model, options(false));
  const expected = await run(reference, rgb, width, height);
  const found = await run(session, rgb, width, height);
  await reference.release();
  if (found.some((value, at) => Math.abs(value - expected[at]) > MOST_APART)) throw new Error("WebGPU miscalculates");
}
