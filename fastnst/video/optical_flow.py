"""Optical flow between two frames, and where a shot ends."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnst.video.imports import import_cv2

# DIS matches patches of 8 pixels at several scales: smaller frames are extended to this side.
_SMALLEST = 32
# A point is found in another frame if they differ by less than this many of 255 levels there. After a cut, a
# smaller fraction of the points is found.
_DIFFERENT = 20.0
_LEAST_FOUND = 0.1

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]


class OpticalFlow:
    """Dense inverse search (Kroeger et al. 2016, arXiv:1603.03590) between two frames.

    Args:
        accurate: Whether to spend three times as long on smaller details.

    Raises:
        FastnstError: If OpenCV is not installed.
    """

    def __init__(self, *, accurate: bool = False) -> None:
        self._cv2: Any = import_cv2()
        preset = "DISOPTICAL_FLOW_PRESET_MEDIUM" if accurate else "DISOPTICAL_FLOW_PRESET_FAST"
        self._dis = self._cv2.DISOpticalFlow_create(getattr(self._cv2, preset))

    def __call__(self, start: Image, end: Image) -> Floats:
        """Return the way from each point of `start` to the same thing in `end`.

        Args:
            start: RGB of shape (H, W, 3), uint8.
            end: The other frame, of the same shape.

        Returns:
            Float32 of shape (H, W, 2): pixels to the right and down.
        """
        grey = [self._cv2.cvtColor(image, self._cv2.COLOR_RGB2GRAY) for image in (start, end)]
        height, width = grey[0].shape
        below, right = max(0, _SMALLEST - height), max(0, _SMALLEST - width)
        if below or right:
            grey = [np.pad(image, ((0, below), (0, right)), mode="edge") for image in grey]
        flow: Floats = self._dis.calc(grey[0], grey[1], None)
        return np.ascontiguousarray(flow[:height, :width])

    def warp(self, image: NDArray[Any], flow: Floats, *, cubic: bool = False) -> NDArray[Any]:
        """Sample `image`, of shape (H, W) or (H, W, C), where `flow` points to; the dtype stays."""
        height, width = flow.shape[:2]
        columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        warped: NDArray[Any] = self._cv2.remap(
            image,
            columns + flow[..., 0],
            rows + flow[..., 1],
            self._cv2.INTER_CUBIC if cubic else self._cv2.INTER_LINEAR,
            borderMode=self._cv2.BORDER_REPLICATE,
        )
        return warped

    def visible(self, there: Floats, back: Floats) -> NDArray[np.bool_]:
        """Return which points `there` leads to a point of the other frame that `back` brings home again.

        Points that are hidden in the other frame or outside of it fail this test (Sundaram et al. 2010,
        equation 5).

        Args:
            there: Flow from this frame to the other, of shape (H, W, 2).
            back: Flow from the other frame to this.

        Returns:
            Booleans of shape (H, W).
        """
        returned = self.warp(back, there)
        apart = np.sum((there + returned) ** 2, axis=-1)
        length = np.sum(there**2, axis=-1) + np.sum(returned**2, axis=-1)
        height, width = there.shape[:2]
        columns = np.arange(width, dtype=np.float32) + there[..., 0]
        rows = np.arange(height, dtype=np.float32)[:, np.newaxis] + there[..., 1]
        inside = (columns >= -0.5) & (columns <= width - 0.5) & (rows >= -0.5) & (rows <= height - 0.5)
        visible: NDArray[np.bool_] = inside & (apart < 0.01 * length + 0.5)
        return visible


def is_cut(difference: NDArray[np.float32], visible: NDArray[np.bool_]) -> bool:
    """Return whether a frame is the first of a shot.

    After a cut, optical flow finds almost no points of a frame in the one before: 0 to 2% in 54 pairs of
    different photos at 160 px, against 52 to 100% in consecutive frames of a running animal.

    Args:
        difference: Between the frame and the one before, warped along the flow: the mean over the channels
            of the absolute difference, of shape (H, W), in levels of 0 to 255.
        visible: Which points the flow finds in the frame before, of the same shape.
    """
    found = visible & (difference < _DIFFERENT)
    return bool(found.mean() < _LEAST_FOUND)
