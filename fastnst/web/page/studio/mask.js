// The mask that the visitor draws: white is painted. With a pointer, or with the arrow keys and Space.

const LONGER_SIDE = 1024;
let versions = 0;

export class MaskEditor {
  #view = document.querySelector("#mask-canvas");
  #pen = document.querySelector("#pen");
  #mask = null;
  #cursor = null;
  #last = null;
  #isDrawing = false;
  #onChange;

  /** @param {function(mask)} onChange called after each stroke */
  constructor(onChange) {
    this.#onChange = onChange;
    const view = this.#view;
    view.addEventListener("pointerdown", (event) => {
      view.setPointerCapture(event.pointerId);
      this.#isDrawing = true;
      this.#last = null;
      this.#moveTo(event);
    });
    view.addEventListener("pointermove", (event) => {
      const moves = event.getCoalescedEvents?.() ?? [];
      for (const each of moves.length ? moves : [event]) this.#moveTo(each);
    });
    for (const end of ["pointerup", "pointercancel"]) view.addEventListener(end, () => this.#finish());
    view.addEventListener("pointerleave", () => {
      if (!this.#isDrawing) this.#cursor = null;
      this.#paint();
    });
    view.addEventListener("keydown", (event) => this.#key(event));
    view.addEventListener("focus", () => this.#paint());
    view.addEventListener("blur", () => this.#paint());
    this.#pen.addEventListener("input", () => this.#paint());
  }

  /** Begin to edit a mask of a photo, or an empty one. */
  open(mask, { width, height }) {
    const scale = Math.min(1, LONGER_SIDE / Math.max(width, height));
    const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
    this.#mask = mask ?? { values: new Uint8Array(size.width * size.height), ...size, version: versions++ };
    Object.assign(this.#view, { width: this.#mask.width, height: this.#mask.height });
    this.#cursor = null;
    this.#paint();
    return this.#mask;
  }

  invert() {
    this.#replace(this.#mask.values.map((value) => 255 - value));
  }

  clear() {
    this.#replace(new Uint8Array(this.#mask.values.length));
  }

  get #radius() {
    return (Number(this.#pen.value) / 200) * Math.max(this.#mask.width, this.#mask.height);
  }

  get #value() {
    return document.querySelector("[name=pen]:checked").value === "draw" ? 255 : 0;
  }

  #replace(values) {
    this.#mask = { ...this.#mask, values, version: versions++ };
    this.#paint();
    this.#onChange(this.#mask);
  }

  #moveTo({ clientX, clientY }) {
    const box = this.#view.getBoundingClientRect();
    this.#cursor = {
      x: ((clientX - box.left) / box.width) * this.#mask.width,
      y: ((clientY - box.top) / box.height) * this.#mask.height,
    };
    if (this.#isDrawing) this.#drawTo(this.#cursor);
    this.#paint();
  }

  #key(event) {
    const { width, height } = this.#mask;
    const step = Math.max(width, height) / (event.shiftKey ? 16 : 64);
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    this.#cursor ??= { x: width / 2, y: height / 2 };
    if (event.key in moves) {
      const [x, y] = moves[event.key];
      this.#cursor.x = Math.min(width, Math.max(0, this.#cursor.x + x * step));
      this.#cursor.y = Math.min(height, Math.max(0, this.#cursor.y + y * step));
    } else if (event.key === " ") {
      this.#last = null;
      this.#drawTo(this.#cursor);
      this.#finish(true);
    } else return;
    event.preventDefault();
    this.#paint();
  }

  /** Draw from the last place to this one: soft dots, close to each other. */
  #drawTo({ x, y }) {
    if (!this.#last) this.#copy();
    const from = this.#last ?? { x, y };
    const dots = Math.max(1, Math.ceil(Math.hypot(x - from.x, y - from.y) / (this.#radius / 4)));
    for (let dot = 1; dot <= dots; dot++) {
      this.#dot(from.x + ((x - from.x) * dot) / dots, from.y + ((y - from.y) * dot) / dots);
    }
    this.#last = { x, y };
  }

  // What was kept for undo stays as it is.
  #copy() {
    this.#mask = { ...this.#mask, values: this.#mask.values.slice(), version: versions++ };
  }

  #dot(x, y) {
    const { values, width, height } = this.#mask;
    const radius = this.#radius;
    const target = this.#value;
    for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(height, y + radius); row++) {
      for (let column = Math.max(0, Math.floor(x - radius)); column < Math.min(width, x + radius); column++) {
        const distance = Math.hypot(column + 0.5 - x, row + 0.5 - y) / radius;
        const share = Math.min(1, Math.max(0, (1 - distance) / 0.3)); // the last third is soft
        const at = row * width + column;
        const value = target ? Math.max(values[at], 255 * share) : Math.min(values[at], 255 * (1 - share));
        values[at] = Math.round(value);
      }
    }
  }

  #finish(force = false) {
    if (!this.#isDrawing && !force) return;
    this.#isDrawing = false;
    this.#last = null;
    this.#mask = { ...this.#mask, version: versions++ };
    this.#paint();
    this.#onChange(this.#mask);
  }

  /** Show the stroke in hand, and the pen. */
  #paint() {
    if (!this.#mask) return;
    const { values, width, height } = this.#mask;
    const context = this.#view.getContext("2d");
    context.clearRect(0, 0, width, height);
    if (this.#isDrawing) {
      const image = context.createImageData(width, height);
      for (let pixel = 0; pixel < values.length; pixel++) {
        image.data.set([240, 100, 140, values[pixel] * 0.45], 4 * pixel);
      }
      context.putImageData(image, 0, 0);
    }
    const isFocused = document.activeElement === this.#view && this.#view.matches(":focus-visible");
    const cursor = this.#cursor ?? (isFocused ? { x: width / 2, y: height / 2 } : null);
    if (!cursor) return;
    for (const [style, thickness] of [["#000a", 4], ["#fff", 2]]) {
      context.beginPath();
      context.arc(cursor.x, cursor.y, this.#radius, 0, 7);
      context.strokeStyle = style;
      context.lineWidth = (thickness * width) / Math.max(1, this.#view.clientWidth);
      context.stroke();
    }
  }
}

/** A mask from a file's bytes. */
export function maskOf({ values, width, height }) {
  return { values, width, height, version: versions++ };
}
