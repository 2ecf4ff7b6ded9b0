"""Opening files that may be anything: a pipe would keep the reader waiting, a device has no end."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular_file(path: str | Path) -> BinaryIO:
    """Open a file for reading, if it is a regular one.

    Args:
        path: The file; a link is followed.

    Returns:
        The open file, without a name, so that no library maps it into memory: if it shrank then, the process
        would be killed.

    Raises:
        OSError: If it cannot be opened, or is a folder, a pipe, a socket or a device.
    """
    # A pipe that nobody writes to would be waited for. Windows has no such flag, and no such pipes.
    flags = (
        os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    )
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
