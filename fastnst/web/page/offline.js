// The page works without a network after the first visit: sw.js keeps what it consists of.

/** Register the service worker, where there is one. `keep` has it keep files that were loaded before it ran. */
export function keepOffline() {
  if (!navigator.serviceWorker || globalThis.fastnstPacked || !isSecureContext) return { keep() {} };
  const ready = navigator.serviceWorker.register("sw.js").then(
    () => navigator.serviceWorker.ready,
    () => null, // such as in a private window: the page works, with a network
  );
  return {
    keep(paths) {
      ready.then((registration) => registration?.active?.postMessage(paths.filter(Boolean)));
    },
  };
}
