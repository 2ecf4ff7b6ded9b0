"""Ending a process at once: Python would first take PyTorch and all its modules apart, for over a second."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable
from typing import NoReturn


def end_with(command: Callable[[], int]) -> NoReturn:
    """Run a command and end this process with its exit code.

    What was registered to run at the end of the process still runs, and output is still written out. An
    exception ends the process as usual.

    Args:
        command: Returns the exit code. It imports what registers functions to run at the end: those that were
            registered before run after this one, which is never.
    """
    code: int | None = None

    def end() -> None:
        if code is None:
            return
        for stream in (sys.stdout, sys.stderr):
            # None without a console; closed, or its reader gone, which the command has noticed.
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()
        os._exit(code)

    # Functions run in the opposite order of their registration: this one is the last.
    atexit.register(end)
    code = command()
    sys.exit(code)
