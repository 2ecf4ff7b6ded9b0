"""Memory held by a process and its descendants."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_PROCESSES = Path("/proc")


def held_memory(pid: int) -> int:
    """Return the memory that a process and its descendants hold now.

    On Linux this is the sum of their proportional set sizes (PSS), which counts a shared page once. Elsewhere
    it is the sum of their resident set sizes, which counts a shared page once for each process.

    Args:
        pid: The process's id.

    Returns:
        Bytes; 0 if there is no such process.
    """
    if (_PROCESSES / "self" / "stat").exists():
        return sum(_share(member) for member in _family(pid, _parents()))
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True)
    rows = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    kilobytes = {member: resident for member, _, resident in rows}
    family = _family(pid, {member: parent for member, parent, _ in rows})
    return 1024 * sum(kilobytes.get(member, 0) for member in family)


def _family(pid: int, parents: dict[int, int]) -> set[int]:
    family = {pid}
    while children := {member for member, parent in parents.items() if parent in family} - family:
        family |= children
    return family


def _parents() -> dict[int, int]:
    parents = {}
    for folder in _PROCESSES.iterdir():
        if folder.name.isdecimal():
            try:
                # The name may contain brackets itself. The state and the parent follow the last one.
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended meanwhile
                continue
    return parents


def _share(pid: int) -> int:
    folder = _PROCESSES / str(pid)
    try:
        for line in (folder / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    except OSError:  # a kernel without smaps_rollup, or another user's process
        pass
    try:
        return int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # it has ended meanwhile
        return 0
