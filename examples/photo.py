"""Paint one photo: python examples/photo.py wave photo.jpg painted.jpg."""

import sys

import numpy as np
from PIL import Image, ImageOps

from fastnst import Painter


def main(style: str, photo: str, result: str) -> None:
    """Paint `photo` in `style`, a style's name or ONNX file, with a little of the photo shining through."""
    with Image.open(photo) as file:
        pixels = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))  # uint8 (H, W, 3)
    painter = Painter(style, strength=0.8)
    Image.fromarray(painter(pixels)).save(result)


if __name__ == "__main__":
    main(*sys.argv[1:])
