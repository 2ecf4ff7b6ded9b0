"""How a picture is cut into tiles that overlap."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnst.model import keys
from fastnst.model.metadata import whole_number

STRIDE = 32
"""Tiles begin at multiples of so many pixels, which the strides of networks divide."""

# A file that claims a larger grain is not believed: its tiles would be the whole picture.
_LARGEST_GRAIN = 1024

_DEFAULT_SIDE = 768

# The receptive field assumed for models made elsewhere; they rarely see farther than fastnst's own.
_UNKNOWN_RECEPTIVE_FIELD = 128
# A file that claims more blocks of a kind is not believed: its tiles would be all margin.
_MOST_BLOCKS = 50


@dataclass(frozen=True)
class Tile:
    """A part of a picture, and the larger part around it that a network has to see to paint it.

    Attributes:
        top: First row of the part.
        bottom: The row after its last.
        left: First column of the part.
        right: The column after its last.
        outer_top: First row with the margin; margins end at the picture's border.
        outer_bottom: The row after the last with the margin.
        outer_left: First column with the margin.
        outer_right: The column after the last with the margin.
    """

    top: int
    bottom: int
    left: int
    right: int
    outer_top: int
    outer_bottom: int
    outer_left: int
    outer_right: int

    @property
    def height(self) -> int:
        """Rows with the margins."""
        return self.outer_bottom - self.outer_top

    @property
    def width(self) -> int:
        """Columns with the margins."""
        return self.outer_right - self.outer_left

    @property
    def pixels(self) -> int:
        """Pixels with the margins."""
        return self.height * self.width

    def inner(self, activations: NDArray[Any]) -> NDArray[Any]:
        """Return the activations of the part alone from those with its margins, (N, C, h, w).

        They may be smaller than the picture by the network's strides, and a little larger where it pads the
        picture's border to them.
        """
        rows, columns = activations.shape[2:]
        return activations[
            :,
            :,
            _scaled(self.top - self.outer_top, rows, self.height) : rows
            - _scaled(self.outer_bottom - self.bottom, rows, self.height),
            _scaled(self.left - self.outer_left, columns, self.width) : columns
            - _scaled(self.outer_right - self.right, columns, self.width),
        ]


def _scaled(margin: int, size: int, of: int) -> int:
    """Return a margin's rows or columns in activations of `size`, made of `of` pixels."""
    stride = 2.0 ** round(math.log2(of / size))
    # What a network pads to its strides is no part of the margin.
    if 0 <= size * stride - of < STRIDE:
        return round(margin / stride)
    return round(margin * size / of)


def receptive_field(metadata: Mapping[str, str]) -> int:
    """Return how many pixels a network sees to each side of a pixel, rounded up to a multiple of 32.

    Args:
        metadata: What the model's file says of itself.
    """
    blocks = whole_number(metadata, keys.NETWORK_RESIDUAL_BLOCKS)
    if blocks is None or blocks > _MOST_BLOCKS:
        return _UNKNOWN_RECEPTIVE_FIELD
    # 4 and 4 of the outer kernels, 1 + 2 of the strides, 4 + 2 of the upsampling, and two kernels at a
    # quarter of the size in each block.
    sees = 17 + 8 * blocks
    wide_blocks = min(whole_number(metadata, keys.NETWORK_WIDE_BLOCKS) or 0, _MOST_BLOCKS)
    if wide_blocks:
        # 2 + 4 of the strides, 8 more of the upsampling, and 3 at an eighth of the size in each wide block.
        sees += 11 + 24 * wide_blocks
    return -(-sees // STRIDE) * STRIDE


def tile_alignment(metadata: Mapping[str, str]) -> int:
    """Return the pixels at whose multiples the tiles of a network begin: 32, or the grain of its canvas.

    Args:
        metadata: What the model's file says of itself.
    """
    grain = whole_number(metadata, keys.NETWORK_GRAIN) or STRIDE
    return grain if grain % STRIDE == 0 and grain <= _LARGEST_GRAIN else STRIDE


def side_of_tiles(margin: int, alignment: int = STRIDE, wanted: int | None = None) -> int:
    """Return the side of tiles, in pixels with their margins, so that these do not fill them.

    Args:
        margin: Pixels around each part.
        alignment: Pixels at whose multiples tiles begin.
        wanted: The side that the user wants; None for one that any memory holds.

    Returns:
        By default 768, or more where the parts would be less than two thirds as wide. What the user wants, or
        more where they would be less than a third. More, too, where tiles could not begin where they must.
    """
    side = max(_DEFAULT_SIDE, 6 * margin) if wanted is None else max(wanted, 3 * margin)
    return max(side, alignment + 2 * margin)


def cut_into_tiles(
    height: int, width: int, side: int, margin: int, alignment: int = STRIDE
) -> list[list[Tile]]:
    """Cut a picture into rows of tiles.

    Args:
        height: Of the picture in pixels.
        width: Of the picture.
        side: Greatest side of a tile with its margins, at least `side_of_tiles` of the others.
        margin: Pixels around each part, a multiple of 32.
        alignment: Tiles begin, with their margins, at multiples of so many pixels; a multiple of 32.

    Returns:
        The tiles, row by row; each pixel is in the part of exactly one of them.
    """
    step = max((side - 2 * margin) // alignment, 1) * alignment
    return [
        [Tile(top, bottom, left, right, *rows, *columns) for (left, right), columns in across]
        for across in [_parts(width, step, margin, alignment)]
        for (top, bottom), rows in _parts(height, step, margin, alignment)
    ]


def _parts(
    size: int, step: int, margin: int, alignment: int
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the first pixel of each part and the one after its last, without and with the margins."""
    # The first part and the last need no margin at the picture's border, and are larger by it.
    count = max(-(-(size - 2 * margin) // step), 1)
    # Equal parts: a last one of few pixels would be mostly margin.
    step = -(-(size - 2 * margin) // count // alignment) * alignment if count > 1 else size
    edges = [0, *(number * step + margin for number in range(1, count)), size]
    return [
        ((start, end), (max(start - margin, 0), min(end + margin, size)))
        for start, end in itertools.pairwise(edges)
    ]


def sample_tiles(tiles: Sequence[Sequence[Tile]], most: int) -> list[Tile]:
    """Choose tiles that are spread evenly over the picture.

    Args:
        tiles: Rows of tiles.
        most: Greatest number of them; at least 1.

    Returns:
        All tiles where there are no more than `most`. Otherwise about `most`: one from each of as many
        blocks of neighbours, at a place in the block that is random but the same at each call.
    """
    rows, columns = len(tiles), len(tiles[0])
    if rows * columns <= most:
        return [tile for row in tiles for tile in row]
    down = min(max(round((most * rows / columns) ** 0.5), 1), rows, most)
    across = min(max(most // down, 1), columns)
    random = np.random.default_rng(0)
    return [
        tiles[int((i + random.random()) * rows / down)][int((j + random.random()) * columns / across)]
        for i in range(down)
        for j in range(across)
    ]
