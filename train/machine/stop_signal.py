"""Ctrl-C and SIGTERM: a step of training ends in order, a wait ends at once."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

# Of one signal that comes twice: systemd sends it to all processes of a service, and a parent may pass its
# own on.
_ONE_SIGNAL_SECONDS = 0.5


class StoppedWaiting(BaseException):  # as KeyboardInterrupt: nothing should take it for an error
    """A signal asked to stop while the process waited; no work was cut short."""


class StopSignal:
    """A note that a signal asked to stop.

    Attributes:
        requested: Whether Ctrl-C or SIGTERM came since `install`.
    """

    def __init__(self) -> None:
        self.requested = False
        self._waiting = False
        self._first = 0.0
        self._handlers: dict[signal.Signals, Any] = {}

    def install(self) -> None:
        """Note the first signal from now on; one that comes half a second later has its usual effect."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._note)

    def release(self) -> None:
        """Restore the handlers from before."""
        while self._handlers:
            number, handler = self._handlers.popitem()
            signal.signal(number, handler)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Let a signal end the block, which waits for something and may be left anywhere.

        Raises:
            StoppedWaiting: If a signal has come, or comes in the block.
        """
        try:
            self._waiting = True
            if self.requested:
                raise StoppedWaiting
            yield
        except RuntimeError:
            if self.requested:  # a signal to all processes also ended the one that is waited for
                raise StoppedWaiting from None
            raise
        finally:
            self._waiting = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            if time.monotonic() - self._first > _ONE_SIGNAL_SECONDS:
                self.release()
                signal.raise_signal(number)
            return
        self.requested = True
        self._first = time.monotonic()
        if self._waiting:
            raise StoppedWaiting
