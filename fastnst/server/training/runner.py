"""The process of one training: runs `python -m train`, then `python -m export`, and writes how far they are.

`python -m fastnst.server.training.runner FOLDER` is started by the server, which holds the other end of its
standard input. It stops, saved, when that end closes, which it also does when the server is killed, on a
signal, or when the file `cancel` appears.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

from fastnst.errors import FastnstError
from fastnst.model.keys import STYLE_SHA256
from fastnst.model.metadata import read_metadata
from fastnst.parent_process import STOPS_WITH_PARENT
from fastnst.server.training.record import EXPORTING, FAILED, FINISHED, STOPPED, Order, TrainingFolder
from fastnst.terminal import one_line

CANCELLED = "It was cancelled; what it has learned is kept."
SERVER_ENDED = "The server ended; the training was saved."
_INTERRUPTED = "It was interrupted; what it has learned is kept."

# Below everything that someone waits for, such as the painting of photos.
_NICE = 10

_TICK_SECONDS = 0.2
_WRITE_SECONDS = 1.0
# A training ends its step and saves; one that does not is killed.
_SAVE_SECONDS = 90.0


def main(path: str) -> None:
    """Train the style of a folder, and export it."""
    os.nice(_NICE)
    runner = _Runner(TrainingFolder(Path(path)))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, runner.note_signal)
    runner.run()


class _Runner:
    def __init__(self, folder: TrainingFolder) -> None:
        self._folder = folder
        self._progress = folder.read_progress()
        self._stopped: str | None = None
        self._written = 0.0
        self._last_line = ""
        self._ended_with: dict[str, Any] = {}

    def note_signal(self, _: int, __: FrameType | None) -> None:
        """Stop, because a signal came."""
        self._stopped = self._stopped or SERVER_ENDED

    def run(self) -> None:
        """Do all steps, and write how they ended."""
        order = self._folder.read_order()
        if order is None:
            return
        try:
            state, text = self._steps(order)
        except (OSError, FastnstError) as error:
            state, text = FAILED, one_line(error)
        self._folder.cancel.unlink(missing_ok=True)
        self._progress.end(state, text)
        self._folder.write_progress(self._progress)

    def _steps(self, order: Order) -> tuple[str, str]:
        """Train and export, and return the state in which this ended, and why."""
        return self._train(order) or self._export(order)

    def _train(self, order: Order) -> tuple[str, str] | None:
        folder = self._folder
        options = [
            f"--style={folder.path / order.painting}",
            f"--name={order.name}",
            f"--output={folder.path}",
        ]
        code = self._call(["train", "--progress=json", *options, *order.options], self._take)
        if self._stopped is not None:
            return STOPPED, self._stopped
        if self._ended_with.get("event") == "interrupted":  # by a signal from elsewhere
            return STOPPED, _INTERRUPTED
        if code or self._ended_with.get("event") != "finished":
            return self._failure("training", code)
        return None

    def _export(self, order: Order) -> tuple[str, str]:
        folder = self._folder
        if not _may_be_written(folder.style, order):
            return FAILED, f"Another style has come under the name {order.name} meanwhile: rename its file."
        self._progress.phase = EXPORTING
        self._write(at_once=True)
        written = ["--output", str(folder.style), "--unless-current", "--", str(folder.checkpoint)]
        code = self._call(["export", *written], lambda _: None)
        if self._stopped is not None:
            return STOPPED, self._stopped
        return (FINISHED, "") if code == 0 else self._failure("exporting", code)

    def _failure(self, work: str, code: int) -> tuple[str, str]:
        if self._ended_with.get("event") == "error":
            return FAILED, str(self._ended_with["text"])
        if code == -signal.SIGKILL:
            return FAILED, f"{work.capitalize()} was killed, perhaps because memory ran out."
        return FAILED, one_line(self._last_line) or f"{work.capitalize()} ended with code {code}."

    def _call(self, arguments: Sequence[str], take: Callable[[dict[str, Any]], None]) -> int:
        """Run `python -m` to its end; `take` gets its events. Returns its exit code."""
        self._last_line, self._ended_with = "", {}
        with (
            self._folder.log.open("ab") as log,
            subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=self._folder.path,
                env=os.environ | STOPS_WITH_PARENT,
            ) as process,
        ):
            assert process.stderr is not None
            self._watch(process, process.stderr, log, take)
            return process.returncode

    def _watch(
        self,
        process: subprocess.Popen[bytes],
        stderr: IO[bytes],
        log: IO[bytes],
        take: Callable[[dict[str, Any]], None],
    ) -> None:
        stopping: float | None = None
        rest = b""
        os.set_blocking(stderr.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(stderr, selectors.EVENT_READ)
            while True:
                has_ended = process.poll() is not None
                data = None
                for key, _ in selector.select(0 if has_ended else _TICK_SECONDS):
                    data = os.read(key.fd, 65536)
                    if not data:  # closed: its end is near
                        selector.unregister(stderr)
                if data:
                    log.write(data)
                    log.flush()
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        self._line(line, take)
                elif has_ended:
                    break
                elif not selector.get_map():
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(_TICK_SECONDS)
                self._write()
                self._look_for_stop()
                if self._stopped is not None and stopping is None:
                    stopping = time.monotonic()
                    process.terminate()
                elif stopping is not None and time.monotonic() > stopping + _SAVE_SECONDS:
                    process.kill()
        if rest:
            self._line(rest, take)

    def _look_for_stop(self) -> None:
        if self._stopped is not None:
            return
        if self._folder.cancel.exists():
            self._stopped = CANCELLED
            return
        readable, _, _ = select.select([0], [], [], 0)
        if readable and not os.read(0, 64):
            self._stopped = SERVER_ENDED

    def _line(self, line: bytes, take: Callable[[dict[str, Any]], None]) -> None:
        text = line.decode("utf-8", "replace").strip()
        try:
            event = json.loads(text) if text.startswith("{") else None
        except ValueError:
            event = None
        if not isinstance(event, dict):
            self._last_line = text or self._last_line
            return
        take(event)

    def _take(self, event: dict[str, Any]) -> None:
        if event.get("event") in ("finished", "interrupted", "error"):
            self._ended_with = event
        with contextlib.suppress(KeyError):  # an event of another version
            self._progress.take(event)
        self._write(at_once=event.get("event") not in ("message", "progress"))

    def _write(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if at_once or now - self._written >= _WRITE_SECONDS:
            self._folder.write_progress(self._progress)
            self._written = now


def _may_be_written(style: Path, order: Order) -> bool:
    """Return whether a style may be written: no file has its name, or an earlier style of the painting."""
    if not style.exists():
        return True
    try:
        return read_metadata(style).get(STYLE_SHA256) == order.sha256
    except FastnstError:
        return False


if __name__ == "__main__":
    main(sys.argv[1])
