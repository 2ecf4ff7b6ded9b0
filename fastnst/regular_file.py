"""Opening files that may be anything: a pipe would keep the caller waiting, a device has no end."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def open_regular_file(path: str | Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
    """Open a file, if it is a regular one.

    Args:
        path: The file; a link is followed unless `flags` forbid it.
        flags: As `os.open` takes them.
        mode: The permissions of a file that is created, before the umask.

    Returns:
        The descriptor, which child processes do not inherit.

    Raises:
        OSError: If it cannot be opened, or is a folder, a pipe, a socket or a device.
    """
    # A pipe that nobody writes to would be waited for. Windows has no such flag, and no such pipes.
    for name in ("O_NONBLOCK", "O_BINARY", "O_CLOEXEC"):
        flags |= getattr(os, name, 0)
    descriptor = os.open(path, flags, mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not a regular file")
    return descriptor
