"""A canvas and a brush: strokes of bristles that lay paint with a relief, which is lit at the end.

Lengths are in units of a thousandth of the canvas's longer side, so that a picture is the same at every size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
Plane = NDArray[np.float32]

UNITS = 1000.0
"""The canvas's longer side."""

# The bristles' pattern repeats after so many units along and across a stroke.
_ALONG, _ACROSS = 512, 256
# From the upper left, as pictures are usually lit.
_LIGHT = (-0.6, -0.8)
_RELIEF = 0.16
_OPACITY = 0.95


@dataclass(frozen=True)
class Stroke:
    """One stroke: a circular arc, or a straight line.

    Attributes:
        x: Where it starts, in units.
        y: The same, downwards.
        angle: Where it heads at first, in radians; 0 is to the right, and positive angles turn clockwise.
        length: In units; at most once around.
        width: In units.
        paint: Its colour, RGB in [0, 1].
        second: A colour that the brush has taken up as well; it shows as streaks.
        curvature: One over the radius, in 1/units; 0 is straight, above 0 turns clockwise.
        dryness: How far the paint runs out towards the end, from 0 to 1: gaps between bristles.
        taper: Part of the length over which the ends grow thin.
    """

    x: float
    y: float
    angle: float
    length: float
    width: float
    paint: Colour
    second: Colour
    curvature: float = 0.0
    dryness: float = 0.2
    taper: float = 0.1


class Canvas:
    """A primed canvas to paint on.

    Args:
        size: Longer side in pixels.
        aspect: Height over width, at most 1.
        ground: Colour of the priming, RGB in [0, 1].
        random: For the bristles.

    Attributes:
        width: In pixels.
        height: In pixels.
        x: The pixels' positions to the right, in units, of shape (H, W).
        y: The same downwards.
    """

    def __init__(self, size: int, aspect: float, ground: Colour, random: np.random.Generator) -> None:
        self.width, self.height = size, max(1, round(size * aspect))
        self._scale = size / UNITS
        self._random = random
        self._bristles = _bristles(random)
        y, x = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32)
        self.x: Plane = (x + 0.5) / np.float32(self._scale)
        self.y: Plane = (y + 0.5) / np.float32(self._scale)
        self._colour = np.empty((self.height, self.width, 3), np.float32)
        self._colour[:] = ground
        # Threads over and under each other, 2.6 units wide.
        thread = np.float32(math.pi / 2.6)
        over, under = np.sin(self.x * thread), np.sin(self.y * thread)
        self._relief: Plane = 0.22 * over * under
        self._weave: Plane = self._relief.copy()

    def paint(self, stroke: Stroke, clip: Plane | None = None) -> None:
        """Lay one stroke on what is there.

        Args:
            stroke: The stroke; parts beyond the border are cut off.
            clip: Where paint may stay, from 0 to 1, of shape (H, W); everywhere without it.
        """
        box = self._box(stroke)
        if box is None:
            return
        along, across = _stroke_coordinates(stroke, self.x[box], self.y[box])
        half = stroke.width / 2
        progress = along / np.float32(stroke.length)
        row, column, phase = (int(value) for value in self._random.integers(0, [_ALONG, _ACROSS, 1000]))
        across += np.sin(progress * np.float32(5.0) + np.float32(phase)) * np.float32(0.06 * stroke.width)
        streak = self._streaks(along + np.float32(row), across + np.float32(column + _ACROSS))
        pixel = np.float32(1 / self._scale)
        # The bristles at the rim and at both ends do not stand in line.
        ends = np.minimum(progress, 1 - progress) / np.float32(max(stroke.taper, 1e-3))
        reach = half * (0.84 + 0.16 * streak) * np.sqrt(np.clip(ends, 0, 1))
        rim = reach - np.abs(across)
        cover = np.clip(rim / pixel + 0.5, 0, 1)
        ragged = np.float32(0.5 * min(stroke.width, stroke.length / 3)) * (1 - streak)
        cover *= np.clip((np.minimum(along, stroke.length - along) - ragged) / pixel + 0.5, 0, 1)
        if stroke.dryness:
            empty = stroke.dryness * np.clip(progress, 0, 1) ** 2
            cover *= np.clip((streak - empty) * 5 + 0.5, 0, 1)
        alpha = cover * np.float32(_OPACITY)
        if clip is not None:
            alpha = alpha * clip[box]
        paint = np.asarray(stroke.paint, np.float32)
        second = np.asarray(stroke.second, np.float32)
        mixed = np.clip(1.6 * streak - 0.55, 0, 1)[..., None]
        colour = (paint + (second - paint) * mixed) * (0.93 + 0.14 * streak)[..., None]
        target = self._colour[box]
        target += (colour - target) * alpha[..., None]
        ridge = np.clip(1 - rim / np.float32(0.16 * stroke.width + 0.8), 0, 1)
        thickness = np.float32(min(1.0, 0.35 + stroke.width / 40))
        laid = thickness * (0.25 + 1.5 * streak + 0.7 * ridge)
        relief = self._relief[box]
        relief += (0.35 * relief + laid - relief) * alpha

    def glaze(self, paint: Colour, clip: Plane, opacity: float) -> None:
        """Lay a thin transparent paint, which colours what is there and keeps its relief.

        Args:
            paint: Its colour, RGB in [0, 1].
            clip: Where, from 0 to 1, of shape (H, W).
            opacity: From 0, nothing, to 1, that of a stroke.
        """
        colour = np.asarray(paint, np.float32)
        through = colour * (0.55 + 0.45 * self._colour)
        self._colour += (through - self._colour) * (np.float32(opacity) * clip)[..., None]

    def finish(self) -> NDArray[np.uint8]:
        """Light the paint from the upper left.

        Returns:
            RGB, uint8 of shape (H, W, 3).
        """
        relief = self._relief + 0.35 * self._weave
        down, right = np.gradient(relief, 1 / self._scale)
        slope = -(right * _LIGHT[0] + down * _LIGHT[1])  # of what faces the light
        shade = 1 + _RELIEF * np.tanh(slope * np.float32(1.4))
        gloss = 0.10 * np.clip(np.tanh(slope) - 0.55, 0, 1)
        lit = self._colour * shade[..., None] + gloss[..., None]
        return np.asarray(np.rint(np.clip(lit, 0, 1) * 255), np.uint8)

    def _streaks(self, along: Plane, across: Plane) -> Plane:
        left = np.floor(across)
        row, column = along.astype(np.int32) % _ALONG, left.astype(np.int32) % _ACROSS
        one, two = self._bristles[row, column], self._bristles[row, (column + 1) % _ACROSS]
        return np.asarray(one + (two - one) * (across - left))

    def _box(self, stroke: Stroke) -> tuple[slice, slice] | None:
        """Return the pixels that a stroke can reach, or None if they are all beyond the border."""
        steps = np.linspace(0, stroke.length, 24)
        heading = stroke.angle + stroke.curvature * (steps[:-1] + steps[1:]) / 2
        x = stroke.x + np.concatenate([[0], np.cumsum(np.cos(heading) * np.diff(steps))])
        y = stroke.y + np.concatenate([[0], np.cumsum(np.sin(heading) * np.diff(steps))])
        margin = 0.6 * stroke.width + 2 + stroke.length * abs(stroke.curvature) * stroke.length / 4000
        bounds = []
        for positions, side in ((y, self.height), (x, self.width)):
            first = max(0, math.floor((positions.min() - margin) * self._scale))
            last = min(side, math.ceil((positions.max() + margin) * self._scale))
            if first >= last:
                return None
            bounds.append(slice(first, last))
        return bounds[0], bounds[1]


