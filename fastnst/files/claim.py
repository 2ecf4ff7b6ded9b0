"""Claims on results, by which several runs over the same images share the work."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from fastnst.atomic_write import hidden_name
from fastnst.file_lock import FileLock


def claim(result: Path) -> FileLock | None:
    """Take the right to paint one result, which one process has at a time.

    Args:
        result: The file that will be written. Its folder must exist.

    Returns:
        The lock of a hidden file beside the result, to be deleted with its release. None if a killed process
        of another user left that file: images may be painted twice then, as where there are no locks, but
        each result is whole.

    Raises:
        LockedError: If another process is painting it.
        FastnstError: If a link, a folder or a pipe has the hidden file's name.
        OSError: If the folder is missing, full or read-only.
    """
    path = result.with_name(hidden_name(result, f"{zlib.crc32(os.fsencode(result.name)):08x}"))
    try:
        return FileLock(path)
    except PermissionError:
        if not path.exists():
            raise
        return None
