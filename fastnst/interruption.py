"""Signals that end a command: the first one politely, the second one at once."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

# What passes a signal on, such as `timeout` and shells, often sends it twice.
_ONE_SIGNAL_SECONDS = 0.5

_SHOW_CURSOR = "\x1b[?25h"


class _Interruption:
    """What is known of the first signal."""

    depth = 0
    first: int | None = None
    is_raised = False


_at_end: list[Callable[[], object]] = []


def handle_stop_signals() -> None:
    """Have SIGINT and SIGTERM end this process, as commands do; called by the main thread.

    The first signal raises `KeyboardInterrupt` or, for SIGTERM, `SystemExit` with code 143 in the main
    thread, so that half-written files are removed. A second one, half a second later or more, ends the
    process whatever it is doing: a thread watches for it, as Python's handlers wait for the main thread.
    """
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_at_second, args=(reading, writing), name="signals", daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        # A shell's background jobs, and what nohup starts, may ignore SIGINT.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _note)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let the first signal raise its exception only after this block, which must be short."""
    _Interruption.depth += 1
    try:
        yield
    finally:
        _Interruption.depth -= 1
        _raise_if_due()


def raise_if_interrupted() -> None:
    """Raise the first signal's exception again, for where a library may have swallowed it, as PyAV does."""
    if _Interruption.first is not None:
        _Interruption.is_raised = False
        _raise_if_due()


def call_at_end(function: Callable[[], object]) -> None:
    """Have a function called when the process ends, by itself or by a first signal."""
    atexit.register(function)
    _at_end.append(function)


def note_signal(number: int) -> None:
    """Count a signal that a command handles itself: `end_if_interrupted` ends the process all the same."""
    if _Interruption.first is None:
        _Interruption.first = number
        _Interruption.is_raised = True


def end_if_interrupted(code: int) -> None:
    """End this process with an exit code, if a signal came: threads may wait for files that never end.

    Python would wait for them, and a network that still runs in one of them may abort the process at its end.
    What is to be cleaned up must have been.
    """
    if _Interruption.first is not None:
        for function in _at_end:
            function()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _note(number: int, _: FrameType | None) -> None:
    if _Interruption.first is None:
        _Interruption.first = number
        _raise_if_due()


def _raise_if_due() -> None:
    if _Interruption.first is None or _Interruption.depth or _Interruption.is_raised:
        return
    _Interruption.is_raised = True
    if _Interruption.first == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + _Interruption.first)


def _end_at_second(reading: socket.socket, _writing: socket.socket) -> None:
    first: float | None = None
    while True:
        for number in reading.recv(64):
            if number not in (signal.SIGINT, signal.SIGTERM):
                continue
            now = time.monotonic()
            if first is None:
                first = now
            elif now - first > _ONE_SIGNAL_SECONDS:
                if sys.stderr.isatty():
                    os.write(sys.stderr.fileno(), _SHOW_CURSOR.encode())
                os._exit(128 + number)
