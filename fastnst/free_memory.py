"""How much memory there is to use."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
# Where the system cannot be asked, as on Windows without further packages.
_ASSUMED = 8 * 2**30


def free_memory() -> int:
    """Return how many bytes of memory can be used: of the machine, or of the container if it has less."""
    try:
        with Path("/proc/meminfo").open() as lines:
            free = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # no Linux: what there is, then, as what is free is hard to tell
        try:
            free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, OSError, ValueError):
            free = _ASSUMED
    for path in _MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # "max" is no limit
            free = min(free, int(Path(path).read_text()))
    return free
