"""How much memory there is to use."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

# Where the system cannot be asked, as on Windows without further packages.
_ASSUMED = 8 * 2**30


@dataclass(frozen=True)
class _ControlGroups:
    """Where control groups of one version tell what memory a process may use.

    Attributes:
        folder: The root of their tree.
        limit: The file of a group's limit.
        use: The file of what is in use.
        cached: Entries of `memory.stat` for cached files, which the system gives up where memory is needed.
    """

    folder: str
    limit: str
    use: str
    cached: tuple[str, ...]


_VERSION_1 = _ControlGroups(
    "/sys/fs/cgroup/memory",
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    ("total_active_file", "total_inactive_file"),
)
_VERSION_2 = _ControlGroups(
    "/sys/fs/cgroup", "memory.max", "memory.current", ("active_file", "inactive_file")
)

_OWN_GROUPS = "/proc/self/cgroup"


def free_memory() -> int:
    """Return how many bytes of memory can be used.

    That is what the machine has, or what a control group (a container, a job of Slurm or systemd) leaves.
    """
    try:
        with Path("/proc/meminfo").open() as lines:
            free = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # no Linux: what there is, then, as what is free is hard to tell
        try:
            free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, OSError, ValueError):
            free = _ASSUMED
    for groups, own in _own_groups():
        # Each group above may have a tighter limit. In a container the path may be the host's, of which only
        # the root can be seen.
        for path in (own, *own.parents):
            folder = Path(groups.folder, *path.parts[1:])
            with contextlib.suppress(OSError, ValueError):  # "max" is no limit
                most, used = (int(Path(folder, name).read_text()) for name in (groups.limit, groups.use))
                fields = (line.split() for line in Path(folder, "memory.stat").read_text().splitlines())
                used -= sum(int(value) for name, value in fields if name in groups.cached)
                free = min(free, max(most - used, 0))
    return free


def _own_groups() -> list[tuple[_ControlGroups, Path]]:
    """Return this process's groups of both versions, as absolute paths below the roots of their trees."""
    found = [(_VERSION_2, Path("/")), (_VERSION_1, Path("/"))]
    with contextlib.suppress(OSError):
        for line in Path(_OWN_GROUPS).read_text(errors="surrogateescape").splitlines():
            _, controllers, path = line.split(":", 2)  # as in 0::/user.slice/job.scope and 9:memory:/docker/1
            if ".." in path:  # outside of what this process can see
                continue
            if not controllers:
                found.append((_VERSION_2, Path(path)))
            elif "memory" in controllers.split(","):
                found.append((_VERSION_1, Path(path)))
    return found
