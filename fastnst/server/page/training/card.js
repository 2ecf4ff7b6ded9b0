// One training as the page shows it: the painting, the growing preview, numbers, losses, and what one may do.

import { text } from "../texts.js";
import { drawCurve } from "./curve.js";
import { showPreview } from "./preview.js";

const SURE_SECONDS = 4; // in which a second press deletes

const MARKUP = `
  <div class="training-facts">
    <figure class="training-painting"><img></figure>
    <div>
      <h2 class="training-title"></h2>
      <progress max="1" data-label="trained"></progress>
      <p class="training-words"></p>
      <p class="hint training-speed"></p>
      <figure class="curve" hidden>
        <svg role="img" preserveAspectRatio="none"></svg>
        <figcaption class="hint"></figcaption>
      </figure>
      <div class="buttons"></div>
    </div>
  </div>
  <div class="training-results">
    <ul class="previews"></ul>
    <p class="hint training-wait" data-text="previewSoon"></p>
  </div>`;

export class TrainingCard {
  #root;
  #trainings;
  #act;
  #name = null;
  #shownStep = null;
  #buttons = "";

  /**
   * @param {HTMLElement} root
   * @param {Trainings} trainings
   * @param {function(string, string)} act called with what the visitor wants ("cancel", "resume", "delete", "use")
   *     and the name
   * @param {function(HTMLElement)} fillTexts
   */
  constructor(root, trainings, act, fillTexts) {
    this.#root = root;
    this.#trainings = trainings;
    this.#act = act;
    root.innerHTML = MARKUP;
    fillTexts(root);
  }

  /** Show a training, with its curve; null hides the card. */
  async show(training) {
    this.#root.hidden = training === null;
    if (training === null) return;
    if (training.name !== this.#name) this.#begin(training);
    const { fraction, state, preview, curve = [] } = training;
    const progress = this.#$("progress");
    progress.hidden = state === "finished";
    // Without a value it shows that nobody knows how long it takes yet.
    if (fraction > 0 || state !== "running") progress.value = fraction;
    else progress.removeAttribute("value");
    this.#$(".training-words").textContent = wordsOf(training);
    this.#$(".training-words").classList.toggle("wrong", state === "failed");
    this.#$(".training-speed").textContent = speedOf(training);
    this.#$(".curve").hidden = curve.length < 2;
    this.#$(".curve figcaption").textContent = drawCurve(this.#$("svg"), curve);
    this.#showButtons(training);
    this.#$(".training-wait").hidden = preview !== null || state !== "running";
    if (preview !== null && preview.step !== this.#shownStep) await this.#showPreview(training);
  }

  #begin({ name }) {
    this.#name = name;
    this.#shownStep = null;
    this.#$(".training-title").textContent = name;
    const image = this.#$("img");
    image.src = this.#trainings.paintingAddress(name);
    image.alt = text("paintingOf", { name });
    this.#$(".previews").replaceChildren();
  }

  async #showPreview({ name, preview: { step, photos } }) {
    this.#shownStep = step;
    let picture;
    try {
      picture = await this.#trainings.preview(name);
    } catch {
      this.#shownStep = null; // it is tried again the next time
      return;
    }
    if (name !== this.#name) return;
    showPreview(this.#$(".previews"), picture, photos || 4);
  }

  #showButtons({ name, state }) {
    const wanted = `${name}/${state}`;
    if (wanted === this.#buttons) return; // a button that has the focus keeps it
    this.#buttons = wanted;
    this.#$(".buttons").replaceChildren(...buttonsOf(name, state, this.#act));
  }

  #$(selector) {
    return this.#root.querySelector(selector);
  }
}

/** What one may do with a training. */
export function buttonsOf(name, state, act) {
  const button = (key, what, className = "") => {
    const made = Object.assign(document.createElement("button"), { type: "button", className, textContent: text(key) });
    made.setAttribute("aria-label", text("buttonOf", { button: text(key), name }));
    made.addEventListener("click", () => act(what, name));
    return made;
  };
  if (state === "running") return [button("cancelTraining", "cancel")];
  const first = state === "finished" ? button("useStyle", "use", "primary") : button("resumeTraining", "resume", "primary");
  return [first, sureButton(name, () => act("delete", name))];
}

/** A button that deletes at the second press. */
function sureButton(name, onSure) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet" });
  const show = (key) => {
    button.textContent = text(key);
    button.setAttribute("aria-label", text("buttonOf", { button: text(key), name }));
  };
  let timer = null;
  show("deleteTraining");
  button.addEventListener("click", () => {
    if (timer !== null) return onSure();
    show("deleteSure");
    timer = setTimeout(() => {
      timer = null;
      show("deleteTraining");
    }, 1000 * SURE_SECONDS);
  });
  return button;
}

/** How a training is, in one sentence. */
export function wordsOf({ state, phase, text: said, fraction, seconds, seconds_left: left }) {
  if (state === "failed") return text("trainingFailed", { reason: said });
  if (state === "finished") return seconds ? text("trainingDone", { time: duration(seconds) }) : text("trainingDoneNow");
  if (state === "stopped") return text("trainingStopped", { percent: Math.floor(100 * fraction), reason: said ?? "" });
  if (said === "stopping") return text("trainingStopping");
  if (phase === "exporting") return text("exporting");
  if (phase === "starting" || left === null) return text("trainingStarts");
  return text("trainingRuns", { percent: Math.floor(100 * fraction), time: duration(left) });
}

function speedOf({ state, step, steps, image_size: size, images_per_second: speed }) {
  if (state !== "running" || !steps || speed === null) return "";
  const format = new Intl.NumberFormat("en");
  return text("speed", { step: format.format(step), steps: format.format(steps), size, speed: speed.toPrecision(2) });
}

/** A time as people say it. */
export function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return text("lessThanMinute");
  if (minutes < 60) return text(minutes === 1 ? "oneMinute" : "minutes", { minutes });
  return text("hours", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}
