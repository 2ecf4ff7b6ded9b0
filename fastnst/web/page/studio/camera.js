// The camera, painted live: one frame is in the network at a time, and its size adapts to the device.

import { text } from "../texts.js";
import { save } from "./save.js";

const $ = (selector) => document.querySelector(selector);
const FIRST_SIDE = 320;
const SIDES = [96, 640];
const WANTED_RATE = 12; // frames a second, between smooth and sharp

export class Camera {
  #engine;
  #styles;
  #onPhoto;
  #dialog = $("#camera");
  #canvas = $("#camera-picture");
  #video = document.createElement("video");
  #stream = null;
  #recorder = null;
  #side = FIRST_SIDE;

  /** @param {function(File)} onPhoto called with a photo that the visitor takes */
  constructor({ engine, styles, onPhoto }) {
    this.#engine = engine;
    this.#styles = styles;
    this.#onPhoto = onPhoto;
    Object.assign(this.#video, { muted: true, playsInline: true });
    $("#camera-close").addEventListener("click", () => this.#dialog.close());
    $("#camera-take").addEventListener("click", () => this.#take());
    $("#camera-record").addEventListener("click", () => this.#record());
    this.#dialog.addEventListener("close", () => this.#stop());
  }

  /** Whether the browser has a camera's interface; it needs HTTPS or localhost. */
  static get isThere() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  /** Open the camera in a style; by default in the smallest one. */
  async open(style) {
    const options = [...this.#styles.values()].map(({ key, title }) => new Option(title, key));
    $("#camera-style").replaceChildren(...options);
    const smallest = [...this.#styles.values()].reduce((one, other) => (other.bytes < one.bytes ? other : one));
    $("#camera-style").value = style ?? smallest.key;
    $("#camera-status").textContent = text("loading");
    this.#dialog.showModal();
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" }, audio: false });
    } catch (error) {
      $("#camera-status").textContent = text("cameraDenied", { reason: error.message });
      return;
    }
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    this.#run();
  }

  async #run() {
    let rate = 0;
    let shown = 0;
    const stream = this.#stream;
    while (this.#stream === stream) {
      const start = performance.now();
      const style = this.#styles.get($("#camera-style").value);
      const picture = this.#frame();
      try {
        const { rgb, width, height } = await this.#engine.paint(style, picture, { urgent: true });
        if (this.#stream !== stream) return;
        this.#show(rgb, width, height);
      } catch (error) {
        $("#camera-status").textContent = text("failed", { reason: error.message });
        return;
      }
      await new Promise(requestAnimationFrame);
      const seconds = (performance.now() - start) / 1000;
      // The first frame of a style also loads it.
      if (shown++ > 0) rate = rate ? 0.8 * rate + 0.2 / seconds : 1 / seconds;
      if (shown % (rate < 6 ? 3 : 8) === 0) this.#adapt(rate);
      if (shown % 4 === 0) {
        const { width, height } = this.#canvas;
        $("#camera-status").textContent = text("cameraSpeed", { rate: rate.toFixed(rate < 10 ? 1 : 0), width, height });
      }
    }
  }

  #frame() {
    const { videoWidth, videoHeight } = this.#video;
    const scale = this.#side / Math.max(videoWidth, videoHeight);
    const [width, height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(this.#video, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const rgb = new Uint8Array(3 * width * height);
    for (let from = 0, at = 0; at < rgb.length; from += 4) {
      rgb[at++] = data[from];
      rgb[at++] = data[from + 1];
      rgb[at++] = data[from + 2];
    }
    return { rgb, width, height };
  }

  #show(rgb, width, height) {
    const data = new Uint8ClampedArray(4 * width * height).fill(255);
    for (let from = 0, at = 0; from < rgb.length; at += 4) {
      data[at] = rgb[from++];
      data[at + 1] = rgb[from++];
      data[at + 2] = rgb[from++];
    }
    // A recording would break off if its size changed.
    if (this.#canvas.width !== width && !this.#recorder) Object.assign(this.#canvas, { width, height });
    const bitmap = new OffscreenCanvas(width, height);
    bitmap.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
    this.#canvas.getContext("2d").drawImage(bitmap, 0, 0, this.#canvas.width, this.#canvas.height);
  }

  #adapt(rate) {
    const wanted = this.#side * Math.sqrt(rate / WANTED_RATE);
    const side = 0.5 * this.#side + 0.5 * wanted;
    this.#side = Math.round(Math.min(SIDES[1], Math.max(SIDES[0], side)) / 16) * 16;
  }

  async #take() {
    if (!this.#stream) return;
    const { videoWidth: width, videoHeight: height } = this.#video;
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").drawImage(this.#video, 0, 0);
    const blob = await canvas.convertToBlob({ type: "image/png" });
    const style = $("#camera-style").value;
    this.#dialog.close();
    this.#onPhoto(new File([blob], "camera.png", { type: "image/png" }), style);
  }

  #record() {
    if (this.#recorder) {
      this.#recorder.stop();
      return;
    }
    if (!this.#stream) return;
    const recorder = new MediaRecorder(this.#canvas.captureStream());
    const parts = [];
    const style = $("#camera-style").value;
    recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
    recorder.addEventListener("stop", () => {
      this.#setRecorder(null);
      const type = recorder.mimeType.split(";")[0];
      save(new Blob(parts, { type }), `camera.${style}.${type.endsWith("mp4") ? "mp4" : "webm"}`);
    });
    this.#setRecorder(recorder);
    recorder.start(1000);
  }

  #setRecorder(recorder) {
    this.#recorder = recorder;
    $("#camera-record").textContent = text(recorder ? "cameraStop" : "cameraRecord");
    $("#camera-record").setAttribute("aria-pressed", String(recorder !== null));
  }

  #stop() {
    this.#recorder?.stop();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
  }
}
