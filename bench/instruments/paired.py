"""Timing two ways of doing the same so that a busy machine cannot favour one of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

# A library's worker threads spin for milliseconds after its last call, and would take the next one's cores.
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class PairedTimes:
    """Seconds of each way, run in turn.

    Attributes:
        baseline: Of the way compared with.
        ours: Of ours; `ours[i]` ran right after `baseline[i]`.
    """

    baseline: tuple[float, ...]
    ours: tuple[float, ...]

    @property
    def speedup(self) -> float:
        """The median over the pairs of how many times faster ours is."""
        return median(theirs / our for theirs, our in zip(self.baseline, self.ours, strict=True))


def time_in_turn(baseline: Callable[[], object], ours: Callable[[], object], rounds: int) -> PairedTimes:
    """Time two functions in turn: A B A B and so on, after one uncounted round.

    A load from elsewhere then falls on both, and the ratio of neighbours holds where times do not.

    Args:
        baseline: What is compared with. On a GPU it must wait for the device before it returns.
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
