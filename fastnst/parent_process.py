"""Processes that end with the one that started them, however that one ends, `kill -9` included.

The parent holds the other end of its child's standard input, and never writes to it. The system closes that
end with the parent; the child then acts as on SIGTERM.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading

_VARIABLE = "FASTNST_STOP_WITH_INPUT"

STOPS_WITH_PARENT: dict[str, str] = {_VARIABLE: "1"}
"""What the environment of such a child holds; its standard input must be `subprocess.PIPE`."""


def stop_with_parent() -> None:
    """Have this process get SIGTERM (on Windows, SIGINT) when its standard input ends, if its parent asks so.

    Commands call it first; without `STOPS_WITH_PARENT` in the environment it does nothing.
    """
    if os.environ.get(_VARIABLE) == "1":
        threading.Thread(target=_watch, name="parent", daemon=True).start()


def _watch() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    if hasattr(signal, "pthread_kill"):
        # To the main thread, which a signal to the process need not wake.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    else:
        _thread.interrupt_main()
