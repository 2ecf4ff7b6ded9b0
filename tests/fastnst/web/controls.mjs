// Applies the page's controls to what a test gives: JSON with the controls on the command line, bytes beside it.

import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { page, folder, photo, paintings, controls, mask } = JSON.parse(process.argv[2]);
const { PaintedPhoto } = await import(pathToFileURL(`${page}/pictures/controls.js`));
const bytes = (name) => new Uint8Array(readFileSync(`${folder}/${name}`));

const painted = new PaintedPhoto({ ...photo, rgb: bytes("photo") });
paintings.forEach(({ width, height }, each) => painted.keep(`${each}`, { width, height, rgb: bytes(`painting${each}`) }));
const layers = paintings.map(({ weight }, each) => ({ key: `${each}`, weight }));
const values = mask && { ...mask, values: bytes("mask"), version: 0 };
for (const [number, each] of controls.entries()) {
  writeFileSync(`${folder}/result${number}`, painted.result(layers, { ...each, mask: values }));
}
