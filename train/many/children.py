"""The processes that run at once, and that are stopped together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastnst.parent_process import STOPS_WITH_PARENT


class Children:
    """Starts processes, and stops them together.

    The processes do not get Ctrl-C from the terminal: this one passes it on, once. If this process is killed,
    each saves and ends by itself.

    Attributes:
        stopping: Whether they have been asked to stop: nothing new is started.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._asked = 0

    def stop(self, times: int) -> None:
        """Ask the processes to stop, if they have not been asked so often, and start no more of them.

        Args:
            times: How many signals have come; 0 does nothing.
        """
        with self._lock:
            self.stopping = self.stopping or times > 0
            while self._asked < times:
                self._asked += 1
                for process in self._running:
                    with contextlib.suppress(OSError):
                        self._stop(process, self._asked)

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
        # A process that is started in the background ignores SIGINT until its training begins, and Ray blocks
        # it in all of its processes.
        elif signal.getsignal(signal.SIGINT) is signal.SIG_IGN or _is_blocked(signal.SIGINT):
            process.send_signal(signal.SIGTERM)
        else:
            process.send_signal(signal.SIGINT)


def _is_blocked(number: int) -> bool:
    return number in signal.pthread_sigmask(signal.SIG_BLOCK, ())
