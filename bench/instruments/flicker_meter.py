"""Measure how much a stylised video flickers."""

from __future__ import annotations

import numpy as np

from fastnst.video.imports import import_cv2
from fastnst.video.optical_flow import Floats, Image, OpticalFlow, is_cut


class FlickerMeter:
    """The warping error of a stylised video, divided by that of its source.

    Each frame is warped onto the next along the source's optical flow. What still differs is flicker, or an
    error of the flow. The warping error is the mean absolute difference over the points that are visible in
    both frames, where forward and backward flow agree. Lai et al. 2018 (arXiv:1808.00449, section 4.2) take
    the mean square of values in [0, 1] instead. Pairs across a cut do not count. The source's own error, over
    the same points, contains noise, changes of light and errors of the flow. Dividing by it makes clips
    comparable.

    Blur reduces the error too: `detail` shows blur. Pass the frames to `update` in order.

    Attributes:
        pairs: Pairs of frames that were measured.
        cuts: Pairs that were left out: a cut, or no point visible in both frames.

    Raises:
        FastnstError: If OpenCV is not installed.
    """

    def __init__(self) -> None:
        self._cv2 = import_cv2()
        self._flow = OpticalFlow(accurate=True)
        self._last: tuple[Image, Image] | None = None
        self._errors = np.zeros(2)
        self._details: list[float] = []
        self.pairs = 0
        self.cuts = 0

    def update(self, source: Image, stylized: Image) -> None:
        """Measure the next frame of both videos.

        Args:
            source: RGB of shape (H, W, 3), uint8.
            stylized: Its painted frame, of any size; the source is resized to it.
        """
        height, width = stylized.shape[:2]
        if source.shape != stylized.shape:
            source = self._cv2.resize(source, (width, height), interpolation=self._cv2.INTER_AREA)
        self._details.append(self._detail(stylized))
        last, self._last = self._last, (source, stylized)
        if last is None or last[0].shape != source.shape:
            return
        flow = self._flow(source, last[0])
        visible = self._flow.visible(flow, self._flow(last[0], source))
        differences = [
            np.abs(self._flow.warp(before.astype(np.float32), flow) - now).mean(axis=-1)
            for before, now in zip(last, (source, stylized), strict=True)
        ]
        if is_cut(differences[0], visible) or not visible.any():
            self.cuts += 1
            return
        self._errors += [difference[visible].mean() for difference in differences]
        self.pairs += 1

    @property
    def source_error(self) -> float:
        """The source's warping error in levels of 0 to 255; NaN before the first pair."""
        return float(self._errors[0] / self.pairs) if self.pairs else float("nan")

    @property
    def stylized_error(self) -> float:
        """The stylised video's warping error in levels of 0 to 255; NaN before the first pair."""
        return float(self._errors[1] / self.pairs) if self.pairs else float("nan")

    @property
    def flicker(self) -> float:
        """The stylised video's warping error divided by the source's; 1 flickers as much as the source."""
        return self.stylized_error / self.source_error if self.source_error else float("nan")

    @property
    def detail(self) -> float:
        """The mean absolute Laplacian of the stylised frames, in levels: their amount of fine detail."""
        return float(np.mean(self._details)) if self._details else float("nan")

    def _detail(self, image: Image) -> float:
        grey = self._cv2.cvtColor(image, self._cv2.COLOR_RGB2GRAY)
        laplacian: Floats = self._cv2.Laplacian(grey, self._cv2.CV_32F)
        return float(np.abs(laplacian).mean())
