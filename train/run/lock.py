"""A lock for each checkpoint: two runs would overwrite each other's file."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from fastnst.errors import FastnstError


@contextlib.contextmanager
def run_lock(checkpoint: Path) -> Iterator[None]:
    """Hold a checkpoint while a run writes it.

    The lock is a hidden file beside the checkpoint, so that machines that share the folder share the lock.
    The system releases it when the process ends, kill -9 included; the file is deleted by the run that
    holds it. Where files cannot be locked (Windows, some network file systems, a read-only folder), the run
    goes on without a lock.

    Args:
        checkpoint: The run's checkpoint file, which need not exist.

    Raises:
        FastnstError: If another process holds it, or another file has the lock's name.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    path = checkpoint.with_name(f".{checkpoint.name}.lock")
    with contextlib.ExitStack() as stack:
        while True:
            try:
                file = _open(path)
            except PermissionError:
                if os.access(path, os.F_OK):
                    raise FastnstError(
                        f"{checkpoint} is another user's: wait for that run, or delete {path} if it has ended"
                    ) from None
                yield  # settling the run says what is wrong with the folder
                return
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                    raise _no_lock(path) from None
                yield
                return
            closing = stack.enter_context(contextlib.closing(os.fdopen(file, "r+b", buffering=0)))
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise _no_lock(path)
            try:
                # lockf and not flock: the processes that decode photos do not inherit it, and outlive a
                # killed run by some seconds.
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                raise FastnstError(
                    f"{checkpoint} is being trained by another process: wait for it, or give this style "
                    "another NAME (--name)"
                ) from None
            except OSError:  # a file system without locks
                yield
                return
            if _is_at(path, file):
                break
            closing.close()  # another run ended in between and deleted it: the name needs a new file
        # Deleted while it is locked: who opens it until then finds that the name has gone.
        stack.callback(path.unlink, missing_ok=True)
        yield


def _open(path: Path) -> int:
    """Open the lock's file without following a link, without emptying it, and without waiting for a pipe."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _no_lock(path: Path) -> FastnstError:
    return FastnstError(f"{path} is not a lock that fastnst left: delete it")
