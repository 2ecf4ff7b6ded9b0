"""Locks of files, by which processes that would write the same file learn of each other."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

from fastnst.errors import FastnstError
from fastnst.regular_file import open_regular_file

if sys.platform != "win32":
    import fcntl


class LockedError(Exception):
    """Another process holds the file."""


class FileLock:
    """The lock of a file, which one process holds at a time, and which ends with it, even by `kill -9`.

    A missing file is created; none is emptied, or opened through a link. Where the system (Windows) or the
    file system has no such locks, every process gets every lock, and Windows gets no file.

    Args:
        path: The file. Its folder must exist.
        mode: The permissions of a new file, before the umask.

    Attributes:
        path: The file.

    Raises:
        LockedError: If another process holds it.
        FastnstError: If a link, a folder or a pipe has its name.
        OSError: If it cannot be opened or created.
    """

    def __init__(self, path: Path, *, mode: int = 0o666) -> None:
        self.path = path
        self._descriptor = -1
        if sys.platform == "win32":  # which lets no open file be renamed or deleted
            return
        while True:
            descriptor = _open(path, mode)
            if not try_lock(descriptor):
                os.close(descriptor)
                raise LockedError
            if _is_open_as(descriptor, path):
                break
            os.close(descriptor)  # its holder gave the file another name or deleted it meanwhile
        self._descriptor = descriptor
        _held.add(self)

    @property
    def is_held(self) -> bool:
        """Whether this process holds it; never on Windows."""
        return self._descriptor >= 0

    @property
    def descriptor(self) -> int:
        """The open file: a process that inherits it holds the lock too, until both have closed it."""
        return self._descriptor

    def release(self, *, delete: bool) -> None:
        """Give the lock back; delete the file first, unless it has another name by now."""
        if self._descriptor < 0:
            return
        # Who opened the file before it is deleted finds that its name has gone.
        if delete and _is_open_as(self._descriptor, self.path):
            with contextlib.suppress(OSError):
                self.path.unlink()
        self.forget()

    def forget(self) -> None:
        """Close the file, which gives the lock back unless this is a fork of the process that took it."""
        _held.discard(self)
        os.close(self._descriptor)
        self._descriptor = -1


def try_lock(descriptor: int) -> bool:
    """Lock an open file, and return whether no other process holds it; True where there are no locks."""
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
    return True


def _open(path: Path, mode: int) -> int:
    try:
        return open_regular_file(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode)
    except OSError:
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise FastnstError(f"{path} is not a file that fastnst left: delete it") from None
        raise


def _is_open_as(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


_held: set[FileLock] = set()


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


if sys.platform != "win32":
    # A fork, such as a process that decodes photos, would hold the lock for as long as it outlives a kill.
    os.register_at_fork(after_in_child=_forget_all)
