"""Splitting pictures by the size of their detail: the Laplacian pyramid (Burt and Adelson 1983)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Planes = NDArray[np.float32]


def split(planes: Planes, levels: int) -> tuple[list[Planes], Planes]:
    """Split a picture into bands of detail, each twice as coarse as the one before.

    Burt and Adelson 1983, "The Laplacian pyramid as a compact image code", doi:10.1109/TCOM.1983.1095851.
    Halving and doubling are linear interpolation, which does not ring at hard strokes.

    Args:
        planes: Float32 of shape (H, W) or (H, W, C), any H and W from 1 up.
        levels: How many bands; each halves the sides, rounding up.

    Returns:
        The bands, the finest first, and what remains; `join` puts them together again.
    """
    bands = []
    for _ in range(levels):
        smaller = resized(planes, _half(planes.shape))
        bands.append(planes - resized(smaller, planes.shape))
        planes = smaller
    return bands, planes


def join(bands: Sequence[Planes], base: Planes) -> Planes:
    """Return the picture that `split` took apart."""
    for band in reversed(bands):
        base = resized(base, band.shape) + band
    return base


def local_energy(band: Planes) -> Planes:
    """Return the energy of a band, (H, W) or (H, W, C), around each place: its blurred squares, (H, W)."""
    squares = band * band if band.ndim == 2 else np.einsum("hwc,hwc->hw", band, band)
    return resized(resized(squares, _half(squares.shape)), squares.shape)


def resized(planes: Planes, size: tuple[int, ...]) -> Planes:
    """Resize planes of shape (H, W) or (H, W, C) to `size` (height, width, ...), antialiased, in float32."""
    if planes.shape[:2] == size[:2]:
        return planes
    if planes.ndim == 3:
        return np.stack([resized(planes[..., i], size) for i in range(planes.shape[2])], axis=-1)
    image = Image.fromarray(np.ascontiguousarray(planes, np.float32))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _half(size: tuple[int, ...]) -> tuple[int, int]:
    return (size[0] + 1) // 2, (size[1] + 1) // 2
