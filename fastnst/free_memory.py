"""How much memory there is to use."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# Where control groups of version 2 and of version 1 tell the limit, what is in use, and how much of that is
# only cached files, which the system gives up where the memory is needed.
_CONTROL_GROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current", ("active_file", "inactive_file")),
    (
        "/sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        ("total_active_file", "total_inactive_file"),
    ),
)
# Where the system cannot be asked, as on Windows without further packages.
_ASSUMED = 8 * 2**30


def free_memory() -> int:
    """Return how many bytes of memory can be used: of the machine, or of its container if it has less."""
    try:
        with Path("/proc/meminfo").open() as lines:
            free = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # no Linux: what there is, then, as what is free is hard to tell
        try:
            free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, OSError, ValueError):
            free = _ASSUMED
    for folder, limit, use, cached in _CONTROL_GROUPS:
        with contextlib.suppress(OSError, ValueError):  # "max" is no limit
            most, used = (int(Path(folder, name).read_text()) for name in (limit, use))
            fields = (line.split() for line in Path(folder, "memory.stat").read_text().splitlines())
            used -= sum(int(value) for name, value in fields if name in cached)
            free = min(free, max(most - used, 0))
    return free
