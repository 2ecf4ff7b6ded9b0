// An engine for the styles of this site.

import { address, bytes, importable, worker } from "../assets.js";
import { BrowserPainter } from "./browser.js";
import { Engine } from "./engine.js";
import { ServerPainter } from "./server.js";

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
