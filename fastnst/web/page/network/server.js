// Painting on the server that gave this page (fastnst serve).

const BMP_OFFSET = 10; // where a BMP says where its pixels begin
const MOST_TRIES = 20; // while the server has too much to do

/**
 * Paints pictures on a server, by its own styles and by paintings, which go along; style files that the visitor gave
 * are painted in the browser, where it can.
 */
export class ServerPainter {
  #address;
  #browser;
  #abort = null;
  device = "server";

  /**
   * @param {string} address of the API
   * @param {BrowserPainter?} browser
   */
  constructor(address, browser) {
    this.#address = address;
    this.#browser = browser;
  }

  /** See Engine. */
  async paint(style, picture) {
    if (!style.isServed && !style.pixels) {
      if (!this.#browser) throw new Error("this server paints in its own styles only");
      return this.#browser.paint(style, picture);
    }
    const start = performance.now();
    this.#abort = new AbortController();
    // What the answer holds is what the network gave: neither format loses anything or takes time.
    const wish = new URLSearchParams({ format: "bmp" });
    let body = ppm(picture);
    if (style.pixels) {
      const form = new FormData();
      form.append("image", body, "image.ppm");
      form.append("style_image", ppm(style.pixels), "painting.ppm");
      body = form;
    } else wish.set("style", style.key);
    const response = await this.#post(`${this.#address}?${wish}`, body, this.#abort.signal);
    const rgb = pixelsOfBmp(await response.arrayBuffer(), picture);
    return { rgb, milliseconds: performance.now() - start };
  }

  end() {
    this.#abort?.abort();
    this.#browser?.end();
  }

  async #post(address, body, signal) {
    for (let tries = 1; ; tries++) {
      const response = await fetch(address, { method: "POST", body, signal });
      if (response.ok) return response;
      if (response.status !== 503 || tries === MOST_TRIES) throw new Error(await reasonOf(response));
      await pause(1000 * (Number(response.headers.get("Retry-After")) || 1), signal);
    }
  }
}

function ppm({ rgb, width, height }) {
  const head = new TextEncoder().encode(`P6 ${width} ${height} 255\n`);
  return new Blob([head, rgb], { type: "image/x-portable-pixmap" });
}

async function reasonOf(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `the server answers ${response.status}`;
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

/** The pixels of a BMP of 24 bits: rows from the bottom up, blue first, each filled up to four bytes. */
function pixelsOfBmp(buffer, { width, height }) {
  const offset = new DataView(buffer).getUint32(BMP_OFFSET, true);
  const bytes = new Uint8Array(buffer);
  const stride = Math.ceil((3 * width) / 4) * 4;
  const rgb = new Uint8Array(3 * width * height);
  for (let row = 0, at = 0; row < height; row++) {
    let from = offset + (height - 1 - row) * stride;
    for (let column = 0; column < width; column++, from += 3) {
      rgb[at++] = bytes[from + 2];
      rgb[at++] = bytes[from + 1];
      rgb[at++] = bytes[from];
    }
  }
  return rgb;
}
