"""The forms of an abstract composition: rings, wedges, sweeping bands and lines over broad brushwork."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from train.generated.painting.brush import UNITS, Canvas, Colour, Plane, Stroke

ASPECT = 0.8
"""Height of the canvas over its width."""

_HEIGHT = UNITS * ASPECT


@dataclass(frozen=True)
class Palette:
    """Few colours, RGB in [0, 1].

    Attributes:
        ink: The darkest, for lines.
        colours: The strong ones.
        lights: Two light ones; the last is the priming.
    """

    ink: Colour
    colours: tuple[Colour, ...]
    lights: tuple[Colour, Colour]


class Composition:
    """An abstract composition in the making.

    Args:
        canvas: Where it is painted.
        palette: Its colours.
        random: Of all that is left to chance.
    """

    def __init__(self, canvas: Canvas, palette: Palette, random: np.random.Generator) -> None:
        self.canvas = canvas
        self.random = random
        self.ink, self.colours, self.lights = palette.ink, palette.colours, palette.lights
        # Where the large forms are; the ground's brushwork turns around them.
        between = self.random.uniform
        side = float(self.random.choice([-1, 1]))
        self.centres = [
            (500 + side * between(120, 220), _HEIGHT * between(0.32, 0.48), between(200, 250)),
            (500 - side * between(200, 300), _HEIGHT * between(0.58, 0.78), between(120, 165)),
            (500 + side * between(280, 400), _HEIGHT * between(0.76, 0.92), between(80, 120)),
            (500 - side * between(260, 400), _HEIGHT * between(0.08, 0.26), between(70, 110)),
        ]
        self.diagonal = side * between(0.5, 0.8)

    def lay_ground(self) -> None:
        """Cover the canvas with broad strokes, then with narrower ones, in patches of colour."""
        patches = [
            (self.random.uniform(0, UNITS), self.random.uniform(0, _HEIGHT), self._ground_colour())
            for _ in range(26)
        ]
        for width, count in ((62, 380), (38, 520), (23, 420)):
            for _ in range(count):
                x, y = self.random.uniform(-40, UNITS + 40), self.random.uniform(-40, _HEIGHT + 40)
                reached = [
                    math.hypot(patch[0] - x, 1.4 * (patch[1] - y)) + self.random.normal(0, 14)
                    for patch in patches
                ]
                nearest, next_nearest = np.argsort(reached)[:2]
                angle = self._flow(x, y)
                ahead = self._flow(x + 20 * math.cos(angle), y + 20 * math.sin(angle))
                self._stroke(
                    x,
                    y,
                    angle + self.random.normal(0, 0.08),
                    length=width * self.random.uniform(2.5, 6),
                    width=width * self.random.uniform(0.7, 1.15),
                    paint=patches[nearest][2],
                    second=patches[next_nearest][2],
                    curvature=math.remainder(ahead - angle, math.pi) / 20,
                    dryness=0.6,
                )

    def place_forms(self) -> None:
        """Paint the forms from back to front."""
        for _ in range(3):
            self._wedge()
        for _ in range(4):
            self._sweep()
        for centre in self.centres[::-1]:
            self._aura(*centre)
        for centre in self.centres[::-1]:
            self._rings(*centre)
        for _ in range(3):
            self._glaze()
        for _ in range(3):
            self._ladder()
        for _ in range(7):
            self._dabs()
        for _ in range(3):
            self._fan()
        for _ in range(9):
            self._ink_line()

    def _aura(self, x: float, y: float, radius: float) -> None:
        """Arcs around a form that grow rarer outwards: it belongs to what is around it."""
        random = self.random
        for _ in range(round(radius / 13)):
            at = radius * (1.04 + random.exponential(0.33))
            paint = self._any_of([*self.colours, *self.lights])
            width = random.uniform(14, 34)
            self._arc(x, y, at, random.uniform(0, math.tau), random.uniform(0.5, 1.5), paint, width)

    def _rings(self, x: float, y: float, radius: float) -> None:
        """Concentric bands in segments of changing colours, inked between some of them."""
        random = self.random
        self._disc(x, y, radius + 4, self._any_of(self.colours))
        turn = random.uniform(0, math.tau)
        bands = max(3, round(radius / random.uniform(30, 42)))
        edges = np.linspace(0, radius, bands + 1)
        edges[1:-1] += random.normal(0, 0.12 * radius / bands, bands - 1)
        for band in range(bands):
            inner, outer = edges[band], edges[band + 1]
            parts = int(random.integers(2, 5))
            turn += random.uniform(-0.35, 0.35)
            previous = None
            for part in range(parts):
                paint = self._colour_but(previous)
                previous = paint
                start, sweep = turn + math.tau * part / parts, math.tau / parts
                self._ring_segment(x, y, inner, outer, start, sweep, paint)
            if band and random.random() < 0.7:
                self._arc(x, y, inner, random.uniform(0, math.tau), random.uniform(1.5, 5.0), self.ink, 6.5)
        self._arc(x, y, radius, random.uniform(0, math.tau), random.uniform(3.5, 6.0), self.ink, 9)

    def _ring_segment(
        self, x: float, y: float, inner: float, outer: float, start: float, sweep: float, paint: Colour
    ) -> None:
        second = self._neighbour(paint)
        rows = max(1, round((outer - inner) / 15))
        for row in range(2 * rows):
            radius = inner + (outer - inner) * (row / 2 + 0.5 + self.random.normal(0, 0.08)) / rows
            radius = max(3.0, min(radius, outer - 4))
            width = (outer - inner) / rows * 1.15
            overlap = 0.45 * width / radius  # where the bristles are ragged
            self._arc(x, y, radius, start - overlap, sweep + 2 * overlap, paint, width, second=second)

    def _arc(
        self,
        x: float,
        y: float,
        radius: float,
        start: float,
        sweep: float,
        paint: Colour,
        width: float,
        second: Colour | None = None,
    ) -> None:
        self._stroke(
            x + radius * math.cos(start),
            y + radius * math.sin(start),
            start + math.pi / 2,
            length=radius * min(sweep, 6.2),
            width=width,
            paint=paint,
            second=second or self._neighbour(paint),
            curvature=1 / radius,
            dryness=0.3,
            taper=0.04 if second else 0.25,
        )

    def _disc(self, x: float, y: float, radius: float, paint: Colour) -> None:
        clip = self._soft(radius - np.hypot(self.canvas.x - x, self.canvas.y - y))
        self._hatch(clip, (x, y, radius), self.random.uniform(0, math.pi), paint, 22)

    def _glaze(self) -> None:
        """A translucent disc, through which what is below shows."""
        random = self.random
        x, y, radius = random.uniform(150, 850), random.uniform(0.15, 0.85) * _HEIGHT, random.uniform(80, 150)
        clip = self._soft(radius - np.hypot(self.canvas.x - x, self.canvas.y - y))
        self.canvas.glaze(self._any_of(self.colours), clip, random.uniform(0.6, 0.8))
        self._arc(x, y, radius, random.uniform(0, math.tau), random.uniform(1.5, 4.0), self.ink, 5)

    def _wedge(self) -> None:
        """A long triangle along or across the diagonal."""
        random = self.random
        angle = self.diagonal + random.choice([0, math.pi, math.pi / 2]) + random.normal(0, 0.15)
        x, y = random.uniform(200, 800), random.uniform(0.2, 0.8) * _HEIGHT
        length, base = random.uniform(380, 620), random.uniform(90, 170)
        along = (self.canvas.x - x) * math.cos(angle) + (self.canvas.y - y) * math.sin(angle) + length / 2
        across = (self.canvas.y - y) * math.cos(angle) - (self.canvas.x - x) * math.sin(angle)
        half = base / 2 * (1 - along / length)
        clip = self._soft(np.minimum(half - np.abs(across), along))
        paint = self._any_of([self.ink, *self.colours])
        self._hatch(clip, (x, y, length / 2), angle, paint, 19)

    def _hatch(
        self,
        clip: Plane,
        around: tuple[float, float, float],
        angle: float,
        paint: Colour,
        width: float,
    ) -> None:
        """Fill a form with strokes of one direction, changing from one colour to its neighbour."""
        x, y, radius = around
        second = self._neighbour(paint)
        cos, sin = math.cos(angle), math.sin(angle)
        count = int((2 * radius / width) ** 2 / 1.6)
        for _ in range(count):
            along, across = self.random.uniform(-1.1, 0.9) * radius, self.random.uniform(-1, 1) * radius
            self._stroke(
                x + along * cos - across * sin,
                y + along * sin + across * cos,
                angle + self.random.normal(0, 0.07),
                length=self.random.uniform(3, 6) * width,
                width=width * self.random.uniform(0.7, 1.2),
                paint=paint,
                second=second,
                dryness=0.5,
                clip=clip,
            )

    def _sweep(self) -> None:
        """A broad curved band with a companion and an ink contour."""
        random = self.random
        angle = self.diagonal + random.choice([0, math.pi]) + random.normal(0, 0.5)
        x, y = random.uniform(0, UNITS), random.uniform(0, _HEIGHT)
        curvature = random.choice([-1, 1]) * random.uniform(0.0015, 0.0045)
        length, width = random.uniform(420, 800), random.uniform(26, 44)
        paint = self._any_of(self.colours)
        bands = (
            (0.0, width, paint),
            (0.9 * width, 0.55 * width, self._colour_but(paint)),
            (-0.62 * width, 6.0, self.ink),
        )
        for offset, wide, colour in bands:
            self._stroke(
                x - offset * math.sin(angle),
                y + offset * math.cos(angle),
                angle,
                length=length * (1 - curvature * offset),
                width=wide,
                paint=colour,
                second=self._neighbour(colour),
                curvature=curvature / (1 - curvature * offset),
                dryness=0.55,
                taper=0.08,
            )

    def _ladder(self) -> None:
        """Rungs along a curve, in two colours in turn."""
        random = self.random
        angle, curvature = random.uniform(0, math.tau), random.normal(0, 0.003)
        x, y = random.uniform(150, 850), random.uniform(0.15, 0.85) * _HEIGHT
        pair = [self.ink, self._any_of([*self.colours, *self.lights])]
        length, step = random.uniform(38, 70), random.uniform(14, 19)
        for rung in range(int(random.integers(8, 16))):
            x, y = x + step * math.cos(angle), y + step * math.sin(angle)
            angle += curvature * step
            self._stroke(
                x,
                y,
                angle + math.pi / 2 + random.normal(0, 0.05),
                length=length * random.uniform(0.85, 1.1),
                width=0.8 * step,
                paint=pair[rung % 2],
                second=self._neighbour(pair[rung % 2]),
            )

    def _dabs(self) -> None:
        """A cloud of short strokes that follow the flow."""
        random = self.random
        x, y, spread = random.uniform(60, 940), random.uniform(0.06, 0.94) * _HEIGHT, random.uniform(50, 110)
        paint = self._any_of([*self.colours, *self.lights, *self.lights])
        for _ in range(int(random.integers(18, 40))):
            at_x, at_y = x + random.normal(0, spread), y + random.normal(0, 0.6 * spread)
            self._stroke(
                at_x,
                at_y,
                self._flow(at_x, at_y) + random.normal(0, 0.12),
                length=random.uniform(22, 46),
                width=random.uniform(8, 14),
                paint=paint,
                second=self._neighbour(paint),
                taper=0.3,
            )

    def _fan(self) -> None:
        """Thin lines from one point."""
        random = self.random
        x, y = random.uniform(100, 900), random.uniform(0.1, 0.9) * _HEIGHT
        angle, opening = random.uniform(0, math.tau), random.uniform(0.05, 0.09)
        paint = self._any_of([self.ink, self.ink, *self.lights])
        for line in range(int(random.integers(5, 9))):
            self._stroke(
                x,
                y,
                angle + line * opening,
                length=random.uniform(190, 300),
                width=random.uniform(3.5, 5.5),
                paint=paint,
                second=paint,
                curvature=0.0008,
                taper=0.5,
            )

    def _ink_line(self) -> None:
        """A bold line, swelling in the middle."""
        random = self.random
        self._stroke(
            random.uniform(0, UNITS),
            random.uniform(0, _HEIGHT),
            self.diagonal + random.choice([0, math.pi / 2, math.pi]) + random.normal(0, 0.35),
            length=random.uniform(160, 480),
            width=random.uniform(6, 13),
            paint=self.ink,
            second=self.ink,
            curvature=random.normal(0, 0.004),
            dryness=0.5,
            taper=0.5,
        )

    def _stroke(
        self,
        x: float,
        y: float,
        angle: float,
        *,
        length: float,
        width: float,
        paint: Colour,
        second: Colour,
        curvature: float = 0.0,
        dryness: float = 0.2,
        taper: float = 0.1,
        clip: Plane | None = None,
    ) -> None:
        stroke = Stroke(x, y, angle, length, width, paint, second, curvature, dryness, taper)
        self.canvas.paint(stroke, clip)

    def _flow(self, x: float, y: float) -> float:
        """Return the direction of the brushwork: around the nearest forms, else along the diagonal."""
        cos, sin = 0.5 * math.cos(2 * self.diagonal), 0.5 * math.sin(2 * self.diagonal)
        for centre_x, centre_y, radius in self.centres:
            distance = math.hypot(x - centre_x, y - centre_y)
            around = math.atan2(y - centre_y, x - centre_x) + math.pi / 2
            weight = math.exp(-((distance / (1.6 * radius)) ** 2))
            cos, sin = cos + weight * math.cos(2 * around), sin + weight * math.sin(2 * around)
        # Doubled angles have no direction along the stroke: up and down are the same.
        return math.atan2(sin, cos) / 2

    def _soft(self, inside: Plane) -> Plane:
        """Return the clip of a form from the distance inside it, its edge cut by hand."""
        x, y = self.canvas.x, self.canvas.y
        waver = 1.6 * (np.sin(x * 0.071 + y * 0.043) + np.sin(x * 0.029 - y * 0.087))
        return np.asarray(np.clip((inside + waver) / 1.2 + 0.5, 0, 1), np.float32)

    def _ground_colour(self) -> Colour:
        choice = self.random.random()
        return self._any_of(self.lights if choice < 0.3 else [self.ink, *self.colours])

    def _any_of(self, colours: Sequence[Colour]) -> Colour:
        return colours[int(self.random.integers(len(colours)))]

    def _colour_but(self, colour: Colour | None) -> Colour:
        return self._any_of([one for one in [self.ink, *self.colours, *self.lights] if one != colour])

    def _neighbour(self, colour: Colour) -> Colour:
        """Return what the brush has taken up beside a colour: a little of another of the palette."""
        other = self._any_of([*self.colours, *self.lights])
        part = self.random.uniform(0.15, 0.5)
        red, green, blue = (one + part * (two - one) for one, two in zip(colour, other, strict=True))
        return red, green, blue
