// The controls beside the picture: what they show is the studio's state, what they change is the studio's.

import { text } from "../texts.js";
import { maskOf, MaskEditor } from "./mask.js";

const $ = (selector) => document.querySelector(selector);

export class Panel {
  #studio;
  #stage;
  #styles;
  #pictures;
  #masks;
  #isMasking = false;

  constructor({ studio, stage, styles, styleList, pictures }) {
    this.#studio = studio;
    this.#stage = stage;
    this.#styles = styles;
    this.#pictures = pictures;
    this.#masks = new MaskEditor((mask) => studio.change({ mask }));
    this.styleList = styleList;
    this.#slider("strength", (value) => ({ strength: value }));
    this.#slider("share", (value) => ({ share: value }));
    this.#slider("brush", (value) => ({ brush: studio.brushes()[value] }), "change");
    $("#brush").addEventListener("input", () => this.#showBrush(studio.brushes()[$("#brush").value]));
    $("#keep-colours").addEventListener("change", ({ target }) => studio.change({ keepColours: target.checked }));
    $("#blend").addEventListener("change", ({ target }) => studio.change({ blend: target.value || null }));
    $("#use-mask").addEventListener("change", ({ target }) => this.#useMask(target.checked));
    $("#mask-invert").addEventListener("click", () => this.#masks.invert());
    $("#mask-clear").addEventListener("click", () => this.#masks.clear());
    $("#mask-file").addEventListener("click", () => $("#mask-files").click());
    $("#mask-files").addEventListener("change", ({ target }) => this.#readMask(target));
    $("#pen").addEventListener("input", () => this.#showPen());
    $("#undo").addEventListener("click", () => studio.undo());
    $("#redo").addEventListener("click", () => studio.redo());
    $("#panel").addEventListener("submit", (event) => event.preventDefault());
    studio.addEventListener("controls", () => this.show());
    this.#showPen();
  }

  /** Show the studio's state. */
  show() {
    const { controls, current, history } = this.#studio;
    const { style, blend, share, strength, keepColours, brush } = controls;
    this.styleList.pick(style);
    $("#strength").value = strength;
    $("#strength-value").textContent = text("strengthValue", { percent: Math.round(100 * strength) });
    $("#keep-colours").checked = keepColours;
    this.#showBlend(style, blend);
    $("#share-part").hidden = blend === null;
    $("#share").value = share;
    $("#share-value").textContent = text("strengthValue", { percent: Math.round(100 * share) });
    if (blend !== null) $("#share-name").textContent = text("share", { name: this.#styles.get(blend).title });
    $("#undo").disabled = !history.canUndo;
    $("#redo").disabled = !history.canRedo;
    const hasResult = style !== null && current !== null;
    for (const id of ["#download", "#copy", "#download-all"]) $(id).disabled = !hasResult;
    if (!current) return;
    const brushes = this.#studio.brushes();
    $("#brush").max = brushes.length - 1;
    $("#brush").value = brushes.indexOf(brush);
    $("#brush").disabled = brushes.length === 1;
    this.#showBrush(brush);
    this.#showMask(current);
  }

  #slider(id, changes, event = "input") {
    const input = $(`#${id}`);
    const change = (isFinal) => this.#studio.change(changes(Number(input.value)), isFinal);
    if (event === "input") input.addEventListener("input", () => change(false));
    input.addEventListener("change", () => change(true));
  }

  #showBrush(brush) {
    const words = brush === null ? text("brushOwn") : text("brushAt", { size: brush });
    $("#brush-value").textContent = words;
    $("#brush").setAttribute("aria-valuetext", words);
  }

  #showPen() {
    $("#pen-value").textContent = text("strengthValue", { percent: $("#pen").value });
  }

  #showBlend(style, blend) {
    const select = $("#blend");
    const others = [...this.#styles.values()].filter(({ key }) => key !== style);
    select.replaceChildren(
      new Option(text("noBlend"), ""),
      ...others.map(({ key, title }) => new Option(title, key, false, key === blend)),
    );
    select.disabled = style === null;
  }

  #useMask(isUsed) {
    if (isUsed) this.#studio.change({ mask: this.#masks.open(null, this.#studio.current) });
    else this.#studio.change({ mask: null });
  }

  #showMask({ mask, width, height }) {
    const isUsed = mask !== null;
    if (isUsed) this.#masks.open(mask, { width, height });
    $("#use-mask").checked = isUsed;
    $("#mask-part").hidden = !isUsed;
    $("#mask-canvas").hidden = !isUsed;
    if (isUsed !== this.#isMasking) this.#stage.isMasking = isUsed;
    this.#isMasking = isUsed;
  }

  async #readMask(input) {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    try {
      this.#studio.change({ mask: maskOf(await this.#pictures.call("mask", [file])) });
    } catch (error) {
      this.#studio.complain(error, { name: file.name });
    }
  }
}