def _stroke_coordinates(stroke: Stroke, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Return how far along and across a stroke points lie, in units."""
    # An arc of this radius is straight to well below a pixel.
    curvature = stroke.curvature if abs(stroke.curvature) > 1e-5 else 1e-5
    radius, side = 1 / abs(curvature), math.copysign(1.0, curvature)
    cos, sin = math.cos(stroke.angle), math.sin(stroke.angle)
    centre_x, centre_y = stroke.x - sin / curvature, stroke.y + cos / curvature
    # Angles are counted from the middle of the stroke, where they cannot wrap around.
    middle = stroke.angle + curvature * stroke.length / 2
    cos, sin = math.cos(middle), math.sin(middle)
    right, down = x.astype(np.float64) - centre_x, y.astype(np.float64) - centre_y
    outwards, onwards = side * (right * sin - down * cos), right * cos + down * sin
    along = stroke.length / 2 + radius * np.arctan2(onwards, outwards)
    across = np.hypot(right, down) - radius
    return along.astype(np.float32), across.astype(np.float32)


def _bristles(random: np.random.Generator) -> Plane:
    """Return streaks, long in the first axis, evenly spread over 0 to 1, that continue at the borders."""
    total = np.zeros((_ALONG, _ACROSS))
    for length, width, weight in ((160, 2, 0.8), (120, 5, 1.0), (200, 12, 0.9), (24, 2, 0.35)):
        noise = random.standard_normal((_ALONG, _ACROSS))
        for axis, reach in ((0, length), (1, width)):
            for _ in range(2):
                noise = _moving_mean(noise, reach, axis)
        total += weight * noise / noise.std()
    ranks = np.empty(total.size, np.float32)
    ranks[np.argsort(total, axis=None, kind="stable")] = np.linspace(0, 1, total.size, dtype=np.float32)
    return ranks.reshape(total.shape)


def _moving_mean(plane: NDArray[np.float64], reach: int, axis: int) -> NDArray[np.float64]:
    wrapped = np.concatenate([plane, plane.take(range(reach), axis)], axis)
    sums = np.cumsum(wrapped, axis)
    side = plane.shape[axis]
    return np.asarray(sums.take(range(reach, side + reach), axis) - sums.take(range(side), axis)) / reach
