"""Paint the gallery: the styles that come with fastnst, on scikit-image's sample photos.

The photos are in the public domain or CC0 and are not copied here; only what the styles make of them is.
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
    """Write gallery/NAME.jpg for each style: the photos side by side, painted at the size they are shown."""
    here = Path(__file__).parent
    photos = [
        _at_height(Image.fromarray(photo))
        for photo in (skimage.data.astronaut(), skimage.data.coffee(), skimage.data.rocket())
    ]
    width = sum(photo.width for photo in photos) + GAP * (len(photos) - 1)
    (here / "gallery").mkdir(exist_ok=True)
    for style in BUNDLED_STYLES:
        stylizer = Stylizer(here / f"{style}.onnx")
        strip = Image.new("RGB", (width, HEIGHT), "white")
        left = 0
        for photo in photos:
            strip.paste(Image.fromarray(stylizer(np.asarray(photo))), (left, 0))
            left += photo.width + GAP
        strip.save(here / "gallery" / f"{style}.jpg", quality=88)
        print(here / "gallery" / f"{style}.jpg")


def _at_height(photo: Image.Image) -> Image.Image:
    width = round(photo.width * HEIGHT / photo.height)
    return photo.convert("RGB").resize((width, HEIGHT), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
