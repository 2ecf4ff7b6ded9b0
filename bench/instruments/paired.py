"""Time two functions in turn, so that other load on the machine favours neither."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

# A library's worker threads spin for milliseconds after a call and would take cores from the next function.
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class PairedTimes:
    """Seconds of two functions that ran in turn.

    Attributes:
        baseline: The baseline's times.
        ours: Our times; `ours[i]` ran right after `baseline[i]`.
    """

    baseline: tuple[float, ...]
    ours: tuple[float, ...]

    @property
    def speedup(self) -> float:
        """How many times as fast ours is: the median of the pairs' ratios."""
        return median(theirs / our for theirs, our in zip(self.baseline, self.ours, strict=True))


def time_in_turn(baseline: Callable[[], object], ours: Callable[[], object], rounds: int) -> PairedTimes:
    """Time two functions in turn: A B A B and so on, after one uncounted round.

    Other load then slows both, and the ratio of neighbouring runs holds although the times vary.

    Args:
        baseline: What ours is compared with. On a GPU both must wait for the device before they return.
        ours: What is measured.
        rounds: Counted rounds.

    Returns:
        The times.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for counted in range(rounds + 1):
        for function, found in zip((baseline, ours), times, strict=True):
            time.sleep(_PAUSE_SECONDS)
            start = time.perf_counter()
            function()
            if counted:
                found.append(time.perf_counter() - start)
    return PairedTimes(tuple(times[0]), tuple(times[1]))
