"""One run at a time for each checkpoint: two would overwrite each other's."""

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

    The system lets go of it however the process ends, kill -9 included. It is a lock of this machine, and
    Windows has none.

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
    # Not beside the checkpoint, where it would stay behind: a lock file must not be deleted, since another
    # process may have it open.
    digest = hashlib.sha256(os.fsencode(checkpoint.resolve())).hexdigest()
    path = Path(tempfile.gettempdir()) / f"fastnst-{digest[:16]}.lock"
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("w"))
        except (
            OSError
        ):  # another user's, or no folder for temporary files: the run is worth more than its lock
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
