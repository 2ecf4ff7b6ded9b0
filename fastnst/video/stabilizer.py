"""Removing flicker: each painted frame is blended with the last one, warped along the source's motion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastnst.video.imports import import_cv2
from fastnst.video.optical_flow import Floats, Image, OpticalFlow, is_cut


@dataclass(frozen=True)
class Motion:
    """The motion from a source frame to the one before.

    Attributes:
        flow: Displacement from each point to where it was: float32 of shape (h, w, 2), in pixels of the flow.
        trust: Confidence that it is the same thing: float32 of shape (h, w), in [0, 1].
    """

    flow: Floats
    trust: Floats


class Stabilizer:
    """Keeps the strokes on an object steady while the object does not change.

    A stylised frame is `w * (the last result, warped) + (1 - w) * (the frame)`. The weight `w` is up to
    `strength` where the source, warped in the same way, is what the source now shows, and falls to 0 where it
    is not: there, the past would be a ghost. A cut begins anew. It is the test-time form of the short-term
    consistency of Ruder et al. 2016 (arXiv:1604.08610, section 4).

    The two steps have separate states and may run in two threads: `track` receives the source's frames in
    order, `blend` the painted frames in order.

    Args:
        strength: The greatest weight of the past, 0 to below 1.

    Raises:
        ValueError: If `strength` is not in [0, 1).
        FastnstError: If OpenCV is not installed.

    Example:
        >>> stabilizer = Stabilizer()  # doctest: +SKIP
        >>> stable = [stabilizer.blend(stylizer(f), stabilizer.track(f)) for f in frames]  # doctest: +SKIP
    """

    def __init__(self, *, strength: float = 0.8) -> None:
        if not 0 <= strength < 1:
            raise ValueError(f"strength must be at least 0 and below 1, not {strength}")
        self._cv2 = import_cv2()
        self._flow = OpticalFlow()
        self.strength = strength
        self._source: Image | None = None
        self._stable: Floats | None = None

    def track(self, source: Image) -> Motion | None:
        """Find the motion since the last source frame.

        Args:
            source: The next frame, RGB of shape (H, W, 3), uint8.

        Returns:
            The motion; None for the first frame of a video or a shot, and after a change of size.
        """
        height, width = source.shape[:2]
        # Half the size is enough for flow that only warps, and takes a quarter of the time.
        half = (max(1, round(width / 2)), max(1, round(height / 2)))
        small = self._cv2.resize(source, half, interpolation=self._cv2.INTER_AREA)
        last, self._source = self._source, small
        if last is None or last.shape != small.shape:
            return None
        flow = self._flow(small, last)
        visible = self._flow.visible(flow, self._flow(last, small))
        difference = np.abs(self._flow.warp(last, flow).astype(np.float32) - small).mean(axis=-1)
        if is_cut(difference, visible):
            return None
        # Over a neighbourhood, so that noise does not decide; the flow's own patches are of 8 pixels.
        difference = self._cv2.blur(difference, (5, 5))
        trust = np.exp(-((difference / _TOLERANCE) ** 2)) * visible
        # The edge of what is hidden belongs to it: blur and minimum move it outwards, softly.
        trust = np.minimum(trust, self._cv2.blur(self._cv2.erode(trust, np.ones((3, 3))), (5, 5)))
        return Motion(flow, trust.astype(np.float32))

    def blend(self, painted: Image, motion: Motion | None) -> Image:
        """Return the next frame of the result.

        Args:
            painted: The stylised frame, RGB of shape (H, W, 3), uint8.
            motion: What `track` returned for its source frame.

        Returns:
            The same shape, uint8.
        """
        last = self._stable
        if motion is None or last is None or last.shape != painted.shape:
            self._stable = painted.astype(np.float32)
            return painted
        height, width = painted.shape[:2]
        flow = self._cv2.resize(motion.flow, (width, height))
        flow *= np.array([width / motion.flow.shape[1], height / motion.flow.shape[0]], np.float32)
        weight = self.strength * self._cv2.resize(motion.trust, (width, height))[..., np.newaxis]
        # Cubic, because a blend of blends that were each interpolated linearly loses the brush strokes.
        moved = self._flow.warp(last, flow, cubic=True)
        stable: Floats = painted + weight * (moved - painted)
        np.clip(stable, 0, 255, out=stable)
        self._stable = stable
        result: NDArray[np.uint8] = np.rint(stable).astype(np.uint8)
        return result


# In levels of 0 to 255. Noise and compression are 2 to 4 levels in the mean over three channels and a
# neighbourhood, something else in its place mostly above 20.
_TOLERANCE = 12.0


def stabilized(
    paint: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], begin_shot: Callable[[], None]
) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Return a function that paints one picture after the other without flicker, as a camera gives them.

    Args:
        paint: Paints a picture: RGB of shape (H, W, 3), uint8, to the same shape.
        begin_shot: Called before the first picture after each cut.
    """
    stabilizer = Stabilizer()

    def step(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        motion = stabilizer.track(image)
        if motion is None:
            begin_shot()
        return stabilizer.blend(paint(image), motion)

    return step
