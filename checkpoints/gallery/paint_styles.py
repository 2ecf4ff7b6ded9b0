"""Paint scikit-image's sample photos in every style that comes with fastnst, for the gallery.

The photos are in the public domain or CC0. The repository holds only the painted results.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont

from fastnst import Stylizer
from fastnst.style_library import BUNDLED_STYLES

HEIGHT = 400
GAP = 8
COLUMNS, CELL = 2, 480


def main() -> None:
    """Write NAME.jpg for each style: the photos side by side, painted at the size shown; and all of them.

    The pictures stand beside this file. styles.jpg shows every strip, smaller, with the style's name.
    """
    gallery = Path(__file__).parent
    photos = sample_photos()
    strips = {}
    for style in BUNDLED_STYLES:
        stylizer = Stylizer(gallery.parent / f"{style}.onnx")
        strip = beside([Image.fromarray(stylizer(np.asarray(photo))) for photo in photos])
        path = gallery / f"{style}.jpg"
        strip.save(path, quality=88)
        print(path)
        strips[style] = strip
    path = gallery / "styles.jpg"
    _together(strips).save(path, quality=86)
    print(path)


def sample_photos() -> list[Image.Image]:
    """Return the photos at the size of the gallery."""
    photos = (skimage.data.astronaut(), skimage.data.coffee(), skimage.data.rocket())
    return [_at_height(Image.fromarray(photo)) for photo in photos]


def beside(pictures: Sequence[Image.Image]) -> Image.Image:
    """Return pictures of one height as one, with a gap of white between them."""
    width = sum(picture.width + GAP for picture in pictures) - GAP
    strip = Image.new("RGB", (width, pictures[0].height), "white")
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width + GAP
    return strip


def _together(strips: dict[str, Image.Image]) -> Image.Image:
    """Return all strips in columns, each with the style's name below."""
    font = ImageFont.load_default(size=15)
    first = next(iter(strips.values()))
    height, caption = round(CELL * first.height / first.width), 26
    rows = -(-len(strips) // COLUMNS)
    size = (COLUMNS * (CELL + GAP) - GAP, rows * (height + caption))
    together = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(together)
    for number, (style, strip) in enumerate(strips.items()):
        left, top = number % COLUMNS * (CELL + GAP), number // COLUMNS * (height + caption)
        together.paste(strip.resize((CELL, height), Image.Resampling.LANCZOS), (left, top))
        draw.text((left + CELL / 2, top + height + 4), style, "#333", font, anchor="ma")
    return together


def _at_height(photo: Image.Image) -> Image.Image:
    width = round(photo.width * HEIGHT / photo.height)
    return photo.convert("RGB").resize((width, HEIGHT), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
