// The picture at full size: one of its pixels for each of the screen's, moved by mouse, finger or arrow keys.

import { text } from "../texts.js";

const $ = (selector) => document.querySelector(selector);
const STEP = 0.15; // of the view, for each press of an arrow key
const NEAR = 26; // pixels around the divider in which it is taken hold of
const PINCH = 1.25; // how much two fingers move apart or together
const DOUBLE = 500; // milliseconds in which two clicks are one double click
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Zoom {
  #stage;
  #view = $("#pan");
  #button = $("#zoom");
  #onChange;
  #fingers = new Map();
  #grip = null; // "picture" or "divider", while the pointer holds one
  #pinched = null;
  #before = { time: -Infinity, share: 0.5 }; // the last single click, and where the divider was

  /**
   * @param {Stage} stage
   * @param {function(boolean)} onChange told whether the picture is at full size now
   */
  constructor(stage, onChange) {
    this.#stage = stage;
    this.#onChange = onChange;
    stage.onLayout = () => this.#show();
    this.#button.addEventListener("click", ({ detail }) => this.#toggle(null, detail === 0));
    const root = $("#stage");
    root.addEventListener("dblclick", (event) => {
      stage.divideAt(this.#before.share); // which the clicks have moved
      this.#toggle(event);
    });
    root.addEventListener("pointerdown", (event) => this.#touch(event), true);
    root.addEventListener("pointermove", (event) => this.#pinch(event), true);
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, (event) => this.#release(event));
    this.#view.addEventListener("pointerdown", (event) => this.#hold(event));
    this.#view.addEventListener("pointermove", (event) => this.#move(event));
    this.#view.addEventListener("keydown", (event) => this.#press(event));
    this.#show();
  }

  #toggle(at, isByKey = false) {
    if (this.#stage.isZoomed) this.#stage.zoomOut();
    else if (this.#stage.canZoom) this.#stage.zoomIn(at ? this.#stage.shareOf(at) : { x: 0.5, y: 0.5 });
    else return;
    this.#show();
    if (isByKey) (this.#stage.isZoomed ? this.#view : this.#button).focus();
    this.#onChange(this.#stage.isZoomed);
  }

  #show() {
    const { isZoomed, canZoom } = this.#stage;
    this.#view.hidden = !isZoomed;
    this.#button.disabled = !canZoom && !isZoomed;
    this.#button.textContent = text(isZoomed ? "zoomOut" : "zoomIn");
    this.#button.setAttribute("aria-pressed", String(isZoomed));
  }

  #touch(event) {
    this.#fingers.set(event.pointerId, event);
    if (event.timeStamp - this.#before.time > DOUBLE) this.#before = { time: event.timeStamp, share: this.#stage.share };
  }

  #hold(event) {
    this.#view.setPointerCapture(event.pointerId);
    this.#grip = Math.abs(event.clientX - this.#stage.dividerX) < NEAR ? "divider" : "picture";
  }

  #move(event) {
    if (this.#grip === "divider") this.#stage.divideAt(this.#stage.shareOf(event).x);
    else if (this.#grip === "picture" && this.#fingers.size < 2) {
      const last = this.#fingers.get(event.pointerId) ?? event;
      this.#stage.moveBy(last.clientX - event.clientX, last.clientY - event.clientY);
    }
    if (this.#grip) this.#fingers.set(event.pointerId, event);
  }

  #press(event) {
    if (event.key === "Escape") this.#toggle(null, true);
    const [x, y] = ARROWS[event.key] ?? [0, 0];
    if (!x && !y) return;
    event.preventDefault();
    const { width, height } = this.#view.getBoundingClientRect();
    this.#stage.moveBy(STEP * x * width, STEP * y * height);
  }

  #pinch(event) {
    if (this.#fingers.size !== 2 || !this.#fingers.has(event.pointerId)) return;
    const apart = () => {
      const [one, other] = [...this.#fingers.values()];
      return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    };
    this.#pinched ??= apart();
    this.#fingers.set(event.pointerId, event);
    const factor = apart() / this.#pinched;
    if (this.#stage.isZoomed ? factor < 1 / PINCH : factor > PINCH) {
      const [one, other] = [...this.#fingers.values()];
      this.#toggle({ clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 });
      this.#pinched = apart();
    }
  }

  #release({ pointerId }) {
    this.#fingers.delete(pointerId);
    this.#pinched = null;
    this.#grip = null;
  }
}
