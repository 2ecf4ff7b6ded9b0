// Answers the page's requests from what is kept of this version, and from the network where nothing is.
// fastnst web writes VERSION and FILES above this line.

const KEPT = `fastnst-${VERSION}`;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(KEPT);
      await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const names = await caches.keys();
      await Promise.all(names.filter((name) => name.startsWith("fastnst-") && name !== KEPT).map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("message", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(KEPT);
      for (const path of event.data) if (!(await cache.match(path))) await cache.add(path);
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== location.origin) return;
  event.respondWith(answer(request));
});

async function answer(request) {
  const cache = await caches.open(KEPT);
  const address = new URL(request.url);
  const key = request.mode === "navigate" ? new URL("./", self.registration.scope).href : address.origin + address.pathname;
  let response = await cache.match(key);
  if (!response) {
    response = await fetch(request);
    // Where the disk is full, the page works on with a network.
    if (response.ok && request.mode !== "navigate") await cache.put(key, response.clone()).catch(() => {});
  }
  return isolated(response);
}

/** Let the page use threads, whose memory browsers share only between pages that are isolated from others. */
function isolated(response) {
  if (response.type === "opaque" || response.redirected) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
