// An engine for the styles of this site.

import { address, bytes, importable, worker } from "../assets.js";
import { BrowserPainter } from "./browser.js";
import { Engine } from "./engine.js";
import { frozen } from "./frozen.js";
import { ServerPainter } from "./server.js";
import { text } from "../texts.js";

/** The site's styles by their keys, each with `model`, which reads its file when it is first needed. */
export function stylesOf(site) {
  const isServed = Boolean(site.server);
  return new Map(
    site.styles.map((style) => [style.key, { ...style, isServed, model: once(() => bytes(style.file)) }]),
  );
}

/** A style of a file that the visitor gave. */
export function styleOfFile(file) {
  const key = file.name.replace(/\.onnx$/i, "");
  const model = once(async () => new Uint8Array(await file.arrayBuffer()));
  return { key, title: key, artist: "", bytes: file.size, model };
}

/**
 * What makes styles of paintings: on the server the painting goes along with each photo, in the browser it is measured
 * and frozen into a style file when it first paints.
 * @param site what `site()` of assets.js gives
 * @param {Engine} engine
 * @param {function(string[])} onLoaded told the files that were loaded
 * @returns {function({name: string, pixels: {rgb, width, height}, file: File}): object} of a name, the pixels to measure
 *     and the painting's file
 */
export function paintingStyles(site, engine, onLoaded = () => {}) {
  const { encoder, painter, size } = site.anyPainting;
  const load = (path) => once(() => bytes(path));
  const files = { encoder: load(encoder), painter: load(painter) };
  return ({ name, pixels, file }) => {
    // The camera begins with the style of the smallest file, as that is likely to be the fastest.
    const style = { key: name, title: titleOf(name), artist: text("ownPainting"), bytes: Infinity };
    if (site.server) return { ...style, pixels };
    const model = once(async () => {
      const [network, statistics] = await Promise.all([files.painter(), engine.measure(files.encoder, pixels)]);
      onLoaded([encoder, painter]);
      return frozen(network, statistics, {
        "fastnst.version": site.fastnst,
        "style.name": name,
        "style.frozen": "true",
        "style.painting_size": String(size),
        ...(await sumOf(file)),
      });
    });
    return { ...style, model, isKept: true };
  };
}

const titleOf = (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ").replaceAll("-", " ");

/** The painting's checksum, where the browser computes one: over HTTPS, and on localhost. */
async function sumOf(file) {
  if (!crypto.subtle) return {};
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return { "style.sha256": [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
}

/**
 * Return an engine, which paints on the site's server if it has one, else in the browser: then ONNX Runtime Web is
 * loaded with the first painting.
 * @param site what `site()` of assets.js gives
 * @param {{device?: "auto" | "wasm" | "webgpu", onLoading?: function(number), onLoaded?: function(string[]),
 *     onReady?: function()}} how told the share of the runtime that has come, the files that it consists of, and
 *     when a worker is ready to paint
 */
export function openEngine(site, { device = "auto", onLoading = () => {}, onLoaded = () => {}, onReady } = {}) {
  const browser = site.runtime && browserPainter(site, { device, onLoading, onLoaded, onReady });
  return new Engine(site.server ? new ServerPainter(address(site.server.stylize), browser) : browser);
}

function browserPainter(site, { device, onLoading, onLoaded, onReady }) {
  const runtime = {};
  for (const [name, files] of Object.entries(site.runtime.devices)) {
    const wasm = once(() => bytes(files.wasm, onLoading));
    runtime[name] = async () => {
      const binary = await wasm();
      onLoaded([files.module, files.mjs, files.wasm].filter(Boolean));
      return { module: await importable(files.module), mjs: files.mjs && address(files.mjs), bytes: binary };
    };
  }
  return new BrowserPainter({ worker: () => worker("network/worker.js"), runtime }, device, onReady);
}

/** Do something once, however often it is asked for; what failed is tried again. */
function once(make) {
  let made;
  return () =>
    (made ??= make().catch((error) => {
      made = undefined;
      throw error;
    }));
}
