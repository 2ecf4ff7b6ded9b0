// The page: its parts, made and joined.

import { address, bytes, site as readSite, worker } from "./assets.js";
import { takeFiles } from "./intake.js";
import { openEngine, paintingStyles, styleOfFile, stylesOf } from "./network/open.js";
import { keepOffline } from "./offline.js";
import { Connection } from "./rpc.js";
import { paintAll } from "./studio/batch.js";
import { Camera } from "./studio/camera.js";
import { Paintings } from "./studio/paintings.js";
import { Panel } from "./studio/panel.js";
import { save } from "./studio/save.js";
import { draw, Stage } from "./studio/stage.js";
import { Studio } from "./studio/studio.js";
import { card, StyleList } from "./studio/styles.js";
import { Zoom } from "./studio/zoom.js";
import { fillTexts, text } from "./texts.js";

const $ = (selector) => document.querySelector(selector);

fillTexts(document);
document.title = text("title");

let site;
try {
  site = await readSite();
} catch (error) {
  $("#welcome").hidden = false;
  $("#welcome-status").textContent = text("offline", { reason: error.message });
  throw error;
}

const styles = stylesOf(site);
const offline = site.server ? { keep() {} } : keepOffline();
if (site.server) {
  const others = { lead: "leadServer", private: "privateServer", dropHint: "dropHintServer" };
  for (const [key, other] of Object.entries(others)) {
    $(`[data-text=${key}]`).textContent = text(other, { host: location.host });
  }
}
const wanted = new URLSearchParams(location.search).get("device");
const engine = openEngine(site, {
  device: ["wasm", "webgpu"].includes(wanted) ? wanted : "auto",
  onLoading: (share) => tellLoading(share),
  onLoaded: (files) => offline.keep(files),
  onReady: () => isLoading && tell(""),
});
const pictures = new Connection(worker("pictures/worker.js"));
const stage = new Stage(() => studio.showAll());
const studio = new Studio({ engine, pictures, stage, styles });
const styleList = new StyleList((style) => studio.change({ style }));
for (const style of styles.values()) styleList.add(style);
const panel = new Panel({ studio, stage, styles, styleList, pictures });
const paintings =
  site.anyPainting &&
  new Paintings(
    { studio, styles, styleList, pictures },
    { size: site.anyPainting.size, makeStyle: paintingStyles(site, engine, (files) => offline.keep(files)) },
  );
document.body.classList.toggle("takes-paintings", paintings !== null);
for (const id of ["#choose-painting", "#add-painting", "#drop-painting"]) $(id).hidden = !paintings;
panel.show();
if (site.server) studio.mostWhole = site.server.mostPixels;

new Zoom(stage, (isZoomed) => tell(isZoomed ? text("zoomed") : ""));

// For tests, and for those who look into the page by its console.
globalThis.fastnst = { studio, stage, engine, pictures, styles };

// What happens to the studio is shown ------------------------------------------------------------------------------

let progressTimer;
let isLoading = false;

function tell(words, { isWrong = false, milliseconds } = {}) {
  const place = studio.current ? $("#status") : $("#welcome-status");
  place.textContent = words;
  isLoading = false;
  place.classList.toggle("wrong", isWrong);
  clearInterval(progressTimer);
  const progress = $("#progress");
  progress.hidden = true;
  if (!milliseconds || milliseconds < 1500) return;
  // The network tells nothing on its way: the bar follows the time that it is expected to take.
  const start = performance.now();
  progress.hidden = false;
  progressTimer = setInterval(() => {
    const share = (performance.now() - start) / milliseconds;
    progress.value = share < 0.8 ? share : 1 - 0.2 * Math.exp(-(share - 0.8) / 0.2);
  }, 100);
}

function tellLoading(share) {
  tell(share ? text("loadingSize", { percent: Math.floor(100 * share) }) : text("loading"));
  isLoading = true;
}

studio.addEventListener("status", ({ detail }) => tell(detail.text, detail));
studio.addEventListener("painting", () => {
  $("#cancel").hidden = !studio.isPainting && !batch;
  if (!studio.isPainting) $("#progress").hidden = true;
});
studio.addEventListener("thumbs", () => styleList.clear());
studio.addEventListener("thumb", ({ detail: { key, bitmap } }) => {
  styleList.show(key, bitmap);
  if (studio.isPainting && key === studio.controls.style) stage.showDraft(styleList.picture(key));
});
studio.addEventListener("draft", ({ detail: { key } }) => stage.showDraft(styleList.picture(key)));
studio.addEventListener("photos", showPhotos);
studio.addEventListener("style", ({ detail: { style } }) => {
  styleList.add(style);
  const key = !style.painting ? "styleAdded" : studio.current ? "paintingAdded" : "paintingFirst";
  tell(text(key, { name: style.title }));
});

function showPhotos() {
  const isEmpty = studio.photos.length === 0;
  if (isEmpty !== $("#studio").hidden) scrollTo(0, 0);
  $("#welcome").hidden = !isEmpty;
  $("#studio").hidden = isEmpty;
  document.body.classList.toggle("working", !isEmpty);
  const isSeveral = studio.photos.length > 1;
  $("#download-all").hidden = !isSeveral;
  $("#film").replaceChildren(...studio.photos.map(filmItem));
}

function filmItem(photo) {
  const item = document.createElement("li");
  const show = Object.assign(document.createElement("button"), { type: "button" });
  show.setAttribute("aria-label", text("showPhoto", { name: photo.name }));
  if (photo === studio.current) show.setAttribute("aria-current", "true");
  show.addEventListener("click", () => studio.select(photo));
  show.append(photo.icon ?? placeholder(photo));
  const remove = Object.assign(document.createElement("button"), { type: "button", className: "remove", textContent: "×" });
  remove.setAttribute("aria-label", text("removePhoto", { name: photo.name }));
  remove.addEventListener("click", () => studio.remove(photo));
  item.append(show, remove);
  return item;
}

