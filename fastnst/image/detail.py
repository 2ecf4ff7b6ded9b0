"""Bringing the photo's fine detail back to a picture that was painted at a smaller size."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastnst.color.oklab import lightness, with_lightness
from fastnst.image.laplacian_pyramid import Planes, join, local_energy, split

_NEGLIGIBLE = np.float32(1e-7)


def restore_detail(
    picture: NDArray[np.uint8], photo: NDArray[np.uint8], reduction: float, amount: float
) -> NDArray[np.uint8]:
    """Bring back what is finer than the pixels that a picture was painted with.

    In the finer bands of lightness, the photo's detail replaces the picture's where it is stronger. Adding it
    would show each edge twice: the photo's sharp edge next to the painting's blurred one. Colours and coarser
    strokes stay those of the painting.

    Args:
        picture: The painting, enlarged to the photo's size, RGB of shape (H, W, 3), uint8.
        photo: RGB of the same shape, uint8.
        reduction: The photo's size divided by the painted size. At 1 or less nothing was lost.
        amount: From 0, the picture as it is, to 1.

    Returns:
        RGB of the same shape, uint8.
    """
    levels = math.ceil(math.log2(reduction)) if reduction > 1 else 0
    if not levels or not amount:
        return picture
    bands, base = split(lightness(picture), levels)
    details, _ = split(lightness(photo), levels)
    for level, detail in enumerate(details):
        bands[level] = _replaced(bands[level], detail, np.float32(amount))
    return with_lightness(picture, join(bands, base))


def _replaced(band: Planes, detail: Planes, amount: np.float32) -> Planes:
    energy = local_energy(detail)
    share = energy / (energy + local_energy(band) + _NEGLIGIBLE)
    mixed: Planes = band + amount * share * (detail - band)
    return mixed
