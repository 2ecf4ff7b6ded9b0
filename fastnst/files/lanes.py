"""Several pictures painted at the same time, each by one thread.

Threads that share a picture wait for each other after every operation of the network. Where pictures are
small and many, a thread for each takes less processor time (bench/RESULTS.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Paint = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Takes RGB of shape (H, W, 3), uint8, and returns the same shape and type, as a `Stylizer` does."""

_LEAST_TURNS = 2
"""Pictures for each lane from which on lanes gain: with fewer, most would be idle for the last ones."""


@dataclass(frozen=True)
class Lanes:
    """Threads that paint one picture each.

    Attributes:
        count: How many there are.
        paint: Paints one picture, in the thread that calls it alone.
        fit: Whether the memory holds `count` pictures of a height and a width while they are painted.
    """

    count: int
    paint: Paint
    fit: Callable[[int, int], bool]


def lanes_for(pictures: int, threads: int | None) -> int:
    """Return the number of lanes that so many pictures are worth; 0 if none are.

    Args:
        pictures: How many there are to paint.
        threads: Threads that may be used; None takes one per core.
    """
    count = threads or cores()
    return count if count > 1 and pictures >= _LEAST_TURNS * count else 0


def cores() -> int:
    """Return the number of cores that this process may use."""
    # A container or taskset may allow fewer than there are.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
