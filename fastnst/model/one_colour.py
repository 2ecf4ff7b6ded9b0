"""Noticing that a picture came out in one colour, as from a model that was given the wrong values."""

from __future__ import annotations

import warnings

import numpy as np

from fastnst.errors import FastnstWarning
from fastnst.model.values import Images

# Pixels along each side that are looked at.
_SAMPLES = 96
# Pictures are of one colour if so many of their pixels differ from it by so few levels: a network that paints
# black may leave its padding's traces at the borders.
_PART, _LEVELS = 0.95, 3
# Fewer pixels than these, such as one block of a network's strides, may well become one colour.
_LEAST_PIXELS = 1024


def samples(images: Images) -> Images:
    """Return pixels from all over pictures of shape (N, H, W, 3), as a copy of shape (N, h, w, 3)."""
    rows, columns = (max(size // _SAMPLES, 1) for size in images.shape[1:3])
    chosen: Images = images[:, ::rows, ::columns].copy()
    return chosen


def warn_of_one_colour(before: Images, painted: Images, name: str, *, is_own: bool) -> None:
    """Warn if a picture is of one colour that was not before.

    Args:
        before: `samples` of the pictures.
        painted: The pictures as they are painted, of shape (N, H, W, 3).
        name: The style's name.
        is_own: Whether fastnst made the style.

    Warns:
        FastnstWarning: If one is.
    """
    if painted.shape[1] * painted.shape[2] < _LEAST_PIXELS:
        return
    for first, second in zip(before, samples(painted), strict=True):
        if _has_one_colour(second) and not _has_one_colour(first):
            advice = (
                "the style may be damaged or hardly trained"
                if is_own
                else "the model may take other values than those that were found: try --input-range, or --bgr"
            )
            warnings.warn(f"{name} painted a picture in one colour: {advice}", FastnstWarning, stacklevel=3)


def _has_one_colour(pixels: Images) -> bool:
    colours = pixels.reshape(-1, 3).astype(np.int16)
    differences = np.abs(colours - np.median(colours, axis=0)).max(axis=1)
    return bool(np.mean(differences <= _LEVELS) >= _PART)
