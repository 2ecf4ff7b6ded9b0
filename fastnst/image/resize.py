"""The size of a picture whose longer side is given."""

from __future__ import annotations


def fit(size: tuple[int, int], longer_side: float) -> tuple[int, int]:
    """Return a size in the same proportions, at least 1x1.

    Args:
        size: Width and height in pixels, or height and width.
        longer_side: What the longer of the two becomes, in pixels.

    Returns:
        Both sides in the same order, rounded.
    """
    scale = longer_side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
