// Painting in this browser, by ONNX Runtime Web in a worker.

import { Connection } from "../rpc.js";

const MANY_PIXELS = 3e6; // a worker that painted more is replaced: WebAssembly never gives memory back
const MOST_THREADS = 8;

/** Paints pictures in a worker, which is replaced after a failure, a cancellation, or a large picture. */
export class BrowserPainter {
  #files;
  #wants;
  #onReady;
  #worker = null;
  #opened = new Set();
  #hasRun = false;
  device = null;

  /**
   * @param {{worker: function(): Worker, runtime: object}} files a worker of worker.js, and for each device a
   *     function that returns a promise of the files of ONNX Runtime Web (see open.js)
   * @param {"auto" | "wasm" | "webgpu"} device webgpu takes an emulated GPU too, and nothing else
   * @param {function()} onReady called when a new worker has opened a style
   */
  constructor(files, device = "auto", onReady = () => {}) {
    this.#files = files;
    this.#wants = device;
    this.#onReady = onReady;
  }

  /**
   * Paint a picture.
   * @param {{key: string, model: function(): Promise<Uint8Array>}} style
   * @param {{rgb: Uint8Array, width: number, height: number}} picture of three bytes a pixel
   */
  async paint(style, picture) {
    const { rgb, milliseconds } = await this.#run(style, picture);
    const isFirst = !this.#hasRun; // a worker's first run also compiles
    this.#hasRun = true;
    if (picture.width * picture.height > MANY_PIXELS) this.end();
    return { rgb, milliseconds, isFirst };
  }

  /**
   * Measure a painting.
   * @param {function(): Promise<Uint8Array>} encoder encoder.onnx
   * @param {{rgb: Uint8Array, width: number, height: number}} picture of three bytes a pixel
   * @returns {Promise<{name: string, dims: number[], data: Float32Array}[]>} its statistics
   */
  measure(encoder, { rgb, width, height }) {
    return this.#attempt(async () => {
      const model = await encoder();
      return (await this.#started()).call("measure", [model, rgb, width, height]);
    });
  }

  #run(style, picture) {
    return this.#attempt(async () => {
      if (!this.#opened.has(style.key)) {
        const model = await style.model(); // which may need the worker itself
        await (await this.#started()).call("open", [style.key, model]);
        this.#opened.add(style.key);
        if (this.#opened.size === 1) this.#onReady();
      }
      return (await this.#started()).call("paint", [style.key, picture.rgb, picture.width, picture.height]);
    });
  }

  async #attempt(work) {
    const wanted = this.#wants;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (error.name === "AbortError") throw error;
        this.end();
        const hasFailedOnGpu = this.device === "webgpu";
        if (!hasFailedOnGpu || wanted === "webgpu") {
          this.#wants = wanted; // what fails without the GPU, too, is not the GPU's fault
          throw error;
        }
        this.#wants = "wasm"; // this picture and all later ones are painted without the GPU
      }
    }
  }

  async #started() {
    if (this.#worker) return this.#worker;
    const isGpu = this.#wants !== "wasm" && this.#files.runtime.webgpu && (await hasGpu(this.#wants === "webgpu"));
    this.device = isGpu ? "webgpu" : "wasm";
    const worker = new Connection(this.#files.worker());
    this.#worker = worker;
    const threads = self.crossOriginIsolated && !isIos() ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
    await worker.call("start", [await this.#files.runtime[this.device](), { isGpu, threads }]);
    return worker;
  }

  /** End the worker: a run inside WebAssembly cannot be stopped otherwise. */
  end() {
    this.#worker?.end();
    this.#worker = null;
    this.#opened.clear();
    this.#hasRun = false;
  }
}

/** Whether there is a GPU that paints; an emulated one is far slower than WebAssembly. */
async function hasGpu(orEmulated) {
  if (!("Suspending" in WebAssembly)) return false; // JSPI, which ONNX Runtime's build for GPUs needs
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter) && (orEmulated || !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter));
}

// Threads of WebAssembly hang there.
function isIos() {
  return (
    /iPad|iPhone|iPod/.test(navigator.userAgent) || (navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1)
  );
}
