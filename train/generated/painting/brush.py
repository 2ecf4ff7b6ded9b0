"""A canvas and a brush: strokes of bristles that lay paint with a relief, which is lit at the end.

Lengths are in thousandths of the canvas's longer side, so that a picture is the same at every size.
Points are complex numbers: the real part to the right, the imaginary part downwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Colour = Sequence[float]
Plane = NDArray[np.float32]

UNITS, ASPECT = 1000.0, 0.8  # the canvas's width, and its height over its width
_LIGHT = -0.6 - 0.8j  # from the upper left, as pictures are usually lit
_BRISTLES = (512, 256)  # the pattern of the bristles repeats after this many units along and across a stroke


class Canvas:
    """A canvas `size` pixels wide, primed in the colour `ground`; `random` draws the bristles."""

    def __init__(self, size: int, ground: Colour, random: np.random.Generator) -> None:
        self._pixel = UNITS / size
        self._random = random
        self._bristles = _bristles(random)
        y, x = (np.mgrid[0 : max(1, round(size * ASPECT)), 0:size] + 0.5) * self._pixel
        self._points = x + 1j * y
        self._colour = np.full((*x.shape, 3), ground, np.float32)
        thread = math.pi / 2.6  # threads over and under each other, 2.6 units wide
        self._weave = (0.22 * np.sin(x * thread) * np.sin(y * thread)).astype(np.float32)
        self._relief = self._weave.copy()

    def stroke(
        self, start: complex, angle: float, length: float, width: float, paint: Colour, second: Colour,
        *, curvature: float = 0.0, dryness: float = 0.3, taper: float = 0.1,
    ) -> None:  # fmt: skip
        """Lay a stroke, a circular arc or a straight line, on what is there; it may cross the border.

        It leaves `start` at `angle`, in radians, 0 to the right; positive angles turn clockwise. It goes at
        most once around. `curvature` is one over its radius, above 0 clockwise; `second` is a colour, RGB in
        [0, 1] as `paint`, that shows as streaks; `dryness`, from 0 to 1, is how far paint runs out towards
        the end, in gaps between bristles; `taper` is the fraction of the length over which ends grow thin.
        """
        curvature = curvature if abs(curvature) >= 1e-5 else 1e-5  # straight to well below a pixel
        centre = start + 1j * np.exp(1j * angle) / curvature
        arc = centre - 1j * np.exp(1j * (angle + curvature * np.linspace(0, length, 24))) / curvature
        box = self._span(arc.imag, 0.6 * width + 4), self._span(arc.real, 0.6 * width + 4)
        if not self._relief[box].size:
            return
        # Turned so that the middle of the stroke lies at angle 0, where angles cannot wrap.
        turned = (self._points[box] - centre) * (1j * np.exp(-1j * (angle + curvature * length / 2)))
        turned *= math.copysign(1, curvature)
        along = (length / 2 + np.angle(turned) / curvature).astype(np.float32)
        across = (np.abs(turned) - 1 / abs(curvature)).astype(np.float32)
        row, column, phase = (int(value) for value in self._random.integers(0, (*_BRISTLES, 1000)))
        progress = along / length
        across += np.sin(5 * progress + phase) * 0.06 * width
        rows, left = (along + row).astype(int) % _BRISTLES[0], np.floor(across + column)
        # Interpolated between two bristles, so that large pictures show no steps.
        one, two = (self._bristles[rows, (left + at).astype(int) % _BRISTLES[1]] for at in (0, 1))
        streak = one + (two - one) * (across + column - left)
        # Bristles end unevenly at the rim and at both ends.
        ends = np.minimum(progress, 1 - progress) / max(taper, 1e-3)
        rim = width / 2 * (0.84 + 0.16 * streak) * np.sqrt(np.clip(ends, 0, 1)) - np.abs(across)
        inside = np.minimum(along, length - along) - 0.5 * min(width, length / 3) * (1 - streak)
        gaps = (streak - dryness * np.clip(progress, 0, 1) ** 2) * 5
        cover = 0.95 * _step(rim / self._pixel) * _step(inside / self._pixel) * _step(gaps)
        mixed = np.clip(1.6 * streak - 0.55, 0, 1)[..., None]
        colour: Plane = np.asarray(paint, np.float32) + np.subtract(second, paint, dtype=np.float32) * mixed
        area, relief = self._colour[box], self._relief[box]
        area += (colour * (0.93 + 0.14 * streak)[..., None] - area) * cover[..., None]
        ridge = np.clip(1 - rim / (0.16 * width + 0.8), 0, 1)
        thickness = min(1.0, 0.35 + width / 40) * (0.25 + 1.5 * streak + 0.7 * ridge)
        relief += (thickness - 0.65 * relief) * cover

    def glaze(self, centre: complex, radius: float, paint: Colour, opacity: float) -> None:
        """Lay a disc of transparent paint, which colours what is there and keeps its relief."""
        cover = opacity * _step((radius - np.abs(self._points - centre)) / self._pixel)
        self._colour += (np.asarray(paint) * (0.55 + 0.45 * self._colour) - self._colour) * cover[..., None]

    def finish(self) -> NDArray[np.uint8]:
        """Light the paint from the upper left; returns RGB, uint8 of shape (H, W, 3)."""
        down, right = np.gradient(self._relief + 0.35 * self._weave, self._pixel)
        slope = -(right * _LIGHT.real + down * _LIGHT.imag)  # towards the light
        shade, gloss = 1 + 0.2 * np.tanh(1.4 * slope), 0.1 * np.clip(np.tanh(slope) - 0.55, 0, 1)
        lit = self._colour * shade[..., None] + gloss[..., None]
        return np.asarray(np.rint(np.clip(lit, 0, 1) * 255), np.uint8)

    def _span(self, positions: NDArray[np.float64], margin: float) -> slice:
        """Return the rows or columns within a margin of some positions."""
        first, last = (positions.min() - margin) / self._pixel, (positions.max() + margin) / self._pixel
        return slice(max(0, math.floor(first)), max(0, math.ceil(last)))


def _step(inside: Plane) -> Plane:
    """Return 1 inside, 0 outside, with an edge one pixel wide."""
    return np.asarray(np.clip(inside + 0.5, 0, 1))


def _bristles(random: np.random.Generator) -> Plane:
    """Return streaks, long in the first axis, evenly spread over 0 to 1, that continue at the borders."""
    frequencies = np.meshgrid(*(np.fft.fftfreq(side) for side in _BRISTLES), indexing="ij")
    total = np.zeros(_BRISTLES)
    for length, width, weight in ((160, 2, 0.8), (120, 5, 1.0), (200, 12, 0.9), (24, 2, 0.35)):
        smooth = np.exp(-3.3 * ((frequencies[0] * length) ** 2 + (frequencies[1] * width) ** 2))
        noise = np.fft.ifft2(np.fft.fft2(random.standard_normal(_BRISTLES)) * smooth).real
        total += weight * noise / noise.std()
    ranks = total.ravel().argsort(kind="stable").argsort(kind="stable")
    return np.asarray(ranks.reshape(_BRISTLES) / total.size, np.float32)
