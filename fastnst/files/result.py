"""One file that holds a result: written whole, and replacing nothing unless asked."""

from __future__ import annotations

import errno
from pathlib import Path

from fastnst.atomic_write import atomic_write
from fastnst.errors import FastnstError


class DiskFullError(FastnstError):
    """The disk or the quota is full: the next image would fail too."""


class ResultExistsError(FastnstError):
    """There is a file in the result's place, which stays as it is."""


def write_result(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Write a file in one step, with the folders above it.

    Args:
        path: The file.
        data: Its content.
        replace: Whether a file of that name is replaced.

    Raises:
        ResultExistsError: If there is such a file and it is not to be replaced.
        DiskFullError: If there is no room.
        FastnstError: If the folder is read-only, is not a folder, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, replace=replace) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        if isinstance(error, FileExistsError) and is_taken(path):
            raise ResultExistsError(result_exists(path)) from None
        raise cannot_write(path, error, len(data)) from None


def result_exists(path: Path) -> str:
    """Return the line for a result whose place is taken."""
    return f"{path} exists: --overwrite replaces it, -o writes elsewhere"


def is_taken(path: Path) -> bool:
    """Return whether there is a file of a result's name."""
    return path.exists() or path.is_symlink()  # a link that leads nowhere is a file of that name too


def cannot_write(path: Path, error: OSError, size: int) -> FastnstError:
    """Return the error of a file of so many bytes that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"{path} cannot be written, the disk is full: free {size:,} bytes")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return FastnstError(f"{path} cannot be written, {path.parent} is read-only: give -o FOLDER")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return FastnstError(f"{path} cannot be written, {path.parent} is not a folder")
    return FastnstError(f"{path} cannot be written: {error.strerror or error}")
