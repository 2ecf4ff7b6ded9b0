// The visitor's photos, the controls, and the way from both to the picture on the screen.

import { PageError } from "../rpc.js";
import { text } from "../texts.js";
import { History } from "./history.js";

const THUMB = 288; // the longer side of a photo that a style paints to show itself
const BRUSHES = [256, 384, 512, 768, 1024, 1536, 2048, 3072]; // and the photo's own size
const MOST_WHOLE = 12.5e6; // pixels that fit into WebAssembly's memory with every network

const FEW_PIXELS = 1.5e6; // of a painting that is not worth waiting with: the small pictures of styles wait

const FIRST = { style: null, blend: null, share: 0.5, strength: 1, keepColours: false, brush: null };

export class Studio extends EventTarget {
  photos = [];
  current = null;
  controls = { ...FIRST };
  mostWhole = MOST_WHOLE;
  history = new History(this.#snapshot());
  #engine;
  #pictures;
  #stage;
  #styles;
  #paintings = new Map(); // in the making: key -> {promise, abort}
  #thumbs = new AbortController();
  #refreshing = 0;
  #brokenStyle = null; // what is to be said again of a style, once the picture is shown
  #hasFailed = false; // the picture that was last asked for
  #isShowing = false;
  #wantsShow = false;
  #isShowingAll = false;
  #wantsAll = false;
  #nextId = 0;

  /**
   * @param {{engine, pictures, stage, styles: Map<string, object>}} parts
   */
  constructor({ engine, pictures, stage, styles }) {
    super();
    this.#engine = engine;
    this.#pictures = pictures;
    this.#stage = stage;
    this.#styles = styles;
  }

  get isPainting() {
    return this.#paintings.size > 0;
  }

  /** The names of the styles in use, as in the names of results. */
  styleName(controls = this.controls) {
    return [controls.style, controls.blend].filter(Boolean).join("+");
  }

  /**
   * Add a style, and pick it; returns whether it is a style. It must paint something first: not every ONNX file is a style.
   * @param {{key, title, artist, bytes, model}} style
   * @param {{isPicked?: boolean}} how
   */
  async addStyle(style, { isPicked = true } = {}) {
    try {
      const probe = { rgb: new Uint8Array(3 * 32 * 32), width: 32, height: 32 };
      await this.#engine.paint(style, probe, { urgent: true });
    } catch (error) {
      this.#complainOf(style, error, { isAsked: true });
      return false;
    }
    this.#styles.set(style.key, style);
    this.#tell("style", { style });
    if (!isPicked) this.#tell("controls"); // which list the styles
    else if (!this.current) this.begin(style.key);
    if (this.current) this.#paintThumbs(this.current, this.#thumbs.signal, [style]);
    if (isPicked && this.current) this.change({ style: style.key });
    return true;
  }

  /** Add photos; the first of them is shown. Those that cannot be read are told of. */
  async add(files) {
    const added = [];
    for (const file of files) {
      this.#tell("status", { text: text("reading", { name: file.name }) });
      const photo = { id: this.#nextId++, file, name: file.name, mask: null };
      try {
        Object.assign(photo, await this.#pictures.call("open", [photo.id, file]));
      } catch (error) {
        this.complain(error, { name: file.name });
        continue;
      }
      this.photos.push(photo);
      added.push(photo);
      if (added.length === 1) await this.select(photo);
      this.#tell("photos");
    }
    return added.length;
  }

  /** Take a style without a step to undo, such as the one that the visitor begins with. */
  begin(style) {
    this.controls.style = style;
    this.history = new History(this.#snapshot());
    this.#tell("controls");
  }

  /** Show another of the photos. */
  async select(photo) {
    this.current = photo;
    this.#thumbs.abort();
    this.#thumbs = new AbortController();
    this.#abortAll();
    await this.#pictures.call("hold", [photo.id]);
    if (this.controls.brush !== null && !this.brushes().includes(this.controls.brush)) this.controls.brush = null;
    this.#stage.open(photo);
    this.#tell("photos");
    this.#tell("controls");
    this.#tell("status", { text: "" });
    await this.#showPhoto();
    this.#paintThumbs(photo, this.#thumbs.signal);
    this.refresh();
  }

  remove(photo) {
    const place = this.photos.indexOf(photo);
    this.photos.splice(place, 1);
    this.#pictures.call("close", [photo.id]);
    if (this.photos.length === 0) {
      this.current = null;
      this.#thumbs.abort();
      this.#abortAll();
    } else if (photo === this.current) this.select(this.photos[Math.min(place, this.photos.length - 1)]);
    this.#tell("photos");
  }

  /** Change controls, or the current photo's mask; `isFinal` changes can be undone. */
  change(changes, isFinal = true) {
    const { mask, ...controls } = changes;
    if (mask !== undefined && this.current) this.current.mask = mask;
    Object.assign(this.controls, controls);
    if (this.controls.blend === this.controls.style) this.controls.blend = null;
    if (isFinal) this.history.push(this.#snapshot());
    this.#tell("controls");
    this.refresh();
  }

  undo() {
    this.#restore(this.history.undo());
  }

  redo() {
    this.#restore(this.history.redo());
  }

  /** The sizes at which the current photo may be painted, the broadest brush first; null is its own. */
  brushes() {
    const { width, height } = this.current;
    return [...BRUSHES.filter((size) => size < Math.max(width, height)), null];
  }

  /** The longer side at which a photo is painted, or null for its own. */
  paintedSide(photo, { brush } = this.controls) {
    const longer = Math.max(photo.width, photo.height);
    if (brush !== null && brush < longer) return brush;
    const pixels = photo.width * photo.height;
    return pixels > this.mostWhole ? Math.floor(longer * Math.sqrt(this.mostWhole / pixels)) : null;
  }

  /** Paint what is missing, and show the result. */
  async refresh() {
    const photo = this.current;
    if (!photo) return;
    const needed = this.#layers(photo);
    for (const [key, { abort, isShown }] of this.#paintings) {
      if (isShown && !needed.some((layer) => `${photo.id}/${layer.key}` === key)) abort.abort();
    }
    if (needed.length === 0) {
      this.#stage.clearPainting();
      return;
    }
    this.#refreshing += 1;
    this.#hasFailed = false;
    try {
      await this.#paintMissing(photo, needed);
      if (photo === this.current && sameKeys(needed, this.#layers(photo))) await this.show();
    } catch (error) {
      this.#stage.isBusy = this.isPainting;
      this.complain(error, { name: photo.name });
      this.#hasFailed = error.name !== "AbortError";
    } finally {
      this.#refreshing -= 1;
      if (this.#refreshing === 0) this.#complainAgain();
    }
  }

  /** Draw the photo and the result again, such as at another size of the screen. */
  async showAll() {
    if (!this.current) return;
    if (this.#isShowingAll) {
      this.#wantsAll = true;
      return;
    }
    this.#isShowingAll = true;
    try {
      do {
        this.#wantsAll = false;
        await this.#showPhoto();
        await this.show();
      } while (this.#wantsAll && this.current);
    } finally {
      this.#isShowingAll = false;
    }
  }

  /** Mix what is painted and show it; while that happens, only the last wish counts. */
  async show() {
    if (this.#isShowing) {
      this.#wantsShow = true;
      return;
    }
    this.#isShowing = true;
    try {
      do {
        this.#wantsShow = false;
        const photo = this.current;
        const layers = this.#layers(photo);
        const held = await Promise.all(layers.map(({ key }) => this.#pictures.call("has", [photo.id, key])));
        if (layers.length === 0 || !held.every(Boolean)) continue;
        const args = [photo.id, layers, this.#mixing(photo), this.#stage.longerSide, this.#stage.crop];
        const bitmap = await this.#pictures.call("view", args);
        if (photo !== this.current || this.#layers(photo).length === 0) continue;
        this.#stage.showPainting(bitmap);
        this.#tell("shown");
      } while (this.#wantsShow);
    } finally {
      this.#isShowing = false;
    }
  }

  /** The file of a photo's result, painted if it is not yet; with a signal it goes on whatever is shown. */
  async result(photo = this.current, { type, signal, controls = { ...this.controls } } = {}) {
    const layers = this.#layers(photo, controls);
    await this.#paintMissing(photo, layers, signal);
    return this.#pictures.call("encode", [photo.id, layers, this.#mixing(photo, controls), type]);
  }

  /** What a photo's result is called: photo.STYLE.jpg. */
  resultName(photo = this.current, controls = this.controls) {
    const dot = photo.name.lastIndexOf(".");
    const stem = dot > 0 ? photo.name.slice(0, dot) : photo.name;
    return `${stem}.${this.styleName(controls)}.${photo.hasAlpha ? "png" : "jpg"}`;
  }

  /** Stop what is being painted. */
  cancel() {
    this.#abortAll();
    this.#stage.isBusy = false;
    this.#tell("status", { text: text("cancelled") });
  }

  #layers(photo = this.current, controls = this.controls) {
    const { style, blend, share } = controls;
    if (style === null || !photo) return [];
    const side = this.paintedSide(photo, controls);
    const layer = (each, weight) => ({ style: each, weight, side, key: `${each}@${side ?? "own"}` });
    return blend === null ? [layer(style, 1)] : [layer(style, 1 - share), layer(blend, share)];
  }

  #mixing(photo, { strength, keepColours } = this.controls) {
    return { strength, keepColours, mask: photo.mask };
  }

  async #paintMissing(photo, layers, signal) {
    let total = 0;
    let last;
    for (const layer of layers) {
      if (await this.#pictures.call("has", [photo.id, layer.key])) continue;
      last = await this.#painted(photo, layer, signal);
      total += last.milliseconds;
    }
    if (last) {
      const key = this.#engine.device === "webgpu" ? "paintedGpu" : "painted";
      const names = layers.map(({ style }) => this.#styles.get(style).title).join(" + ");
      const seconds = (total / 1000).toFixed(total < 10000 ? 1 : 0);
      this.#tell("status", { text: this.#note(photo) || text(key, { style: names, seconds }) });
    }
  }

  #painted(photo, layer, signal) {
    const key = `${photo.id}/${layer.key}`;
    const known = this.#paintings.get(key);
    if (known) return known.promise;
    const abort = new AbortController();
    signal?.addEventListener("abort", () => abort.abort(signal.reason));
    const promise = this.#paint(photo, layer, abort.signal).finally(() => {
      if (this.#paintings.get(key)?.promise === promise) this.#paintings.delete(key);
      this.#stage.isBusy = this.isPainting;
      this.#tell("painting");
    });
    this.#paintings.set(key, { promise, abort, isShown: signal === undefined });
    this.#stage.isBusy = true;
    this.#tell("draft", { key: layer.style });
    this.#tell("painting");
    return promise;
  }

  async #paint(photo, layer, signal) {
    const style = this.#styles.get(layer.style);
    const picture = await this.#pictures.call("pixels", [photo.id, layer.side]);
    const { width, height } = picture;
    const started = () => {
      const milliseconds = this.#engine.estimate(layer.style, width * height);
      const seconds = Math.round((milliseconds ?? 0) / 1000);
      const key = seconds > 1 ? "paintingSeconds" : "painting1";
      this.#tell("status", { text: text(key, { width, height, seconds }), milliseconds });
    };
    try {
      const painting = await this.#engine.paint(style, picture, { urgent: width * height <= FEW_PIXELS, signal, started });
      await this.#pictures.call("keep", [photo.id, layer.key, painting]);
      return painting;
    } catch (error) {
      if (error.name === "AbortError" || error instanceof PageError) throw error;
      if (width * height > FEW_PIXELS) throw new PageError("failedLarge", { width, height });
      throw new PageError("failed", { reason: error.message });
    }
  }

  /** What one should know of a photo's painting. */
  #note(photo) {
    const side = this.paintedSide(photo);
    if (this.controls.brush !== null || side === null) return "";
    return text("reduced", { megapixels: Math.round((photo.width * photo.height) / 1e6), size: side });
  }

  async #showPhoto() {
    const photo = this.current;
    const nothing = { strength: 0, keepColours: false, mask: null };
    const { longerSide, crop } = this.#stage;
    const bitmap = await this.#pictures.call("view", [photo.id, [], nothing, longerSide, crop]);
    if (photo === this.current) this.#stage.showPhoto(bitmap);
  }

  async #paintThumbs(photo, signal, chosen = null) {
    if (chosen === null) this.#tell("thumbs");
    const small = Math.min(THUMB, Math.max(photo.width, photo.height));
    const picture = await this.#pictures.call("pixels", [photo.id, small]);
    const styles = chosen ?? [...this.#styles.values()];
    // The style in use comes first: its small picture stands in until the large one is done.
    styles.sort((one, other) => (other.key === this.controls.style) - (one.key === this.controls.style));
    for (const style of styles) {
      this.#engine
        .paint(style, picture, { signal })
        .then(async (painting) => {
          const bitmap = await this.#pictures.call("bitmap", [painting]);
          if (!signal.aborted) this.#tell("thumb", { key: style.key, bitmap });
        })
        .catch((error) => {
          if (error.name === "AbortError") return;
          if (!signal.aborted) this.#tell("thumb", { key: style.key, bitmap: null });
          this.#complainOf(style, error);
        });
    }
  }

  /**
   * Say that a style cannot be used, also once more when the picture that is being painted has told of itself. If the
   * picture fails, this is said last only of a style that it is painted in, or that the visitor has just given.
   */
  #complainOf(style, error, { isAsked = false } = {}) {
    const isWorthMore = isAsked || [this.controls.style, this.controls.blend].includes(style.key);
    this.#brokenStyle = { isWorthMore, error: new PageError("noStyle", { name: style.title, reason: error.message }) };
    if (this.#refreshing) this.complain(this.#brokenStyle.error);
    else this.#complainAgain();
  }

  #complainAgain() {
    const broken = this.#brokenStyle;
    this.#brokenStyle = null;
    if (broken && (broken.isWorthMore || !this.#hasFailed)) this.complain(broken.error);
  }

  #abortAll() {
    for (const { abort, isShown } of this.#paintings.values()) if (isShown) abort.abort();
  }

  #snapshot() {
    return { controls: { ...this.controls }, photo: this.current, mask: this.current?.mask ?? null };
  }

  #restore({ controls, photo, mask }) {
    this.controls = { ...controls };
    if (photo && this.photos.includes(photo)) photo.mask = mask;
    this.#tell("controls");
    this.refresh();
  }

  /** Say something in one line. */
  say(words) {
    this.#tell("status", { text: words });
  }

  /** Say in one line what went wrong. */
  complain(error, values = {}) {
    if (error.name === "AbortError") return;
    if (!(error instanceof PageError)) console.error(error);
    const words = error instanceof PageError ? text(error.code, { ...values, ...error.values }) : null;
    this.#tell("status", { text: words ?? text("failed", { reason: error.message }), isWrong: true });
  }

  #tell(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const sameKeys = (some, others) =>
  some.length === others.length && some.every(({ key }, each) => key === others[each].key);
