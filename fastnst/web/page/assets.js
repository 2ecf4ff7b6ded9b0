// Where the page's files are: beside it, or packed into it (fastnst web --single).

const packed = globalThis.fastnstPacked;

/** The bytes of a file, with the share that has come so far. */
export async function bytes(path, onProgress = () => {}) {
  if (packed) return packed.bytes(path);
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  const total = Number(response.headers.get("Content-Length"));
  const parts = [];
  let length = 0;
  for await (const part of chunks(response.body)) {
    parts.push(part);
    length += part.length;
    onProgress(total ? Math.min(1, length / total) : 0);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** An address for an image or a module. */
export function address(path) {
  return packed ? packed.address(path) : new URL(path, document.baseURI).href;
}

/** What `import` takes in a worker: an address, or the text of a module where blobs have none for others. */
export async function importable(path) {
  return packed ? new Blob([await packed.bytes(path)], { type: "text/javascript" }) : address(path);
}

/** A new worker from a module of the page; packed into it, it is one script. */
export function worker(path) {
  return new Worker(address(path), { type: packed ? "classic" : "module" });
}

/** What Python wrote about the site: version, styles, examples, runtime. */
export async function site() {
  return JSON.parse(new TextDecoder().decode(await bytes("site.json")));
}

// Safari has streams that cannot be iterated.
async function* chunks(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
