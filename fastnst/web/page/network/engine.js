// Painting by a network: one picture at a time, the urgent ones first.

const FEW_PIXELS = 0.2e6;

/** Gives pictures to a painter, one at a time; browser.js paints in this browser, server.js on a server. */
export class Engine {
  #painter;
  #queue = [];
  #running = null;
  #speed = new Map(); // milliseconds per megapixel, by style

  /**
   * @param {{paint: function(object, object): Promise<{rgb: Uint8Array, milliseconds: number, isFirst?: boolean}>,
   *     end: function(), device: string?}} painter `end` has a running `paint` fail with an AbortError; `isFirst`
   *     says that the time is not what the next picture will take
   */
  constructor(painter) {
    this.#painter = painter;
  }

  /** What paints: "wasm", "webgpu" or "server"; null before the first picture. */
  get device() {
    return this.#painter.device;
  }

  /**
   * Paint a picture.
   * @param {{key: string, model: function(): Promise<Uint8Array>}} style
   * @param {{rgb: Uint8Array, width: number, height: number}} picture of three bytes a pixel
   * @param {{urgent?: boolean, signal?: AbortSignal, started?: function()}} how
   * @returns {Promise<{rgb: Uint8Array, width: number, height: number, milliseconds: number}>}
   */
  paint(style, picture, { urgent = false, signal, started = () => {} } = {}) {
    return new Promise((resolve, reject) => {
      const task = { style, picture, urgent, started, resolve, reject };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", () => this.#cancel(task, signal.reason), { once: true });
      const place = urgent ? this.#queue.findIndex((each) => !each.urgent) : -1;
      this.#queue.splice(place < 0 ? this.#queue.length : place, 0, task);
      this.#next();
    });
  }

  /** Measure a painting; called while the painter waits for a style's file, so that nothing else runs then. */
  measure(encoder, picture) {
    return this.#painter.measure(encoder, picture);
  }

  /** How many milliseconds a picture will take, by those that the style painted; undefined before. */
  estimate(key, pixels) {
    const speed = this.#speed.get(key);
    return speed && (speed * pixels) / 1e6;
  }

  #cancel(task, reason) {
    const place = this.#queue.indexOf(task);
    if (place >= 0) this.#queue.splice(place, 1);
    const { width, height } = task.picture;
    // A small one is soon over.
    if (task === this.#running && width * height > FEW_PIXELS) this.#painter.end();
    task.reject(reason);
  }

  async #next() {
    if (this.#running || this.#queue.length === 0) return;
    const task = (this.#running = this.#queue.shift());
    const { style, picture, resolve, reject, started } = task;
    try {
      started();
      const { rgb, milliseconds, isFirst } = await this.#painter.paint(style, picture);
      const { width, height } = picture;
      if (!isFirst) this.#speed.set(style.key, (1e6 * milliseconds) / (width * height));
      resolve({ rgb, width, height, milliseconds });
    } catch (error) {
      reject(error);
    } finally {
      if (this.#running === task) this.#running = null;
      this.#next();
    }
  }
}
