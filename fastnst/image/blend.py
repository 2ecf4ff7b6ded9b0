"""Mixing several pictures of one photo, each painted in another style."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastnst.color.oklab import oklab_to_rgb, rgb_to_oklab
from fastnst.image.laplacian_pyramid import Planes, join, local_energy, split

# Bands of 1 to 16 pixels hold brush strokes; larger shapes are the motif and its light.
_LEVELS = 5

# Far below what the eye sees: where no picture has energy, the weights alone decide.
_NEGLIGIBLE = np.float32(1e-8)


def blend_pictures(pictures: Sequence[NDArray[np.uint8]], weights: Sequence[float]) -> NDArray[np.uint8]:
    """Mix pictures of one motif, so that each stroke and each colour comes from one of them.

    A plain mean shows every stroke faintly through every other, and colours that oppose each other turn grey.
    Here, in Oklab, the light of the large forms is the weighted mean; of the strokes, and of the colours of
    the large forms, the stronger counts more, at each size and place by its weight times its energy:
    pyramid fusion by salience (Burt and Kolczynski 1993, doi:10.1109/ICCV.1993.378222; also Mertens et al.
    2007, doi:10.1109/PG.2007.17).

    Args:
        pictures: RGB of one shape (H, W, 3), uint8.
        weights: One for each, above 0; only their proportions count.

    Returns:
        RGB of the same shape, uint8. One picture alone is returned as it is.
    """
    if len(pictures) == 1:
        return pictures[0]
    shares = [np.float32(weight / sum(weights)) for weight in weights]
    pyramids = [split(rgb_to_oklab(picture), _LEVELS) for picture in pictures]
    bands = [_strongest(level, shares) for level in zip(*(bands for bands, _ in pyramids), strict=True)]
    bases = [base for _, base in pyramids]
    lightness = sum(share * base[..., :1] for share, base in zip(shares, bases, strict=True))
    base = np.concatenate([lightness, _strongest([base[..., 1:] for base in bases], shares)], axis=-1)
    return oklab_to_rgb(join(bands, base))


def _strongest(planes: Sequence[Planes], shares: Sequence[np.float32]) -> Planes:
    salience = [
        share * (local_energy(plane) + _NEGLIGIBLE) for plane, share in zip(planes, shares, strict=True)
    ]
    total: Planes = np.sum(salience, axis=0)
    mixed = np.zeros_like(planes[0])
    for plane, strength in zip(planes, salience, strict=True):
        mixed += (strength / total)[..., np.newaxis] * plane
    return mixed
