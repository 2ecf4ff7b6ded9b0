"""Paint scikit-image's sample photos in every style that comes with fastnst, for the gallery.

The photos are in the public domain or CC0. The repository holds only the painted results.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from fastnst import Stylizer
from fastnst.style_library import BUNDLED_STYLES

HEIGHT = 400
GAP = 8


def main() -> None:
    """Write NAME.jpg beside this file for each style: the photos side by side, painted at the size shown."""
    gallery = Path(__file__).parent
    photos = [
        _at_height(Image.fromarray(photo))
        for photo in (skimage.data.astronaut(), skimage.data.coffee(), skimage.data.rocket())
    ]
    width = sum(photo.width for photo in photos) + GAP * (len(photos) - 1)
    for style in BUNDLED_STYLES:
        stylizer = Stylizer(gallery.parent / f"{style}.onnx")
        strip = Image.new("RGB", (width, HEIGHT), "white")
        left = 0
        for photo in photos:
            strip.paste(Image.fromarray(stylizer(np.asarray(photo))), (left, 0))
            left += photo.width + GAP
        path = gallery / f"{style}.jpg"
        strip.save(path, quality=88)
        print(path)


def _at_height(photo: Image.Image) -> Image.Image:
    width = round(photo.width * HEIGHT / photo.height)
    return photo.convert("RGB").resize((width, HEIGHT), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
