// The picture on the page: photo and painting over each other, with a divider between them.

const MOST_HEIGHT = { wide: 0.76, narrow: 0.44 }; // of the window

export class Stage {
  #root = document.querySelector("#stage");
  #photo = document.querySelector("#shown-photo");
  #painting = document.querySelector("#shown-painting");
  #compare = document.querySelector("#compare");
  #size = { width: 4, height: 3 };
  #onResize;
  #shownSide = 0;
  #centre = null; // of what is shown at full size, in pixels of the photo
  onLayout = () => {}; // called when the room for the picture has changed

  /** @param {function()} onResize called when the pictures are wanted at another size */
  constructor(onResize) {
    this.#onResize = onResize;
    this.#compare.addEventListener("input", () => this.#divide());
    new ResizeObserver(() => this.#layOut()).observe(this.#root.parentElement);
    addEventListener("resize", () => this.#layOut());
    this.#divide();
  }

  /** The longer side of the pictures that the screen can show, in its own pixels. */
  get longerSide() {
    const { width, height } = this.#root.getBoundingClientRect();
    return Math.max(64, Math.round(Math.max(width, height) * devicePixelRatio));
  }

  get isZoomed() {
    return this.#centre !== null;
  }

  /** Whether the photo has more pixels than are shown of it. */
  get canZoom() {
    const isPlaced = this.#root.offsetWidth > 0 && !this.#root.classList.contains("masking");
    return isPlaced && Math.max(this.#size.width, this.#size.height) > this.longerSide;
  }

  /** The part of the photo that is shown at full size, in its pixels; null where all of it is shown. */
  get crop() {
    if (!this.#centre) return null;
    const [width, height] = this.#view();
    return {
      x: Math.round(this.#centre.x - width / 2),
      y: Math.round(this.#centre.y - height / 2),
      width,
      height,
    };
  }

  /** Show the photo at full size around a place of what is shown, given in parts of its width and height. */
  zoomIn({ x, y }) {
    this.#centre = { x: x * this.#size.width, y: y * this.#size.height };
    this.moveBy(0, 0);
  }

  zoomOut() {
    this.#centre = null;
    this.#root.classList.remove("zoomed");
    this.#onResize();
  }

  /** Move what is shown at full size, by pixels of the page. */
  moveBy(x, y) {
    const [width, height] = this.#view();
    const within = (value, view, size) => Math.min(size - view / 2, Math.max(view / 2, value));
    this.#centre = {
      x: within(this.#centre.x + x * devicePixelRatio, width, this.#size.width),
      y: within(this.#centre.y + y * devicePixelRatio, height, this.#size.height),
    };
    this.#root.classList.add("zoomed");
    this.#onResize();
  }

  /** Where a pointer is, in parts of what is shown. */
  shareOf({ clientX, clientY }) {
    const { left, top, width, height } = this.#root.getBoundingClientRect();
    return { x: (clientX - left) / width, y: (clientY - top) / height };
  }

  /** How much of what is shown is the photo. */
  get share() {
    return this.#compare.value / 100;
  }

  get dividerX() {
    const { left, width } = this.#root.getBoundingClientRect();
    return this.#root.classList.contains("plain") ? -Infinity : left + this.share * width;
  }

  divideAt(share) {
    this.#compare.value = 100 * share;
    this.#divide();
  }

  /** How many of the photo's pixels fit at full size. */
  #view() {
    const { width, height } = this.#root.getBoundingClientRect();
    return [
      Math.min(this.#size.width, Math.round(width * devicePixelRatio)),
      Math.min(this.#size.height, Math.round(height * devicePixelRatio)),
    ];
  }

  /** Make room for a photo. */
  open(size) {
    this.#size = size;
    this.#centre = null;
    this.#root.classList.remove("zoomed");
    this.#layOut();
    this.clearPainting();
  }

  showPhoto(bitmap) {
    draw(this.#photo, bitmap);
  }

  showPainting(bitmap) {
    draw(this.#painting, bitmap);
    this.#root.classList.remove("plain");
    this.#divide();
  }

  /** Show a small painting in the place of a large one that is being painted. */
  showDraft(canvas) {
    if (!canvas || !this.#root.classList.contains("plain")) return;
    Object.assign(this.#painting, { width: canvas.width, height: canvas.height });
    this.#painting.getContext("2d").drawImage(canvas, 0, 0);
    this.#root.classList.remove("plain");
    this.#divide();
  }

  /** Show the photo alone. */
  clearPainting() {
    this.#root.classList.add("plain");
    this.#divide();
    this.#painting.width = 1;
  }

  set isBusy(isBusy) {
    this.#root.classList.toggle("busy", isBusy);
  }

  set isMasking(isMasking) {
    this.#root.classList.toggle("masking", isMasking);
    if (isMasking && this.isZoomed) this.zoomOut(); // masks are drawn on the whole picture
    this.onLayout();
    this.#divide();
  }

  /** Show the photo up to the divider: all of it before there is a painting, none while a mask is drawn. */
  #divide() {
    const { classList } = this.#root;
    const share = classList.contains("plain") ? 100 : classList.contains("masking") ? 0 : this.#compare.value;
    this.#root.style.setProperty("--at", `${share}%`);
  }

  #layOut() {
    const room = this.#root.parentElement.clientWidth;
    if (!room) return;
    const isNarrow = matchMedia("(max-width: 900px)").matches;
    const most = innerHeight * (isNarrow ? MOST_HEIGHT.narrow : MOST_HEIGHT.wide);
    const scale = Math.min(room / this.#size.width, most / this.#size.height);
    this.#root.style.width = `${Math.round(this.#size.width * scale)}px`;
    this.#root.style.height = `${Math.round(this.#size.height * scale)}px`;
    if (Math.abs(this.longerSide - this.#shownSide) > 1) {
      this.#shownSide = this.longerSide;
      if (this.isZoomed && !this.canZoom) this.zoomOut();
      else if (this.isZoomed) this.moveBy(0, 0);
      else this.#onResize();
    }
    this.onLayout();
  }
}

export function draw(canvas, bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}
