"""CIELAB, a colour space in which equal distances look about equally large."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# sRGB's primaries and white (D65, 2 degrees), IEC 61966-2-1.
_RGB_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])

_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)

_PROJECTIONS = 32
_QUANTILES = 512
_MOST_PIXELS = 1 << 15


def rgb_to_lab(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Convert sRGB to CIELAB (CIE 15, white D65).

    Args:
        image: RGB, uint8 of shape (..., 3).

    Returns:
        L* in [0, 100], a* and b* in about [-110, 110], float64 of the same shape. A difference of 1 is just
        visible, one of 2.3 is noticed without looking for it.
    """
    xyz = _LINEAR[image] @ _RGB_TO_XYZ.T / _WHITE
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def colour_distance(image: NDArray[np.uint8], painting: NDArray[np.uint8]) -> float:
    """Return the distance between the colours of a picture and of a painting, whatever their places.

    It is the sliced Wasserstein distance in CIELAB (Rabin et al. 2011, doi:10.1007/978-3-642-24785-9_37):
    colours are sorted along each of 32 directions, and the mean distance of the two sorted lists is averaged
    over the directions. It is doubled, which makes it d if all colours are off by d.

    Args:
        image: RGB, uint8 of shape (H, W, 3).
        painting: RGB, uint8 of any shape (H, W, 3).

    Returns:
        The distance in units of CIELAB: 0 for the painting's own colours, about 20 to 40 for photos.
    """
    one, other = (_projected_quantiles(pixels) for pixels in (image, painting))
    return float(2 * np.abs(one - other).mean())  # the mean of |cos| over a sphere is 1/2


def _projected_quantiles(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    pixels = image.reshape(-1, 3)
    if len(pixels) > _MOST_PIXELS:
        # At random places: regular steps would see one phase of a pattern.
        pixels = pixels[np.random.default_rng(0).integers(len(pixels), size=_MOST_PIXELS)]
    ordered = np.sort(_directions() @ rgb_to_lab(pixels).T, axis=1)
    levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    quantiles: NDArray[np.float64] = ordered[:, (levels * len(pixels)).astype(int)]
    return quantiles


def _directions() -> NDArray[np.float64]:
    """Return directions spread evenly over a half sphere: a Fibonacci lattice."""
    height = (np.arange(_PROJECTIONS) + 0.5) / _PROJECTIONS
    turn = math.pi * (3 - math.sqrt(5)) * np.arange(_PROJECTIONS)
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=-1)
