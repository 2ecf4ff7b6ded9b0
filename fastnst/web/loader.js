// The files that are packed into a page that is one file: `assets.js` asks for them here.

const decoded = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const element = (path) => document.querySelector(`script[data-path="${path}"]`);
const types = { js: "text/javascript", jpg: "image/jpeg", txt: "text/plain" };
const addresses = new Map();

globalThis.fastnstPacked = {
  async bytes(path) {
    const { textContent, dataset } = element(path);
    const bytes = decoded(textContent);
    if (!("gzip" in dataset)) return bytes;
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  },
  address(path) {
    if (!addresses.has(path)) {
      const blob = new Blob([decoded(element(path).textContent)], { type: types[path.split(".").pop()] });
      addresses.set(path, URL.createObjectURL(blob));
    }
    return addresses.get(path);
  },
};
