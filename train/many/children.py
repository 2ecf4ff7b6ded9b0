"""The processes that run at once, and the signals that stop all of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from fastnst.parent_process import STOPS_WITH_PARENT

# What passes a signal on, such as `timeout` and shells, often sends it twice.
_ONE_SIGNAL_SECONDS = 0.5

# The signals that ask this process to stop; Windows has no SIGHUP.
_STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Children:
    """Starts processes, and stops them together.

    The processes do not get Ctrl-C from the terminal: this one passes it on, once. The first signal lets each
    save and end, the second ends them at once, and the third kills them. If this process is killed,
    each saves and ends by itself.

    Attributes:
        stopping: Whether a signal has come: nothing new is started.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._signals = self._passed_on = 0
        self._last = 0.0

    @contextlib.contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Note signals in this block, which the main thread runs; `pass_on_signals` acts on them."""
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

    def pass_on_signals(self) -> None:
        """Tell the processes of the signals that came since the last call."""
        with self._lock:
            while self._passed_on < self._signals:
                self._passed_on += 1
                for process in self._running:
                    with contextlib.suppress(OSError):
                        self._stop(process, self._passed_on)

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], take: Callable[[str], Any]
    ) -> int | None:
        """Run a process to its end.

        Args:
            command: The program and its arguments. Its standard output is not read.
            environment: Added to this process's environment.
            take: Is given each line of its standard error.

        Returns:
            Its exit code, negative for a signal; None if it was not started, since all are stopping.
        """
        with self._lock:
            if self.stopping:
                return None
            process = subprocess.Popen(  # noqa: S603 - this project's own modules
                command,
                env=os.environ | dict(environment) | STOPS_WITH_PARENT,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
        try:
            assert process.stdin is not None
            assert process.stderr is not None
            with process.stdin, process.stderr as lines:
                for line in lines:
                    take(line.rstrip("\n"))
                return process.wait()
        except BaseException:
            process.terminate()
            raise
        finally:
            with self._lock:
                self._running.discard(process)

    @staticmethod
    def _stop(process: subprocess.Popen[str], time_asked: int) -> None:
        if time_asked > 2 or sys.platform == "win32":
            process.kill()
        # A process that is started in the background ignores SIGINT until its training begins.
        elif signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            process.send_signal(signal.SIGTERM)
        else:
            process.send_signal(signal.SIGINT)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self._signals or now - self._last > _ONE_SIGNAL_SECONDS:
            self._signals += 1
        self._last = now
        self.stopping = True
