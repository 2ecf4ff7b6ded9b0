"""The picture of a style: the painting, some photos, and the same photos stylised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

_GAP = 8


def compose_grid(
    style: NDArray[np.uint8], photos: Sequence[NDArray[np.uint8]], stylized: Sequence[NDArray[np.uint8]]
) -> Image.Image:
    """Lay out a painting, photos and the same photos stylised.

    The painting stands on the left; to its right each photo has a column, itself above and stylised below.

    Args:
        style: RGB, uint8 of shape (H, W, 3).
        photos: RGB, uint8 of shape (H, W, 3) each.
        stylized: As many, of the shapes of the photos.

    Returns:
        An RGB image on white.

    Raises:
        ValueError: If there are no photos, or not as many stylised ones.
    """
    if not photos or len(photos) != len(stylized):
        raise ValueError(f"a grid needs photos in pairs, got {len(photos)} and {len(stylized)}")
    cell_width = max(photo.shape[1] for photo in photos)
    cell_height = max(photo.shape[0] for photo in photos)
    height = 2 * cell_height + 3 * _GAP
    columns = len(photos) + 1
    grid = Image.new("RGB", (columns * (cell_width + _GAP) + _GAP, height), "white")
    painting = ImageOps.contain(Image.fromarray(style), (cell_width, height - 2 * _GAP))
    _paste_centred(grid, painting, (_GAP, _GAP, cell_width, height - 2 * _GAP))
    for column, pair in enumerate(zip(photos, stylized, strict=True), start=1):
        for row, pixels in enumerate(pair):
            left, top = _GAP + column * (cell_width + _GAP), _GAP + row * (cell_height + _GAP)
            _paste_centred(grid, Image.fromarray(pixels), (left, top, cell_width, cell_height))
    return grid


def _paste_centred(grid: Image.Image, picture: Image.Image, cell: tuple[int, int, int, int]) -> None:
    left, top, width, height = cell
    grid.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
