"""Masks: which part of a photo something applies to, and how much."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.errors import FastnstError, FastnstWarning
from fastnst.image.file import MAX_PIXELS, read_image
from fastnst.image.laplacian_pyramid import resized
from fastnst.row_strips import row_strips

Plane = NDArray[np.float32]

MaskSource = str | os.PathLike[str] | NDArray[Any]

# The difference in proportions that is worth a warning.
_OTHER_SHAPE = 0.02


class Mask:
    """A soft mask, fitted to any photo. Calls are thread-safe.

    A file may have any mode. If it has transparency, its opacity is the mask, so that a cut-out works as it
    is; otherwise its brightness is the mask, and white is 1.

    Args:
        source: An image file, or an array of shape (H, W): bool, uint8, uint16, or float from 0 to 1.

    Raises:
        FastnstError: If the file cannot be read, or the array is none of these.
    """

    def __init__(self, source: MaskSource) -> None:
        if isinstance(source, (str, os.PathLike)):
            self.name = os.fspath(source)
            self._plane = _checked(read_mask(Path(source)))
        else:
            self.name = "mask"
            self._plane = _checked(np.asarray(source))
        # All frames of a video have one size.
        self._fitted = self._plane

    def fit(self, height: int, width: int) -> Plane:
        """Return the mask at a photo's size: float32 of shape (height, width), from 0 to 1; do not change it.

        It is scaled with antialiasing, and stretched if its proportions differ.

        Warns:
            FastnstWarning: If it is stretched.
        """
        fitted = self._fitted  # which another thread may replace in the meantime
        if fitted.shape == (height, width):
            return fitted
        rows, columns = self._plane.shape
        # Either's sides may have been rounded to a pixel, which in a narrow picture is far more than 2%.
        rounding = rows + columns + height + width
        if abs(columns * height - rows * width) > max(rounding, _OTHER_SHAPE * columns * height):
            warnings.warn(
                f"{self.name} ({columns}x{rows}) has other proportions than the photo: it is stretched",
                FastnstWarning,
                stacklevel=3,
            )
        fitted = np.clip(resized(self._plane, (height, width)), 0, 1)
        self._fitted = fitted
        return fitted


def read_mask(
    source: Path | bytes, *, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """Read a mask as `Mask` does: its opacity where it has transparency, else its brightness.

    Args:
        source: An image file, or its bytes.
        name: Its name in errors; by default the path.
        max_pixels: Masks with more pixels are refused.

    Returns:
        Shape (H, W), uint8; 255 is painted.

    Raises:
        FastnstError: As `read_image` does.
    """
    picture = read_image(source, name=name, max_pixels=max_pixels, first_frame=True)
    if picture.alpha is not None and picture.alpha.min() < 255:
        return picture.alpha
    return np.asarray(Image.fromarray(picture.pixels).convert("L"))


def mix(
    below: NDArray[np.uint8], layers: Sequence[tuple[NDArray[np.uint8], Plane | float]]
) -> NDArray[np.uint8]:
    """Lay pictures over another, each with its weight; the picture below gets what remains of 1.

    sRGB values are averaged directly. In linear light, half of a change already looks like most of it,
    in dark areas first; Oklab looks the same as sRGB, but weights above 1 burn out to white.

    Args:
        below: RGB of shape (H, W, 3), uint8.
        layers: Pictures of the same shape, with weights of shape (H, W) or one for all places. A weight
            above 1 extrapolates beyond the layer, away from the picture below.

    Returns:
        RGB of the same shape, uint8, rounded and clipped; the very pixels where a weight is 0 or 1.
    """
    if len(layers) == 1 and isinstance(layers[0][1], float) and layers[0][1] == 1:
        return layers[0][0]
    result = np.empty_like(below)
    for rows in row_strips(*below.shape[:2]):
        ground = below[rows].astype(np.float32)
        mixed = ground.copy()
        for picture, weight in layers:
            share = weight if isinstance(weight, float) else weight[rows][..., np.newaxis]
            mixed += share * (picture[rows] - ground)
        np.rint(mixed, out=mixed)
        result[rows] = np.clip(mixed, 0, 255, out=mixed)
    return result


def normalized(masks: Sequence[Plane]) -> list[Plane]:
    """Scale masks of one shape so that their sum is at most 1; where they overlap, each keeps its share."""
    total: Plane = np.maximum(np.sum(masks, axis=0, dtype=np.float32), 1)
    return [mask / total for mask in masks]


def _checked(values: NDArray[Any]) -> Plane:
    if values.ndim != 2 or 0 in values.shape:
        raise FastnstError(f"a mask must have the shape (height, width), not {values.shape}")
    if values.dtype == np.bool_:
        return values.astype(np.float32)
    if values.dtype in (np.uint8, np.uint16):
        plane: Plane = values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
        return plane
    if values.dtype.kind != "f":
        raise FastnstError(f"a mask must be bool, uint8, uint16 or float, not {values.dtype}")
    if not (values.min() >= 0 and values.max() <= 1):
        raise FastnstError(f"a float mask must be from 0 to 1, not {values.min():g} to {values.max():g}")
    return values.astype(np.float32)
