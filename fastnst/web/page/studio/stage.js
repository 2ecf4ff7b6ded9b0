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

  /** Make room for a photo. */
  open(size) {
    this.#size = size;
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
      this.#onResize();
    }
  }
}

export function draw(canvas, bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}