function placeholder(photo) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
  photo.icon = canvas;
  createImageBitmap(photo.file, { resizeHeight: 96, resizeQuality: "medium" }).then((bitmap) => draw(canvas, bitmap), () => {});
  return canvas;
}

// What the visitor does --------------------------------------------------------------------------------------------

const firstStyle = site.styles[0].key;
const [example] = site.examples;
let training = null; // the view in which new styles are made

function sampleCard({ key, title, artist, sample }) {
  return card({ image: sample, alt: text("tryStyle", { name: title }), title, detail: artist }, () => openExample(example, key));
}

async function addPhotos(files, style) {
  if (files.length === 0) return tell(text("noPhotos"), { isWrong: true });
  if (studio.photos.length === 0) studio.begin(style ?? studio.controls.style ?? firstStyle);
  await studio.add(files);
}

async function takePhotos(photos, models) {
  if (training?.isOpen) return training.take(photos);
  if (photos.length || !models.length) await addPhotos(photos);
  for (const model of models) {
    const style = styleOfFile(model);
    if (styles.has(style.key)) tell(text("twoStyles", { name: style.key }), { isWrong: true });
    else await studio.addStyle(style);
  }
}

takeFiles(takePhotos, paintings && ((files) => (training?.isOpen ? training.take(files) : paintings.add(files))));

async function openExample({ file, name }, style) {
  try {
    const blob = new Blob([await bytes(file)], { type: "image/jpeg" });
    await addPhotos([new File([blob], `${name}.jpg`, { type: "image/jpeg" })], style);
  } catch (error) {
    tell(text("offline", { reason: error.message }), { isWrong: true });
  }
}

async function download() {
  const name = studio.resultName();
  try {
    save(await studio.result(), name);
    tell(text("saved", { name }));
  } catch (error) {
    studio.complain(error, { name });
  }
}

async function copy() {
  try {
    const picture = studio.result(studio.current, { type: "image/png" });
    await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
    tell(text("copied"));
  } catch {
    tell(text("copyFailed"), { isWrong: true });
  }
}

let batch = null;

async function downloadAll() {
  batch = new AbortController();
  $("#cancel").hidden = false;
  const name = `fastnst.${studio.styleName()}.zip`;
  const bar = $("#progress");
  try {
    const { blob, painted, failed } = await paintAll(studio, {
      signal: batch.signal,
      onPhoto(number, count) {
        tell(text("batch", { number: number + 1, count }));
        bar.hidden = false;
        bar.value = number / count;
      },
    });
    save(blob, name);
    tell(text(failed ? "batchSome" : "batchDone", { count: painted, failed, name }), { isWrong: failed > 0 });
  } catch (error) {
    studio.complain(error);
    if (error.name === "AbortError") tell(text("cancelled"));
  } finally {
    batch = null;
    $("#cancel").hidden = true;
    bar.hidden = true;
  }
}

$("#download").addEventListener("click", download);
$("#copy").addEventListener("click", copy);
$("#download-all").addEventListener("click", downloadAll);
$("#cancel").addEventListener("click", () => (batch ? batch.abort() : studio.cancel()));

addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || !studio.current || training?.isOpen) return;
  const key = event.key.toLowerCase();
  if (key === "z" || key === "y") {
    event.preventDefault();
    if (key === "y" || event.shiftKey) studio.redo();
    else studio.undo();
  } else if (key === "s") {
    event.preventDefault();
    download();
  }
});

// New styles, where the server trains them -------------------------------------------------------------------------

if (site.server?.trainings) {
  const { openTraining } = await import(address("training/tab.js"));
  const place = site.server.trainings;
  training = openTraining({ place, hasStyle: (key) => styles.has(key), onStyles: addNewStyles, onUse: useStyle });
}

async function addNewStyles() {
  const now = await readSite();
  for (const style of stylesOf(now).values()) {
    if (styles.has(style.key)) continue;
    await studio.addStyle(style, { isPicked: false });
    if (example) $("#samples").append(sampleCard(style));
  }
}

function useStyle(key) {
  if (studio.current) studio.change({ style: key });
  else if (example) openExample(example, key);
  else studio.begin(key);
}

// The first page ---------------------------------------------------------------------------------------------------

if (Camera.isThere) {
  const camera = new Camera({ engine, styles, onPhoto: (file, style) => addPhotos([file], style) });
  $("#use-camera").addEventListener("click", () => camera.open());
} else $("#use-camera").hidden = true;

if (example) {
  $("#example-part").hidden = false;
  $("#examples").append(
    ...site.examples.map((each) =>
      card({ image: each.file, alt: text("example", { name: each.title }), detail: each.title }, () => openExample(each)),
    ),
  );
  $("#samples").append(...site.styles.map(sampleCard));
  if (site.hero) {
    $("#hero img").src = address(site.hero);
    $("#hero img").alt = text("hero", { photo: example.title });
    $("#hero").hidden = false;
  }
}
$("#about").textContent = site.runtime ? text("footer", { version: site.runtime.version }) : text("footerServer");
for (const file of site.licences) {
  const name = file.split("/").pop().replace(".txt", "");
  const link = Object.assign(document.createElement("a"), { href: address(file), textContent: name });
  $("#about").append(" ", link);
}
$("#welcome").hidden = false;
