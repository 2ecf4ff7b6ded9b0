"""An abstract composition: rings, sweeping bands, ladders, dabs and lines over broad brushwork."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from train.generated.painting.brush import UNITS, Canvas, Colour

ASPECT = 0.8
"""Height of the canvas over its width."""

_HEIGHT = UNITS * ASPECT


class Composition:
    """An abstract composition in the making.

    Args:
        canvas: Where it is painted.
        colours: RGB in [0, 1]: an ink, strong colours, and two light ones.
        random: Decides on everything.
    """

    def __init__(self, canvas: Canvas, colours: Sequence[Colour], random: np.random.Generator) -> None:
        self._canvas, self._random = canvas, random
        self._all = list(colours)
        self._ink, self._strong, self._lights = colours[0], colours[1:-2], colours[-2:]
        # Centre and radius of the large forms: the brushwork turns around them.
        side, between = float(random.choice([-1, 1])), random.uniform
        self._forms = [
            (500 + side * between(120, 220), _HEIGHT * between(0.32, 0.48), between(200, 250)),
            (500 - side * between(200, 300), _HEIGHT * between(0.58, 0.78), between(120, 165)),
            (500 + side * between(280, 400), _HEIGHT * between(0.76, 0.92), between(80, 120)),
            (500 - side * between(260, 400), _HEIGHT * between(0.08, 0.26), between(70, 110)),
        ]
        self._diagonal = side * between(0.5, 0.8)

    def paint(self) -> None:
        """Paint all of it, from back to front."""
        self._ground()
        for _ in range(6):
            self._sweep()
        for form in self._forms[::-1]:
            self._aura(*form)
        for form in self._forms[::-1]:
            self._rings(*form)
        for _ in range(3):
            x, y = self._place()
            radius = self._random.uniform(80, 150)
            self._canvas.glaze(x, y, radius, self._any_of(self._strong), self._random.uniform(0.6, 0.8))
            self._arc(x, y, radius, self._random.uniform(1.5, 4), self._ink, 5)
        for motif, count in ((self._ladder, 3), (self._dabs, 7), (self._fan, 3), (self._line, 9)):
            for _ in range(count):
                motif()

    def _ground(self) -> None:
        """Cover the canvas with broad strokes, then with narrower ones, in patches of colour."""
        random = self._random
        patches = random.uniform(0, (UNITS, _HEIGHT), (26, 2))
        paints = [self._any_of(self._lights if random.random() < 0.3 else self._all[:-2]) for _ in patches]
        for width, count in ((62, 380), (38, 520), (23, 420)):
            for x, y in random.uniform(-40, (UNITS + 40, _HEIGHT + 40), (count, 2)):
                reached = np.hypot(*((patches - (x, y)) * (1, 1.4)).T) + random.normal(0, 14, len(patches))
                nearest, second = np.argsort(reached)[:2]
                angle = self._flow(x, y)
                ahead = self._flow(x + 20 * math.cos(angle), y + 20 * math.sin(angle))
                self._stroke(
                    x,
                    y,
                    angle + random.normal(0, 0.08),
                    width * random.uniform(2.5, 6),
                    width * random.uniform(0.7, 1.15),
                    paints[nearest],
                    second=paints[second],
                    curvature=math.remainder(ahead - angle, math.pi) / 20,
                    dryness=0.6,
                )

    def _aura(self, x: float, y: float, radius: float) -> None:
        """Arcs around a form that grow rarer outwards: it belongs to what is around it."""
        for _ in range(round(radius / 13)):
            at = radius * (1.04 + self._random.exponential(0.33))
            sweep, width = self._random.uniform(0.5, 1.5), self._random.uniform(14, 34)
            self._arc(x, y, at, sweep, self._any_of(self._all[1:]), width)

    def _rings(self, x: float, y: float, radius: float) -> None:
        """Concentric bands in segments of changing colours, inked between some of them."""
        random = self._random
        bands = max(3, round(radius / random.uniform(30, 42)))
        edges = np.linspace(0, radius, bands + 1)
        for inner, outer in pairwise(edges):
            self._arc(x, y, (inner + outer) / 2, 6.2, self._any_of(self._strong), outer - inner + 6)
            parts, turn, paint = int(random.integers(2, 5)), random.uniform(0, math.tau), self._ink
            rows = 2 * max(1, round((outer - inner) / 15))
            for part in range(parts):
                paint = self._any_of([colour for colour in self._all if colour != paint])
                second = self._streaked(paint)
                for row in range(rows):
                    at = max(3.0, inner + (outer - inner) * (row + 0.5) / rows + random.normal(0, 1))
                    width = 2.3 * (outer - inner) / rows
                    ragged = 0.45 * width / at  # so far the bristles' ends are ragged
                    start, sweep = turn + math.tau * part / parts - ragged, math.tau / parts + 2 * ragged
                    self._arc(x, y, at, sweep, paint, width, start=start, second=second, taper=0.04)
            if inner and random.random() < 0.7:
                self._arc(x, y, inner, random.uniform(1.5, 5), self._ink, 6.5)
        self._arc(x, y, radius, random.uniform(3.5, 6), self._ink, 9)

    def _sweep(self) -> None:
        """A broad curved band with a companion and an ink contour."""
        angle = self._diagonal + self._random.choice([0, math.pi]) + self._random.normal(0, 0.5)
        x, y = self._place()
        curvature = self._random.choice([-1, 1]) * self._random.uniform(0.0015, 0.0045)
        length, width = self._random.uniform(420, 800), self._random.uniform(26, 44)
        paint, companion = self._random.choice(len(self._strong), 2, replace=False)
        bands = ((0, 1, self._strong[paint]), (0.9, 0.55, self._strong[companion]), (-0.62, 0.18, self._ink))
        for offset, wide, colour in bands:
            nearer = 1 - curvature * offset * width
            at = x - offset * width * math.sin(angle), y + offset * width * math.cos(angle)
            self._stroke(*at, angle, length * nearer, wide * width, colour, curvature=curvature / nearer)

    def _ladder(self) -> None:
        """Rungs along a curve, in two colours in turn."""
        angle, curvature = self._random.uniform(0, math.tau), self._random.normal(0, 0.003)
        x, y = self._place()
        pair = [self._ink, self._any_of(self._all[1:])]
        length, step = self._random.uniform(38, 70), self._random.uniform(14, 19)
        for rung in range(int(self._random.integers(8, 16))):
            x, y = x + step * math.cos(angle), y + step * math.sin(angle)
            angle += curvature * step
            long = length * self._random.uniform(0.85, 1.1)
            self._stroke(x, y, angle + math.pi / 2, long, 0.8 * step, pair[rung % 2])

    def _dabs(self) -> None:
        """A cloud of short strokes that follow the flow."""
        x, y = self._place()
        spread, paint = self._random.uniform(50, 110), self._any_of([*self._all[1:], *self._lights])
        for _ in range(int(self._random.integers(18, 40))):
            at_x, at_y = x + self._random.normal(0, spread), y + self._random.normal(0, 0.6 * spread)
            angle = self._flow(at_x, at_y) + self._random.normal(0, 0.12)
            length, width = self._random.uniform(22, 46), self._random.uniform(8, 14)
            self._stroke(at_x, at_y, angle, length, width, paint, taper=0.3)

    def _fan(self) -> None:
        """Thin lines from one point."""
        x, y = self._place()
        angle, opening = self._random.uniform(0, math.tau), self._random.uniform(0.05, 0.09)
        paint = self._any_of([self._ink, self._ink, *self._lights])
        for line in range(int(self._random.integers(5, 9))):
            length, width = self._random.uniform(190, 300), self._random.uniform(3.5, 5.5)
            self._stroke(x, y, angle + line * opening, length, width, paint, second=paint, taper=0.5)

    def _line(self) -> None:
        """A bold line of ink that swells in the middle."""
        angle = self._diagonal + self._random.choice([0, math.pi / 2, math.pi]) + self._random.normal(0, 0.35)
        length, width = self._random.uniform(160, 480), self._random.uniform(6, 13)
        curvature = self._random.normal(0, 0.004)
        self._stroke(*self._place(), angle, length, width, self._ink, curvature=curvature, taper=0.5)

    def _arc(
        self,
        x: float,
        y: float,
        radius: float,
        sweep: float,
        paint: Colour,
        width: float,
        start: float | None = None,
        **options: Any,
    ) -> None:
        """A stroke around a centre, from any angle if none is given."""
        start = self._random.uniform(0, math.tau) if start is None else start
        at = x + radius * math.cos(start), y + radius * math.sin(start)
        options = {"curvature": 1 / radius, "taper": 0.25} | options
        self._stroke(*at, start + math.pi / 2, radius * min(sweep, 6.2), width, paint, **options)

    def _stroke(
        self,
        x: float,
        y: float,
        angle: float,
        length: float,
        width: float,
        paint: Colour,
        second: Colour | None = None,
        **options: Any,
    ) -> None:
        second = second or (paint if paint == self._ink else self._streaked(paint))
        self._canvas.stroke(x, y, angle, length, width, paint, second, **options)

    def _flow(self, x: float, y: float) -> float:
        """Return the direction of the brushwork: around the nearest forms, else along the diagonal."""
        # Doubled angles have no direction along the stroke: up and down are the same.
        total = 0.5 * np.exp(2j * self._diagonal)
        for centre_x, centre_y, radius in self._forms:
            away = complex(x - centre_x, y - centre_y)
            total -= math.exp(-((abs(away) / (1.6 * radius)) ** 2)) * np.exp(2j * np.angle(away))
        return float(np.angle(total)) / 2

    def _place(self) -> tuple[float, float]:
        return self._random.uniform(80, UNITS - 80), self._random.uniform(0.08, 0.92) * _HEIGHT

    def _any_of(self, colours: Sequence[Colour]) -> Colour:
        return colours[int(self._random.integers(len(colours)))]

    def _streaked(self, colour: Colour) -> Colour:
        """Return a colour with a little of another of the palette in it."""
        other, part = self._any_of(self._all[1:]), self._random.uniform(0.15, 0.5)
        red, green, blue = (one + part * (two - one) for one, two in zip(colour, other, strict=True))
        return red, green, blue
