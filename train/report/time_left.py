"""The forecast of a run's time left, whatever the sizes of its crops."""

from __future__ import annotations

import time

from train.photos.crop_schedule import CropSchedule


class TimeLeft:
    """Learn from the steps so far how long the others will take.

    Steps of a size take what they have taken so far, on average, but for the first one. Steps of a size that
    is still to come are forecast from those of the present size: a step costs `a + b * side^2`, since small
    crops cost more than their pixels say. How much more depends on the processor, so one small step is tried
    before training.

    Args:
        schedule: The sizes.
        step: The step that the run goes on from.
        tried: The side of a crop smaller than all in the run, and the processor seconds of a step with it;
            None if it was not tried: the cost is then the number of pixels.
    """

    def __init__(self, schedule: CropSchedule, step: int, tried: tuple[int, float] | None = None) -> None:
        self._schedule = schedule
        self._tried = tried
        self._step = step
        self._is_warm = False
        self._clock = self._processor = 0.0
        # By size: the steps that count, their seconds, and those of the processor. It works as long for a
        # step beside other programs as alone, so that its ratios do not depend on when a step ran.
        self._counted: dict[int, tuple[int, float, float]] = {}

    def done(self, step: int) -> None:
        """Note that a step is done.

        Args:
            step: How many are done now.
        """
        clock, processor = time.monotonic(), time.process_time()
        side = self._schedule.side(step - 1)
        # The first step of a size prepares kernels; the first one at all also waits for photos.
        if self._is_warm and side == self._schedule.side(self._step - 1):
            count, seconds, busy = self._counted.get(side, (0, 0.0, 0.0))
            self._counted[side] = (
                count + step - self._step,
                seconds + clock - self._clock,
                busy + processor - self._processor,
            )
        self._is_warm = True
        self._clock, self._processor, self._step = clock, processor, step

    def seconds(self) -> float | None:
        """Return the seconds that are left; None as long as no step counts."""
        remaining = self._schedule.remaining(self._step)
        if not remaining:
            return 0.0
        if not self._counted:
            return None
        return sum(steps * self._seconds_of(side) for side, steps in remaining.items())

    def _seconds_of(self, side: int) -> float:
        """Return the seconds of a step."""
        known = side if side in self._counted else next(reversed(self._counted))
        count, seconds, busy = self._counted[known]
        return seconds / count * self._ratio(side, known, busy / count)

    def _ratio(self, side: int, known: int, busy: float) -> float:
        """Return the cost of a step relative to one of a known size, which keeps the processor `busy`."""
        if side == known:
            return 1.0
        fixed = 0.0  # the part of the known step's cost that does not depend on its size
        if self._tried is not None and busy > 0:
            small, tried = self._tried
            share = (small / known) ** 2
            fixed = min(max((tried / busy - share) / (1 - share), 0.0), 1.0)
        return fixed + (1 - fixed) * (side / known) ** 2
