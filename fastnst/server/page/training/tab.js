// The view in which a visitor makes a new style of a painting: only where the server trains.

import { address } from "../assets.js";
import { fillTexts, text } from "../texts.js";
import { buttonsOf, duration, TrainingCard, wordsOf } from "./card.js";
import { Trainings } from "./client.js";
import "./texts.js";

const HASH = "#new-style";
const SECONDS = { running: 1, unseen: 5 }; // between two looks at the trainings

const QUALITIES = { quick: "qualityQuick", good: "qualityGood" };

const NAV = `
  <button type="button" data-view="paint" data-text="viewPaint"></button>
  <button type="button" data-view="train"><span data-text="viewTrain"></span><span class="share"></span></button>`;

const SECTION = `
  <h1 data-text="newStyle"></h1>
  <p class="lead" data-text="newStyleLead"></p>
  <p class="notice" id="training-missing"></p>
  <article id="training-now" hidden></article>
  <form id="train">
    <button type="button" id="painting-to-learn"><img alt="" hidden><span data-text="paintingToLearn"></span></button>
    <div class="train-fields">
      <label class="field"><span data-text="styleName"></span>
        <input id="style-name" maxlength="60" autocomplete="off" spellcheck="false" required></label>
      <fieldset><legend data-text="howThorough"></legend><div id="qualities"></div></fieldset>
      <button type="submit" class="primary" data-text="startTraining"></button>
    </div>
  </form>
  <p id="training-status" role="status"></p>
  <div id="trainings-other" hidden>
    <h2 data-text="otherTrainings"></h2>
    <ul></ul>
  </div>
  <input type="file" id="painting-files" accept="image/*,.heic,.heif" hidden>`;

/**
 * Add the view to the page.
 * @param {{place: string, hasStyle: function(string): boolean, onStyles: function(): Promise, onUse: function(string)}}
 *     parts the API's address; whether there is a style of a name; what adds styles that are new on the server; what
 *     paints with a style
 */
export function openTraining({ place, hasStyle, onStyles, onUse }) {
  return new TrainingView({ place, hasStyle, onStyles, onUse });
}

class TrainingView {
  #trainings;
  #hasStyle;
  #onStyles;
  #onUse;
  #nav = Object.assign(document.createElement("nav"), { className: "views", innerHTML: NAV });
  #section = Object.assign(document.createElement("section"), { id: "new-style", innerHTML: SECTION, hidden: true });
  #card;
  #painting = null;
  #shown = null; // the name of the training on the card
  #seen = new Map(); // states by name
  #timer;

