"""Threads for the cores that other programs leave free.

PyTorch's threads wait for one another by spinning. If another program takes one thread's core, all the others
spin until the kernel gives it back: beside one busy process on two cores, a training step of two threads
took 12 s in place of 0.14 s, and one of a single thread 0.2 s (bench/RESULTS.md, "Training beside other
programs").
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

# PyTorch's own choice, before anything here changes it.
_MOST = torch.get_num_threads()
# A program that takes less than this part of a core costs less than a thread fewer would.
_BEARABLE = 0.3
_FIRST_SAMPLE_SECONDS = 0.2
_STAT = Path("/proc/stat")
# Fields of a line of /proc/stat, after its name: time in ticks that a core was idle, or waited for a disk.
_IDLE_FIELDS = (3, 4)


class FreeCores:
    """Measure how many cores other programs leave to this process; on Linux, elsewhere nothing is known.

    A machine's container may be allowed fewer cores than it sees: then more seem free, and nothing is lost.
    """

    def __init__(self) -> None:
        allowed = getattr(os, "sched_getaffinity", None)
        self._names = {f"cpu{core}" for core in allowed(0)} if allowed else set()
        self._last = self._read()

    def measure(self) -> float | None:
        """Return how many cores were free, or used by this process, since the last call; None if unknown."""
        last, self._last = self._last, self._read()
        if last is None or self._last is None:
            return None
        (idle, ours, seconds), (idle_before, ours_before, seconds_before) = self._last, last
        passed = seconds - seconds_before
        return (idle - idle_before + ours - ours_before) / passed if passed > 0 else None

    def _read(self) -> tuple[float, float, float] | None:
        """Return seconds since some start: of idle cores, of this process's computing, and of the clock."""
        try:
            lines = [line.split() for line in _STAT.read_text().splitlines()]
        except OSError:
            return None
        idle = sum(
            int(fields[1 + field]) for fields in lines if fields[0] in self._names for field in _IDLE_FIELDS
        )
        return idle / os.sysconf("SC_CLK_TCK"), time.process_time(), time.monotonic()


class ThreadBalance:
    """Give PyTorch as many threads as cores are free, as often as asked.

    It leaves the number alone if the user has set it (OMP_NUM_THREADS), and where there is but one.
    """

    def __init__(self) -> None:
        self.is_active = _MOST > 1 and "OMP_NUM_THREADS" not in os.environ
        self._cores = FreeCores()

    def sample(self) -> None:
        """Watch the machine for a moment, in which this process waits, and set the number of threads."""
        if self.is_active:
            self._cores.measure()
            time.sleep(_FIRST_SAMPLE_SECONDS)
            self.adapt()

    def adapt(self) -> tuple[int, int]:
        """Set the number of threads by what happened since the last call.

        Returns:
            The number, and the one before.
        """
        before = torch.get_num_threads()
        free = self._cores.measure() if self.is_active else None
        if free is None:
            return before, before
        wanted = max(1, min(_MOST, int(free + _BEARABLE)))
        if wanted != before:
            torch.set_num_threads(wanted)
        return wanted, before
