"""An abstract composition: rings, sweeping bands, dabs and lines over broad brushwork."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from train.generated.painting.brush import ASPECT, UNITS, Canvas, Colour

_HEIGHT = UNITS * ASPECT
# Horizontal and vertical place and radius of the large forms, each as a range.
_FORMS = (
    ((120, 220), (0.32, 0.48), (200, 250)),
    ((-300, -200), (0.58, 0.78), (120, 165)),
    ((280, 400), (0.76, 0.92), (80, 120)),
    ((-400, -260), (0.08, 0.26), (70, 110)),
)


class Composition:
    """An abstract composition: `colours` are an ink, strong ones, and two lights, RGB in [0, 1]."""

    def __init__(self, canvas: Canvas, colours: Sequence[Colour], random: np.random.Generator) -> None:
        self._canvas, self._random, self._between = canvas, random, random.uniform
        self._all, self._ink, self._strong, self._lights = colours, colours[0], colours[1:-2], colours[-2:]
        side = float(random.choice([-1, 1]))
        self._forms = [  # the brushwork turns around them
            (complex(500 + side * random.uniform(*x), _HEIGHT * random.uniform(*y)), random.uniform(*radius))
            for x, y, radius in _FORMS
        ]
        self._diagonal = side * random.uniform(0.5, 0.8)

    def paint(self) -> None:
        """Paint all of it, from back to front."""
        self._ground()
        for _ in range(6):
            self._sweep()
        for motif in (self._aura, self._rings):
            for form in self._forms[::-1]:
                motif(*form)
        for _ in range(3):
            centre, radius = self._place(), self._between(80, 150)
            self._canvas.glaze(centre, radius, self._any_of(self._strong), self._between(0.6, 0.8))
            self._arc(centre, radius, self._between(1.5, 4), self._ink, 5)
        for scatter, count in ((self._dabs, 8), (self._fan, 3), (self._line, 9)):
            for _ in range(count):
                scatter(self._place())

    def _ground(self) -> None:
        """Cover the canvas with broad strokes, then with narrower ones, in patches of colour."""
        patches = [self._between(0, UNITS) + 1j * self._between(0, _HEIGHT) for _ in range(26)]
        paints = [self._any_of(self._lights if self._between() < 0.3 else self._all[:-2]) for _ in patches]
        for width, count in ((62, 380), (38, 520), (23, 420)):
            for _ in range(count):
                at = self._between(-40, UNITS + 40) + 1j * self._between(-40, _HEIGHT + 40)
                away = np.array(patches) - at
                reached = np.hypot(away.real, 1.4 * away.imag) + self._random.normal(0, 14, len(patches))
                paint, second = (paints[patch] for patch in np.argsort(reached)[:2])
                angle = self._flow(at)
                turn = math.remainder(self._flow(at + 20 * np.exp(1j * angle)) - angle, math.pi)
                length, wide = width * self._between(2.5, 6), width * self._between(0.7, 1.15)
                laid = angle + self._random.normal(0, 0.08)
                self._stroke(at, laid, length, wide, paint, second, curvature=turn / 20, dryness=0.6)

    def _aura(self, centre: complex, radius: float) -> None:
        """Arcs around a form, rarer outwards, connect it with its surroundings."""
        for _ in range(round(radius / 13)):
            at, sweep = radius * (1.04 + self._random.exponential(0.33)), self._between(0.5, 1.5)
            self._arc(centre, at, sweep, self._any_of(self._all[1:]), self._between(14, 34))

    def _rings(self, centre: complex, radius: float) -> None:
        """Concentric bands in segments of changing colours, inked between some of them."""
        bands = max(3, round(radius / self._between(30, 42)))
        for inner, outer in pairwise(np.linspace(0, radius, bands + 1)):
            self._arc(centre, (inner + outer) / 2, 6.2, self._any_of(self._strong), outer - inner + 6)
            parts, turn, paint = int(self._random.integers(2, 5)), self._between(0, math.tau), self._ink
            rows = 2 * max(1, round((outer - inner) / 15))
            width = 2.3 * (outer - inner) / rows
            for part in range(parts):
                paint = self._any_of([colour for colour in self._all if colour != paint])
                second = self._streaked(paint)
                for row in range(rows):
                    at = max(3.0, inner + (outer - inner) * (row + 0.5) / rows + self._random.normal(0, 1))
                    ragged = 0.45 * width / at  # the bristles end unevenly over this angle
                    start, sweep = turn + math.tau * part / parts - ragged, math.tau / parts + 2 * ragged
                    self._arc(centre, at, sweep, paint, width, start, second=second, taper=0.04)
            if inner and self._between() < 0.7:
                self._arc(centre, inner, self._between(1.5, 5), self._ink, 6.5)
        self._arc(centre, radius, self._between(3.5, 6), self._ink, 9)

    def _sweep(self) -> None:
        """A broad curved band with a companion and an ink contour."""
        angle = self._diagonal + self._random.choice([0, math.pi]) + self._random.normal(0, 0.5)
        start, length, width = self._place(), self._between(420, 800), self._between(26, 44)
        curvature = self._random.choice([-1, 1]) * self._between(0.0015, 0.0045)
        paint, companion = (self._strong[i] for i in self._random.choice(len(self._strong), 2, replace=False))
        for offset, wide, colour in ((0, 1, paint), (0.9, 0.55, companion), (-0.62, 0.18, self._ink)):
            nearer = 1 - curvature * offset * width
            at = start + 1j * offset * width * np.exp(1j * angle)
            self._stroke(at, angle, length * nearer, wide * width, colour, curvature=curvature / nearer)

    def _dabs(self, centre: complex) -> None:
        """A cloud of short strokes that follow the flow."""
        spread, paint = self._between(50, 110), self._any_of([*self._all[1:], *self._lights])
        for _ in range(int(self._random.integers(18, 40))):
            at = centre + spread * complex(self._random.normal(), 0.6 * self._random.normal())
            angle = self._flow(at) + self._random.normal(0, 0.12)
            self._stroke(at, angle, self._between(22, 46), self._between(8, 14), paint, taper=0.3)

    def _fan(self, at: complex) -> None:
        """Thin lines from one point."""
        angle, opening = self._between(0, math.tau), self._between(0.05, 0.09)
        paint = self._any_of([self._ink, self._ink, *self._lights])
        for line in range(int(self._random.integers(5, 9))):
            length, width = self._between(190, 300), self._between(3.5, 5.5)
            self._stroke(at, angle + line * opening, length, width, paint, second=paint, taper=0.5)

    def _line(self, at: complex) -> None:
        """A bold line of ink that swells in the middle."""
        angle = self._diagonal + self._random.choice([0, math.pi / 2, math.pi]) + self._random.normal(0, 0.35)
        length, width = self._between(160, 480), self._between(6, 13)
        self._stroke(at, angle, length, width, self._ink, curvature=self._random.normal(0, 0.004), taper=0.5)

    def _arc(self, centre: complex, radius: float, sweep: float, paint: Colour, width: float,
             start: float | None = None, **options: Any) -> None:  # fmt: skip
        """A stroke around a centre, from any angle if none is given."""
        start = self._between(0, math.tau) if start is None else start
        options = {"curvature": 1 / radius, "taper": 0.25} | options
        at, length = centre + radius * np.exp(1j * start), radius * min(sweep, 6.2)
        self._stroke(at, start + math.pi / 2, length, width, paint, **options)

    def _stroke(self, start: complex, angle: float, length: float, width: float, paint: Colour,
                second: Colour | None = None, **options: Any) -> None:  # fmt: skip
        second = second or (paint if paint == self._ink else self._streaked(paint))
        self._canvas.stroke(start, angle, length, width, paint, second, **options)

    def _flow(self, at: complex) -> float:
        """Return the direction of the brushwork: around the nearest forms, else along the diagonal."""
        # Doubled angles have no direction along the stroke: up and down are the same.
        total = 0.5 * np.exp(2j * self._diagonal)
        for centre, radius in self._forms:
            weight = math.exp(-((abs(at - centre) / (1.6 * radius)) ** 2))
            total -= weight * np.exp(2j * np.angle(at - centre))
        return float(np.angle(total)) / 2

    def _place(self) -> complex:
        return complex(self._between(80, UNITS - 80), self._between(0.08, 0.92) * _HEIGHT)

    def _any_of(self, colours: Sequence[Colour]) -> Colour:
        return colours[int(self._random.integers(len(colours)))]

    def _streaked(self, colour: Colour) -> Colour:
        """Return a colour with a little of another of the palette in it."""
        other, part = self._any_of(self._all[1:]), self._between(0.15, 0.5)
        return [one + part * (two - one) for one, two in zip(colour, other, strict=True)]
