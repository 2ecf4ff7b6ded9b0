"""A lock for each checkpoint: two runs would overwrite each other's file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fastnst.errors import FastnstError


@contextlib.contextmanager
def run_lock(checkpoint: Path) -> Iterator[None]:
    """Hold a checkpoint while a run writes it.

    The system releases the lock when the process ends, kill -9 included. It holds on this machine only, and
    does nothing on Windows.

    Args:
        checkpoint: The run's checkpoint file, which need not exist.

    Raises:
        FastnstError: If another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    # Not in the checkpoint's folder, where it would be left over: a lock file must not be deleted, since
    # another process may have it open.
    digest = hashlib.sha256(os.fsencode(checkpoint.resolve())).hexdigest()
    path = Path(tempfile.gettempdir()) / f"fastnst-{digest[:16]}.lock"
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("w"))
        except OSError:  # another user's, or no temporary folder: train without a lock
            yield
            return
        try:
            # lockf and not flock: the processes that decode photos do not inherit it, and outlive a killed
            # run by some seconds.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise FastnstError(
                f"{checkpoint} is being trained by another process: wait for it, or give this style another "
                "NAME (--name)"
            ) from None
        yield
