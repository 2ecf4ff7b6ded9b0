// All photos at once: each is painted with the controls of the moment, and all come in one ZIP.

import { Zip } from "../pictures/zip.js";

/**
 * Paint all photos.
 * @param studio whose photos and controls are used
 * @param {{signal: AbortSignal, onPhoto: function(number, count)}} how
 * @returns {Promise<{blob: Blob, painted: number, failed: number}>}
 */
export async function paintAll(studio, { signal, onPhoto }) {
  const zip = new Zip();
  const photos = [...studio.photos];
  const controls = { ...studio.controls }; // those of the moment, whatever the visitor does meanwhile
  let failed = 0;
  for (const [number, photo] of photos.entries()) {
    onPhoto(number, photos.length);
    try {
      await zip.add(studio.resultName(photo, controls), await studio.result(photo, { signal, controls }));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      studio.complain(error, { name: photo.name });
      failed++;
    }
    signal.throwIfAborted();
  }
  return { blob: zip.blob(), painted: photos.length - failed, failed };
}
