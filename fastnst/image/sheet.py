"""A sheet: pictures of one size in rows and columns, each with its name under it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fastnst.terminal import printable

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_PROPORTIONS = 1.6  # of a screen: its width by its height
_INK = (48, 48, 48)
_LEAST_FONT_SIZE = 12
_LINES_A_CELL = 24
"""How many lines of names the longer side of a picture has room for."""
_LEAST_NAME = 6
"""The least room for a name, in font sizes: a narrow picture gets a wider cell."""


@dataclass(frozen=True)
class SheetLayout:
    """Where the pictures of a sheet stand.

    Attributes:
        columns: Pictures in a row.
        rows: Rows of pictures.
        cell: Width and height of a picture with its name, in pixels.
        gap: Pixels between two cells, and around all.
        font_size: Of the names, in pixels.
    """

    columns: int
    rows: int
    cell: tuple[int, int]
    gap: int
    font_size: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet in pixels."""
        width, height = self.cell
        return (
            self.columns * (width + self.gap) + self.gap,
            self.rows * (height + self.gap) + self.gap,
        )


def lay_out_sheet(count: int, size: tuple[int, int]) -> SheetLayout:
    """Choose the columns of a sheet so that it fits a screen and leaves few cells empty.

    Args:
        count: How many pictures there are, at least 1.
        size: Width and height of each picture in pixels.
    """
    width, height = size
    font_size = max(_LEAST_FONT_SIZE, round(max(size) / _LINES_A_CELL))
    gap = max(4, font_size // 2)
    cell = (max(width, _LEAST_NAME * font_size), height + gap // 2 + math.ceil(1.5 * font_size))

    def with_columns(columns: int) -> SheetLayout:
        return SheetLayout(columns, math.ceil(count / columns), cell, gap, font_size)

    def unfitness(layout: SheetLayout) -> float:
        proportions = layout.size[0] / layout.size[1]
        empty = layout.columns * layout.rows / count - 1
        return abs(math.log(proportions / _PROPORTIONS)) + empty

    return min((with_columns(columns) for columns in range(1, count + 1)), key=unfitness)


def compose_sheet(pictures: Sequence[tuple[str, NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Lay pictures out in rows and columns, each with its name under it.

    The names are drawn in Pillow's own font, which has the letters of English: others lose their accents, or
    show as boxes. A name that is too long loses its middle.

    Args:
        pictures: The name and the pixels of each: RGB of one shape (H, W, 3), uint8.

    Returns:
        RGB of shape (H, W, 3), uint8, on white; `lay_out_sheet` says how large it is.

    Raises:
        ValueError: If there are no pictures, or they differ in size.
    """
    if len({pixels.shape for _, pixels in pictures}) != 1:
        raise ValueError("a sheet takes one picture or more, all of one size")
    height, width = pictures[0][1].shape[:2]
    layout = lay_out_sheet(len(pictures), (width, height))
    font = ImageFont.load_default(size=layout.font_size)
    sheet = Image.new("RGB", layout.size, "white")
    draw = ImageDraw.Draw(sheet)
    for number, (name, pixels) in enumerate(pictures):
        row, column = divmod(number, layout.columns)
        left = layout.gap + column * (layout.cell[0] + layout.gap)
        top = layout.gap + row * (layout.cell[1] + layout.gap)
        sheet.paste(Image.fromarray(pixels), (left + (layout.cell[0] - width) // 2, top))
        below = (left + layout.cell[0] / 2, top + height + layout.gap // 2)
        shown = _shortened(_drawable(name), font, layout.cell[0] - 2)  # as letters have soft edges
        draw.text(below, shown, _INK, font, anchor="ma")
    return np.asarray(sheet)


def _drawable(name: str) -> str:
    letters = unicodedata.normalize("NFKD", printable(name))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _shortened(name: str, font: Font, room: int) -> str:
    """Return a name that is at most `room` pixels wide: its middle is left out, as ends tell names apart."""
    if font.getlength(name) <= room:
        return name
    for kept in range(len(name) - 1, 0, -1):
        tail = kept // 3
        shortened = f"{name[: kept - tail]}...{name[len(name) - tail :]}"
        if font.getlength(shortened) <= room:
            return shortened
    return ""
