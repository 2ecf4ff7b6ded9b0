"""The size of the crops at each step: progressive resizing, from small crops to nearly whole photos."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

LEAST_SIDE = 32
"""The least side of crops in pixels: the network's strides divide it, and VGG can pool it four times."""


@dataclass(frozen=True)
class CropSchedule:
    """The sides of a run's crops, step by step.

    A step on a crop of half the side costs a quarter, and early in training it teaches as much: the network
    learns strokes and colours on small crops. At the end it learns what only large crops show, such as even
    areas beside busy ones under one instance norm. Each stage gets the same arithmetic, so most steps are
    cheap.

    Args:
        image_size: Side of the crops in the last stage, in pixels.
        stages: Number of stages; each has crops of twice the side of the one before.
        steps: Optimizer steps in all.
    """

    image_size: int
    stages: int = 1
    steps: int = 1

    @property
    def sides(self) -> tuple[int, ...]:
        """The crops' side in each stage, from the smallest to the largest."""
        sides = [self.image_size // 2**halvings for halvings in range(self.stages - 1, -1, -1)]
        return tuple(side for side in sides if side >= LEAST_SIDE or side == self.image_size)

    @property
    def starts(self) -> tuple[int, ...]:
        """The first step of each stage, and the number of steps."""
        shares = np.array([1 / side**2 for side in self.sides])
        ends = np.floor(self.steps * np.cumsum(shares) / shares.sum() + 1e-6)  # the last stage has a step
        return (0, *(int(end) for end in ends[:-1]), self.steps)

    def side(self, step: int) -> int:
        """Return the side of the crops at a step, from 0."""
        stage = sum(step >= start for start in self.starts[1:-1])
        return self.sides[stage]

    def progress(self, step: int) -> float:
        """Return the fraction of the run's arithmetic that is done before a step, from 0 to 1."""
        done = total = 0
        for side, (start, end) in zip(self.sides, pairwise(self.starts), strict=True):
            total += (end - start) * side**2
            done += max(0, min(step, end) - start) * side**2
        return done / total

    def remaining(self, step: int) -> dict[int, int]:
        """Return how many steps of each size are left, by the side of their crops.

        Args:
            step: From 0.
        """
        stages = zip(self.sides, pairwise(self.starts), strict=True)
        left = {side: end - min(max(step, start), end) for side, (start, end) in stages}
        return {side: steps for side, steps in left.items() if steps}
