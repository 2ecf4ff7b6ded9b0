// What a page that is one file begins with. Files on a disk cannot import one another: each that is packed into
// the page becomes a blob, and modules name each other's addresses. A module follows those that it imports.

const files = new Map();
const addresses = new Map();
const types = { js: "text/javascript", mjs: "text/javascript", jpg: "image/jpeg", svg: "image/svg+xml" };
const decoded = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
for (const element of document.querySelectorAll("script[data-path]")) files.set(element.dataset.path, element);
globalThis.fastnstPacked = {
  async bytes(path) {
    const element = files.get(path);
    const bytes = decoded(element.textContent);
    if (!("gzip" in element.dataset)) return bytes;
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  },
  address(path) {
    if (!addresses.has(path)) {
      const type = types[path.split(".").pop()];
      let data = decoded(files.get(path).textContent);
      if (type === "text/javascript") {
        data = new TextDecoder().decode(data).replace(/packed:([^"]+)/g, (_, name) => addresses.get(name));
      }
      addresses.set(path, URL.createObjectURL(new Blob([data], { type })));
    }
    return addresses.get(path);
  },
};
for (const path of files.keys()) if (path.endsWith(".js")) fastnstPacked.address(path);
import(fastnstPacked.address("main.js"));
