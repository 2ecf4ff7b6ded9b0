"""A lock for each checkpoint: two runs would overwrite each other's file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from fastnst.errors import FastnstError
from fastnst.file_lock import FileLock, LockedError


@contextlib.contextmanager
def run_lock(checkpoint: Path) -> Iterator[None]:
    """Hold a checkpoint while a run writes it.

    The lock is a hidden file beside the checkpoint, so that machines that share the folder share the lock.
    The run that holds it deletes it. In a read-only folder the run goes on without a lock.

    Args:
        checkpoint: The run's checkpoint file, which need not exist.

    Raises:
        FastnstError: If another process holds it, or another file has the lock's name.
    """
    path = checkpoint.with_name(f".{checkpoint.name}.lock")
    lock = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, mode=0o600)
    except LockedError:
        raise FastnstError(
            f"{checkpoint} is being trained by another process: wait for it, or give this style "
            "another NAME (--name)"
        ) from None
    except PermissionError:
        if os.access(path, os.F_OK):
            raise FastnstError(
                f"{checkpoint} is another user's: wait for that run, or delete {path} if it has ended"
            ) from None
    except OSError:  # settling the run says what is wrong with the folder
        pass
    try:
        yield
    finally:
        if lock is not None:
            lock.release(delete=True)
