"""Colours as lightness and colourfulness: Oklab, in which the hue stays while the other two change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnst.row_strips import row_strips

Plane = NDArray[np.float32]

# Ottosson 2020, "A perceptual color space for image processing", https://bottosson.github.io/posts/oklab/
_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_TO_LMS = _RGB_TO_LMS.T.astype(np.float32)
_TO_LAB = _LMS_TO_LAB.T.astype(np.float32)
_FROM_LAB = np.linalg.inv(_LMS_TO_LAB).T.astype(np.float32)
_FROM_LMS = np.linalg.inv(_RGB_TO_LMS).T.astype(np.float32)

_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)

# sRGB's curve from linear light to bytes; its error is at most 1/20 of a level, where the curve is steepest.
_STEPS = np.arange(1 << 16) / ((1 << 16) - 1)
_BYTES = np.rint(
    255 * np.where(_STEPS <= 0.0031308, 12.92 * _STEPS, 1.055 * np.power(_STEPS, 1 / 2.4) - 0.055)
).astype(np.uint8)

# Rounding in float32 may move a colour this far outside [0, 1].
_ROUNDING = np.float32(1e-4)
_BISECTIONS = 10  # to a thousandth of the chroma


def rgb_to_oklab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert sRGB to Oklab.

    Args:
        image: RGB, uint8 of shape (..., 3).

    Returns:
        L in [0, 1], a and b in about [-0.32, 0.28], float32 of the same shape.
    """
    lab: NDArray[np.float32] = np.cbrt(linear_light(image) @ _TO_LMS) @ _TO_LAB
    return lab


def oklab_to_rgb(lab: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Convert Oklab to sRGB; colours that sRGB does not have keep lightness and hue and lose chroma.

    Clipping the channels instead would shift the hue: a bright blue sky turns cyan or violet.

    Args:
        lab: Float32 of shape (..., 3). L outside [0, 1] is clipped.

    Returns:
        RGB, uint8 of the same shape.
    """
    lightness = np.clip(lab[..., :1], 0, 1)
    linear = _linear_rgb(np.concatenate([lightness, lab[..., 1:]], axis=-1))
    outside = _outside(linear[..., 0], linear[..., 1], linear[..., 2])
    if outside.any():
        linear[outside] = _with_less_chroma(lightness[outside][:, 0], lab[outside][:, 1:])
    return srgb_bytes(linear)


def linear_light(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return sRGB's values, uint8 of any shape, as linear light, float32 in [0, 1] of the same shape."""
    light: NDArray[np.float32] = _LINEAR.take(image)
    return light


def srgb_bytes(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return linear light in sRGB's primaries, of any shape, as sRGB; what is outside [0, 1] is clipped."""
    steps = np.rint(np.clip(linear, 0, 1) * np.float32(len(_BYTES) - 1)).astype(np.uint16)
    bytes_: NDArray[np.uint8] = _BYTES.take(steps)
    return bytes_


def with_colours_of(picture: NDArray[np.uint8], photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture in the photo's colours: its lightness, the photo's chroma and hue.

    Luminance-only transfer (Gatys et al. 2016, section 3.2, arXiv:1606.05897), in Oklab in place of YIQ.
    A colour that sRGB lacks at its new lightness loses chroma and keeps its hue.

    Args:
        picture: RGB of shape (H, W, 3), uint8.
        photo: RGB of the same shape, uint8.

    Returns:
        RGB of the same shape, uint8.
    """
    return with_lightness(photo, lightness(picture))


def lightness(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return L of a picture of shape (H, W, 3), as float32 of shape (H, W)."""
    plane = np.empty(picture.shape[:2], np.float32)
    for rows in row_strips(*picture.shape[:2]):
        plane[rows] = rgb_to_oklab(picture[rows])[..., 0]
    return plane


def with_lightness(picture: NDArray[np.uint8], plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a picture of shape (H, W, 3), uint8, with its L replaced by a plane of shape (H, W)."""
    result = np.empty_like(picture)
    for rows in row_strips(*picture.shape[:2]):
        lab = rgb_to_oklab(picture[rows])
        lab[..., 0] = plane[rows]
        result[rows] = oklab_to_rgb(lab)
    return result


def _linear_rgb(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    root = lab @ _FROM_LAB
    linear: NDArray[np.float32] = (root * root * root) @ _FROM_LMS
    return linear


def _outside(red: Plane, green: Plane, blue: Plane) -> NDArray[np.bool_]:
    # Many times as fast as min(axis=-1) over three channels.
    least = np.minimum(np.minimum(red, green), blue)
    most = np.maximum(np.maximum(red, green), blue)
    outside: NDArray[np.bool_] = (least < -_ROUNDING) | (most > 1 + _ROUNDING)
    return outside


def _with_less_chroma(lightness: Plane, chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return linear RGB of shape (n, 3) for L of (n,) and a, b of (n, 2), with the most chroma there is."""
    # Along a ray of chroma, from grey at 0 to the colour at 1, each channel of linear light is a cubic.
    to_rgb = np.ascontiguousarray(_FROM_LMS.T)
    slope = np.ascontiguousarray((chroma @ _FROM_LAB[1:]).T)
    constant = lightness * lightness * lightness
    first = 3 * lightness * lightness * (to_rgb @ slope)
    second = 3 * lightness * (to_rgb @ (slope * slope))
    third = to_rgb @ (slope * slope * slope)

    def linear(share: Plane) -> NDArray[np.float32]:
        channels: NDArray[np.float32] = ((third * share + second) * share + first) * share + constant
        return channels

    # Without chroma every L in [0, 1] is a grey of sRGB, so the bisection starts between inside and outside.
    inside: Plane = np.zeros_like(lightness)
    beyond: Plane = np.ones_like(lightness)
    for _ in range(_BISECTIONS):
        middle = (inside + beyond) * np.float32(0.5)
        is_outside = _outside(*linear(middle))
        beyond = np.where(is_outside, middle, beyond)
        inside = np.where(is_outside, inside, middle)
    rgb: NDArray[np.float32] = linear(inside).T
    return rgb
