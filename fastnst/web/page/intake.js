// How photos and style files come in: chosen, dropped (folders too), pasted.

const $ = (selector) => document.querySelector(selector);
const LIKELY = /\.(jpe?g|png|webp|avif|gif|bmp|hei[cf])$/i;

/**
 * @param {function(File[], File[])} onFiles called with what may be photos, and with style files; both may be empty
 */
export function takeFiles(onFiles) {
  const give = (files) =>
    onFiles(
      files.filter((file) => file.type.startsWith("image/") || LIKELY.test(file.name)),
      files.filter((file) => /\.onnx$/i.test(file.name)),
    );
  const input = $("#files");
  for (const id of ["#choose", "#add"]) $(id).addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    if (files.length) give(files);
  });

  const cover = $("#drop");
  let depth = 0;
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (hasFiles(event) && ++depth) cover.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (hasFiles(event) && --depth <= 0) cover.classList.remove("over");
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    cover.classList.remove("over");
    give(await droppedFiles(event.dataTransfer));
  });

  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
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
