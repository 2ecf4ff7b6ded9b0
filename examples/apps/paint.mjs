// Paint a photo in Node.js: npm install onnxruntime-node sharp; node paint.mjs wave.onnx photo.jpg painted.jpg
import ort from "onnxruntime-node";
import sharp from "sharp";

const [model, photo, result] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model); // once, for all photos
const { data, info } = await sharp(photo).rotate().toColourspace("srgb").removeAlpha().raw().toBuffer({ resolveWithObject: true });
const { width, height } = info;
const image = new ort.Tensor("uint8", data, [1, height, width, 3]);
const { stylized } = await session.run({ image });
await sharp(stylized.data, { raw: { width, height, channels: 3 } }).toFile(result);
