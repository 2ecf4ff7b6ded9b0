"""The signals that ask this command to stop."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

# What passes a signal on, such as `timeout` and shells, often sends it twice.
_ONE_SIGNAL_SECONDS = 0.5

# Windows has no SIGHUP.
_STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class StopSignals:
    """Counts the signals that ask to stop.

    Attributes:
        count: How many have come. Trainings are told of each: the first lets them save and end, the second
            ends them at once, and the third kills them.
    """

    def __init__(self) -> None:
        self.count = 0
        self._last = 0.0

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count signals in this block, which the main thread runs."""
        handlers = {
            number: signal.signal(number, self._note)
            for number in _STOP_SIGNALS
            if signal.getsignal(number)
            is not signal.SIG_IGN  # as nohup and a shell's background jobs have it
        }
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.count or now - self._last > _ONE_SIGNAL_SECONDS:
            self.count += 1
        self._last = now
