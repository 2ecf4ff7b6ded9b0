"""What is shown while styles are trained: a line for each on a terminal, else lines at times, or events."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

from fastnst.terminal import json_line, printable
from train.command import say
from train.many.style_run import DONE, State, StyleRun
from train.terminal import clock

_REDRAWN_SECONDS = 0.5
_LINE_SECONDS = 30.0
_BAR = 20
_MOST_OF_A_NAME = 24


class View:
    """The progress of all styles on standard error.

    Args:
        runs: All styles, in their order.
        as_events: Whether a program reads: each event of a training is printed with the style's name.
    """

    def __init__(self, runs: Sequence[StyleRun], *, as_events: bool) -> None:
        self._runs = runs
        self._as_events = as_events
        self._live = sys.stderr.isatty() and not as_events and os.environ.get("TERM") != "dumb"
        self._width = max((len(printable(run.name, _MOST_OF_A_NAME)) for run in runs), default=0)
        self._drawn = 0  # lines that are redrawn
        self._shown = time.monotonic()
        self._lines: dict[str, float] = {}

    def say(self, line: str) -> None:
        """Print a line for people; programs get it as a message."""
        if self._as_events:
            say(json_line({"event": "message", "text": line}))
            return
        self._wipe()
        say(line)

    def tell(self, run: StyleRun, event: dict[str, Any]) -> None:
        """Show what happened to a style."""
        if self._as_events:
            more = _more(run) if event["event"] == "state" else {}
            say(json_line({"event": event["event"], "name": run.name, **event, **more}))
        elif event["event"] == "state":
            self._tell_state(run, event["state"])
        elif event["event"] == "progress" and not self._live:
            now = time.monotonic()
            if now - self._lines.get(run.name, 0.0) >= _LINE_SECONDS:
                self._lines[run.name] = now
                say(f"{run.name}: {_described(run)}")

    def draw(self) -> None:
        """Redraw the lines of the running styles, if it is time and there is a terminal."""
        if not self._live or time.monotonic() - self._shown < _REDRAWN_SECONDS:
            return
        self._shown = time.monotonic()
        lines = [
            f"{printable(run.name, _MOST_OF_A_NAME):{self._width}}  {_bar(run)}  {_described(run)}"
            for run in self._runs
            if run.state in ("training", "exporting")
        ]
        columns, rows = shutil.get_terminal_size()
        columns -= 1
        # What has scrolled out of the screen could not be redrawn.
        lines = [*lines[: max(0, rows - 2)], self._summary()]
        self._wipe()
        sys.stderr.write("".join(f"{line[:columns]}\n" for line in lines))
        sys.stderr.flush()
        self._drawn = len(lines)

    def close(self) -> None:
        """Wipe what is redrawn."""
        self._wipe()

    def _tell_state(self, run: StyleRun, state: State) -> None:
        if state == "failed":
            self.say(f"{run.name}: failed: {run.reason} ({run.log})")
        elif state == "interrupted":
            self.say(f"{run.name}: interrupted; the same command goes on")
        elif state in DONE:
            again = "already trained" if state == "skipped" else "trained"
            self.say(f"{run.name}: {again} in {clock(run.result['seconds'])}{_quality(run)}: {run.model}")
        elif state == "training" and not self._live:
            self.say(f"{run.name}: begins")

    def _summary(self) -> str:
        count = len(self._runs)
        done = sum(run.state in DONE for run in self._runs)
        failed = sum(run.state == "failed" for run in self._runs)
        waiting = sum(run.state == "waiting" for run in self._runs)
        parts = [f"{done} of {count} styles done"]
        parts += [f"{failed} failed"] if failed else []
        parts += [f"{waiting} waiting"] if waiting else []
        return ", ".join(parts)

    def _wipe(self) -> None:
        if self._drawn:
            sys.stderr.write(f"\x1b[{self._drawn}F\x1b[J")
            sys.stderr.flush()
            self._drawn = 0


def _more(run: StyleRun) -> dict[str, Any]:
    return {
        "reason": run.reason or None,
        "model": None if run.model is None else str(run.model),
        "log": str(run.log),
    }


def _bar(run: StyleRun) -> str:
    fraction = 1.0 if run.state == "exporting" else run.progress.get("fraction") or 0.0
    filled = round(_BAR * min(1.0, fraction))
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {100 * fraction:3.0f}%"


def _described(run: StyleRun) -> str:
    if run.state == "exporting":
        return "exporting"
    told = run.progress
    if not told:
        return "beginning"
    if told["step"] == told["steps"]:
        return "measuring"
    losses = ", ".join(f"{name} {value:.3f}" for name, value in told["losses"].items() if value is not None)
    rate = told["images_per_second"] or 0.0
    left = told["seconds_left"]
    time_left = "" if left is None else f"{clock(left)} left, "
    return f"step {told['step']}/{told['steps']}, {time_left}{rate:.3g} images/s, {losses}"


def _quality(run: StyleRun) -> str:
    named = [("C", "C", 3), ("S3", "S3", 4)]
    found = [f"{label} {run.result[key]:.{digits}f}" for label, key, digits in named if run.result.get(key)]
    return f", {', '.join(found)}" if found else ""
