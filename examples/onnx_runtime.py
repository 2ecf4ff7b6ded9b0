"""Paint without fastnst: python examples/onnx_runtime.py checkpoints/wave.onnx photo.jpg painted.jpg."""

import sys

import numpy as np
import onnxruntime
from PIL import Image


def main(model: str, photo: str, result: str) -> None:
    """Run the style file `model`; it takes and gives RGB of shape (N, H, W, 3), uint8, of any size."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    with Image.open(photo) as file:
        pixels = np.asarray(file.convert("RGB"))
    (stylized,) = session.run(["stylized"], {"image": pixels[np.newaxis]})
    Image.fromarray(stylized[0]).save(result)


if __name__ == "__main__":
    main(*sys.argv[1:])
