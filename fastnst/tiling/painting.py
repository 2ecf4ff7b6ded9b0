"""Painting a picture that is too large for the memory: tile by tile, as the whole would be painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fastnst.model.image_model import ImageModel
from fastnst.model.values import Images
from fastnst.tiling.fixed_norms import fix_statistics, measure_statistics
from fastnst.tiling.tiles import STRIDE, Tile, cut_into_tiles, sample_tiles, side_of_tiles

Progress = Callable[[float], None]

# The statistics are taken from no more tiles than fit into this many bytes: those of a picture of 12
# megapixels, or as much of a larger one.
_SAMPLE_BYTES = 640_000_000
# What is kept of a pixel between the full network's layers, in bytes.
_KEPT_BYTES_PER_PIXEL = 33


def paint_in_tiles(
    image: Images,
    out: Images,
    model: ImageModel,
    data: bytes,
    open_session: Callable[[bytes], Any],
    *,
    side: int,
    margin: int,
    alignment: int,
    progress: Progress | None = None,
) -> None:
    """Paint a picture tile by tile, without seams.

    The statistics of the model's instance norms are measured first, over the whole picture or, where it is
    larger than 12 megapixels or so, over tiles from all parts of it. With these fixed, a tile with a margin
    as wide as the network sees around a pixel comes out as it would in the whole.

    Args:
        image: RGB of shape (H, W, 3), uint8.
        out: Where the result goes; may be `image` itself, which is then painted over.
        model: What takes and gives the picture.
        data: The bytes of the model's file.
        open_session: Opens a model's bytes on the model's device.
        side: Side of a tile in pixels, its margins included.
        margin: How far the network sees, in pixels: a multiple of 32.
        alignment: Pixels at whose multiples tiles begin.
        progress: Called with the part that is done, in (0, 1].

    Raises:
        FastnstError: If the model fails on a tile or the memory does not suffice.
    """
    height, width = image.shape[:2]
    say = progress or (lambda _: None)
    statistics = measure_statistics(
        data,
        _sample(height, width, min(side, side_of_tiles(margin, alignment)), margin, alignment),
        lambda tile: model.pack(
            _extended(image[tile.outer_top : tile.outer_bottom, tile.outer_left : tile.outer_right], model)
        ),
        open_session,
        memory=_SAMPLE_BYTES,
        progress=lambda part: say(part / 2),
    )
    fixed = replace(model, session=open_session(fix_statistics(data, statistics)))
    rows = cut_into_tiles(height, width, side, margin, alignment)
    # Of what is painted over, only the rows are kept that the next tiles still see. They come from the band,
    # as a row of tiles may be lower than the margin: some of them are painted over before it begins.
    above = image[:0].copy()
    for number, row in enumerate(rows, start=1):
        first = row[0]
        band = np.concatenate([above, image[first.top : first.outer_bottom]])
        kept = max(first.bottom - margin, 0)
        above = band[kept - first.outer_top : first.bottom - first.outer_top].copy()
        for tile in row:
            outer = band[:, tile.outer_left : tile.outer_right]
            painted = fixed.paint(_extended(outer, model))[0]
            y, x = tile.top - tile.outer_top, tile.left - tile.outer_left
            out[tile.top : tile.bottom, tile.left : tile.right] = painted[
                y : y + tile.bottom - tile.top, x : x + tile.right - tile.left
            ]
        say(0.5 + 0.5 * number / len(rows))


def _sample(height: int, width: int, side: int, margin: int, alignment: int = STRIDE) -> list[Tile]:
    rows = cut_into_tiles(height, width, side, margin, alignment)
    tiles = [tile for row in rows for tile in row]
    affordable = _SAMPLE_BYTES // _KEPT_BYTES_PER_PIXEL / sum(tile.pixels for tile in tiles)
    return sample_tiles(rows, max(int(len(tiles) * affordable), 1))


def _extended(pixels: Images, model: ImageModel) -> Images:
    """Return a tile as a batch of one, extended at the bottom and right to the size that the model takes."""
    bottom, right = (-size % (model.multiple or 1) for size in pixels.shape[:2])
    if bottom or right:
        pixels = np.pad(pixels, ((0, bottom), (0, right), (0, 0)), mode="symmetric")
    return pixels[np.newaxis]
