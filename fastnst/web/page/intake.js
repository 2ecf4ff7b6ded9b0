// How photos, paintings and style files come in: chosen, dropped (folders too), pasted. A picture is a painting if it is
// chosen as one, dropped onto the field for paintings or onto the styles, or pasted while these have the focus.

const $ = (selector) => document.querySelector(selector);
const LIKELY = /\.(jpe?g|png|webp|avif|gif|bmp|hei[cf])$/i;

const FOR_PAINTINGS = "#drop-painting, #styles-part";

/**
 * @param {function(File[], File[])} onFiles called with what may be photos, and with style files; both may be empty
 * @param {function(File[])?} onPaintings called with what may be paintings
 */
export function takeFiles(onFiles, onPaintings = null) {
  const give = (files, place) => {
    const pictures = files.filter((file) => file.type.startsWith("image/") || LIKELY.test(file.name));
    const models = files.filter((file) => /\.onnx$/i.test(file.name));
    if (!onPaintings || !place?.closest?.(FOR_PAINTINGS)) return onFiles(pictures, models);
    if (models.length) onFiles([], models);
    if (pictures.length || !models.length) onPaintings(pictures);
  };
  chosen("#files", ["#choose", "#add"], give);
  chosen("#paintings", ["#choose-painting", "#add-painting"], (files) => give(files, $("#drop-painting")));

  const cover = $("#drop");
  let depth = 0;
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (hasFiles(event) && ++depth) cover.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (hasFiles(event) && --depth <= 0) cover.classList.remove("over");
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    cover.classList.toggle("painting", Boolean(event.target.closest?.(FOR_PAINTINGS)));
  });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    cover.classList.remove("over");
    const { target } = event;
    give(await droppedFiles(event.dataTransfer), target);
  });

  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) give(files, document.activeElement);
  });
}

function chosen(selector, buttons, give) {
  const input = $(selector);
  for (const button of buttons) $(button).addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    if (files.length) give(files);
  });
}

async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...transfer.files]; // both are gone after the first await
  if (!entries.some((entry) => entry.isDirectory)) return files;
  return (await Promise.all(entries.map(filesIn))).flat();
}

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const files = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return files;
    for (const each of some) if (!each.name.startsWith(".")) files.push(...(await filesIn(each)));
  }
}