  constructor({ place, hasStyle, onStyles, onUse }) {
    this.#trainings = new Trainings(address(place));
    this.#hasStyle = hasStyle;
    this.#onStyles = onStyles;
    this.#onUse = onUse;
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: address("training/training.css") });
    document.head.append(sheet);
    fillTexts(this.#nav);
    fillTexts(this.#section);
    this.#nav.setAttribute("aria-label", text("views"));
    document.querySelector(".mark").after(this.#nav);
    document.querySelector("main").append(this.#section);
    this.#card = new TrainingCard(this.#$("#training-now"), this.#trainings, (...wish) => this.#act(...wish), fillTexts);
    this.#listen();
    this.#show(location.hash === HASH);
    this.#look();
  }

  /** Whether the visitor is here, so that what is dropped is a painting. */
  get isOpen() {
    return !this.#section.hidden;
  }

  /** Take the painting that a visitor gives. */
  take(files) {
    if (files.length === 0) return this.#say(text("noPainting"), true);
    if (files.length > 1) return this.#say(text("onePainting"), true);
    if (this.#$("#train").hidden) return this.#say(text("oneAtATime"), true);
    [this.#painting] = files;
    const image = this.#$("#painting-to-learn img");
    if (image.src) URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(this.#painting);
    image.hidden = false;
    image.onerror = () => (image.hidden = true); // a format that the server reads and the browser does not
    this.#$("#painting-to-learn span").textContent = this.#painting.name;
    this.#$("#style-name").value = suggested(this.#painting.name, (name) => this.#seen.has(name) || this.#hasStyle(name));
    this.#say("");
  }

  #forgetPainting() {
    this.#painting = null;
    this.#$("#painting-to-learn img").hidden = true;
    this.#$("#painting-to-learn span").textContent = text("paintingToLearn");
    this.#$("#style-name").value = "";
  }

  #listen() {
    for (const button of this.#nav.children) {
      button.addEventListener("click", () => this.#show(button.dataset.view === "train"));
    }
    addEventListener("hashchange", () => this.#show(location.hash === HASH));
    const input = this.#$("#painting-files");
    this.#$("#painting-to-learn").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      if (files.length) this.take(files);
    });
    this.#$("#train").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    document.addEventListener("visibilitychange", () => document.hidden || this.#look());
  }

  #show(isOpen) {
    this.#section.hidden = !isOpen;
    document.body.classList.toggle("training", isOpen);
    for (const button of this.#nav.children) {
      const isCurrent = (button.dataset.view === "train") === isOpen;
      if (isCurrent) button.setAttribute("aria-current", "page");
      else button.removeAttribute("aria-current");
    }
    if ((location.hash === HASH) !== isOpen) history.replaceState(null, "", isOpen ? HASH : location.pathname + location.search);
    scrollTo(0, 0);
    if (isOpen) this.#look();
  }

  /** Look at the trainings, show them, and look again later. */
  async #look() {
    clearTimeout(this.#timer);
    let isRunning = false;
    try {
      isRunning = await this.#showAll(await this.#trainings.overview());
    } catch (error) {
      if (this.isOpen) this.#say(text("trainingsUnknown", { reason: error.message }), true);
    }
    clearTimeout(this.#timer); // of another look meanwhile
    if (isRunning || this.isOpen) {
      const seconds = isRunning && !document.hidden ? SECONDS.running : SECONDS.unseen;
      this.#timer = setTimeout(() => this.#look(), 1000 * seconds);
    }
  }

  async #showAll({ missing, qualities, trainings }) {
    this.#$("#training-missing").textContent = missing ?? "";
    this.#showQualities(qualities);
    const running = trainings.find(({ state }) => state === "running");
    this.#$("#train").hidden = missing !== null || running !== undefined;
    this.#nav.querySelector(".share").textContent = running ? ` ${Math.floor(100 * running.fraction)} %` : "";
    if (running) this.#shown = running.name;
    const shown = trainings.find(({ name }) => name === this.#shown);
    await this.#card.show(shown ? await this.#trainings.get(shown.name) : null);
    this.#showOthers(trainings.filter((each) => each !== shown));
    await this.#tellChanges(trainings);
    return running !== undefined;
  }

  async #tellChanges(trainings) {
    const before = this.#seen;
    this.#seen = new Map(trainings.map(({ name, state }) => [name, state]));
    for (const training of trainings) {
      const { name, state } = training;
      if (before.get(name) !== "running" || state === "running") continue;
      this.#say(text("trainingEnded", { name, words: wordsOf(training) }), state === "failed");
      if (state === "finished") await this.#onStyles();
    }
  }

  #showQualities(qualities) {
    const list = this.#$("#qualities");
    if (list.children.length === 0) {
      list.append(
        ...qualities.map(({ name }, number) => {
          const label = Object.assign(document.createElement("label"), { className: "quality" });
          const input = Object.assign(document.createElement("input"), { type: "radio", name: "quality", value: name, checked: number === 0 });
          const title = Object.assign(document.createElement("b"), { textContent: text(QUALITIES[name]) });
          label.append(input, title, document.createElement("small"));
          return label;
        }),
      );
    }
    qualities.forEach(({ minutes, is_measured: isMeasured }, number) => {
      const key = minutes === null ? "timeUnknown" : isMeasured ? "timeMeasured" : "timeGuessed";
      list.children[number].querySelector("small").textContent = text(key, { time: duration(60 * minutes) });
    });
  }

  #showOthers(trainings) {
    this.#$("#trainings-other").hidden = trainings.length === 0;
    const list = this.#$("#trainings-other ul");
    const items = new Map([...list.children].map((item) => [item.dataset.key, item]));
    const wanted = trainings.map((training) => {
      const key = `${training.name}/${training.state}`;
      return items.get(key) ?? this.#otherItem(key, training);
    });
    const isSame = wanted.length === list.children.length && wanted.every((item, each) => item === list.children[each]);
    if (!isSame) list.replaceChildren(...wanted);
  }

  #otherItem(key, training) {
    const item = document.createElement("li");
    item.dataset.key = key;
    const image = Object.assign(document.createElement("img"), { src: this.#trainings.paintingAddress(training.name), alt: "" });
    const words = document.createElement("p");
    words.append(
      Object.assign(document.createElement("b"), { textContent: training.name }),
      Object.assign(document.createElement("small"), { textContent: wordsOf(training) }),
    );
    const buttons = Object.assign(document.createElement("div"), { className: "buttons" });
    buttons.append(...buttonsOf(training.name, training.state, (...wish) => this.#act(...wish)));
    item.append(image, words, buttons);
    return item;
  }

  async #start() {
    if (this.#painting === null) return this.#say(text("noPainting"), true);
    const quality = this.#section.querySelector("[name=quality]:checked").value;
    await this.#try(async () => {
      this.#say(text("sending"));
      const { name } = await this.#trainings.start(this.#painting, this.#$("#style-name").value.trim(), quality);
      this.#shown = name;
      this.#seen.set(name, "running"); // it may end before the next look
      this.#say(text("begun", { name }));
      this.#forgetPainting();
    });
  }

  async #act(what, name) {
    if (what === "use") {
      this.#show(false);
      await this.#onStyles();
      return this.#onUse(name);
    }
    await this.#try(async () => {
      if (what !== "delete") this.#shown = name;
      this.#say(text("asked"));
      await this.#trainings[what](name);
      if (what === "resume") this.#seen.set(name, "running");
      this.#say(what === "resume" ? text("goesOn", { name }) : "");
    });
  }

  async #try(ask) {
    try {
      await ask();
    } catch (error) {
      this.#say(error.message, true);
    }
    await this.#look();
  }

  #say(words, isWrong = false) {
    const status = this.#$("#training-status");
    status.textContent = words;
    status.classList.toggle("wrong", isWrong);
  }

  #$(selector) {
    return this.#section.querySelector(selector);
  }
}

/** A style's name for a painting's file: what is plain of it, with a number if it is taken. */
function suggested(file, isTaken) {
  const stem = file.replace(/\.[^.]*$/, "").normalize("NFC").toLowerCase();
  const plain = stem.replace(/[^\p{L}\p{N}\p{M}-]+/gu, "_").replace(/^[_-]+|_+$/g, "").slice(0, 50);
  let name = plain;
  for (let number = 2; isTaken(name); number++) name = `${plain}_${number}`;
  return name;
}
