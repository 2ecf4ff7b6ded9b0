"""The sheet of many styles: the photos, and below them a row a style, its painting and the painted photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from fastnst.terminal import printable

_GAP = 8
_INK = (48, 48, 48)
_FONT_SIZE = 18
_NAME = round(1.5 * _FONT_SIZE)  # room for a line of text below a painting
_MOST_HEIGHT = 60_000  # of a JPEG, nearly

Pixels = NDArray[np.uint8]


def compose_strip(painting: Pixels, painted: Sequence[Pixels], cell: tuple[int, int]) -> Image.Image:
    """Lay out one style: its painting, then the painted photos.

    Args:
        painting: RGB, uint8 of shape (H, W, 3).
        painted: The same, each.
        cell: Width and height that each picture is fitted into, in pixels.

    Returns:
        An RGB image on white.
    """
    width, height = cell
    strip = Image.new("RGB", ((len(painted) + 1) * (width + _GAP) - _GAP, height), "white")
    for column, pixels in enumerate((painting, *painted)):
        picture = ImageOps.contain(Image.fromarray(pixels), cell, Image.Resampling.LANCZOS)
        left = column * (width + _GAP) + (width - picture.width) // 2
        strip.paste(picture, (left, (height - picture.height) // 2))
    return strip


def compose_sheet(photos: Sequence[Pixels], strips: Mapping[str, tuple[Image.Image, str]]) -> Image.Image:
    """Lay out all styles below the photos, each with its name and a text under its painting.

    Args:
        photos: The photos that are painted, RGB, uint8 of shape (H, W, 3) each.
        strips: By the name of each style, what `compose_strip` returned, and the text.

    Returns:
        An RGB image on white; one of hundreds of styles is scaled down to what a JPEG holds.
    """
    first, _ = next(iter(strips.values()))
    cell = ((first.width + _GAP) // (len(photos) + 1) - _GAP, first.height)
    row = first.height + _NAME + _GAP
    sheet = Image.new("RGB", (first.width + 2 * _GAP, (len(strips) + 1) * row + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=_FONT_SIZE)
    nothing = np.full((1, 1, 3), 255, np.uint8)
    sheet.paste(compose_strip(nothing, photos, cell), (_GAP, _GAP))
    for number, (name, (strip, text)) in enumerate(strips.items(), start=1):
        top = _GAP + number * row
        sheet.paste(strip, (_GAP, top))
        line = f"{printable(name, 40)}  {text}".encode("latin-1", "replace").decode("latin-1")
        draw.text((_GAP, top + first.height + _NAME // 8), line, _INK, font)
    if sheet.height > _MOST_HEIGHT:
        sheet.thumbnail((sheet.width, _MOST_HEIGHT))
    return sheet
