"""Claims on results, by which several runs over the same images share the work."""

from __future__ import annotations

import contextlib
import os
import sys
import zlib
from pathlib import Path

from fastnst.atomic_write import hidden_name

if sys.platform != "win32":
    import fcntl


class ClaimedError(Exception):
    """Another process is painting this result."""


class Claim:
    """The right to paint one result, which one process has at a time.

    A claim is the lock of an empty hidden file beside the result, so that it ends with its process, even by
    `kill -9`. Where the system or the file system has no such locks, every process gets every claim: images
    may be painted twice then, but each result is whole.

    Args:
        result: The file that will be written. Its folder must exist.

    Raises:
        ClaimedError: If another process has the claim.
        OSError: If the folder is missing, full or read-only.
    """

    def __init__(self, result: Path) -> None:
        self._path = result.with_name(hidden_name(result, f"{zlib.crc32(os.fsencode(result.name)):08x}"))
        self._descriptor = -1
        if sys.platform == "win32":
            return
        while True:
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            except PermissionError:
                if not self._path.exists():
                    raise
                return  # a killed process of another user left it: as without locks
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise ClaimedError from None
            except OSError:  # a file system without locks
                pass
            if self._is_at_its_path(descriptor):
                self._descriptor = descriptor
                return
            os.close(descriptor)  # its holder gave it back and removed the file meanwhile

    def release(self) -> None:
        """Give the claim back."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_at_its_path(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False
