"""Where one shot ends and the next begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def is_cut(difference: NDArray[np.float32], visible: NDArray[np.bool_]) -> bool:
    """Return whether a frame is the first of a shot.

    After a cut, optical flow finds next to nothing of a frame in the one before: of 54 pairs of unlike
    photos of 160 px, 0 to 2% of the points, of consecutive frames of a running animal 52 to 100%.

    Args:
        difference: Between the frame and the one before, warped along the flow: the mean over the channels
            of the absolute difference, of shape (H, W), in levels of 0 to 255.
        visible: Which points the flow finds in the frame before, of the same shape.
    """
    found = visible & (difference < _DIFFERENT)
    return bool(found.mean() < _LEAST_FOUND)


_DIFFERENT = 20.0
_LEAST_FOUND = 0.1
