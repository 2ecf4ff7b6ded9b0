"""The training and the export of one style, each a process, and what they tell."""

from __future__ import annotations

import contextlib
import json
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fastnst.terminal import json_line, one_line
from train.many.children import Children

PYTHON: Sequence[str] = (sys.executable,)
"""The interpreter of the processes."""

State = Literal["waiting", "training", "exporting", "trained", "skipped", "failed", "interrupted"]

DONE: tuple[State, ...] = ("trained", "skipped")
"""The states of a style that is trained and exported."""

Tell = Callable[["StyleRun", dict[str, Any]], None]

# Of a process that ends without saying why.
_LAST_LINES = 20


@dataclass
class StyleRun:
    """One style of many, and what is known of it so far.

    Args:
        name: The style's name.
        painting: The painting's file.
        log: The file that what its processes tell is added to.

    Attributes:
        state: What it is at. A `skipped` style was trained before; an `interrupted` one goes on by the same
            command.
        progress: The last `progress` event of the training (docs/json.md); empty before the first.
        result: Its `finished` event; empty before it.
        model: The style file, once it is exported.
        reason: Why it failed, in one line; empty otherwise.
        has_saved: Whether its training has written a checkpoint since this command began.
    """

    name: str
    painting: Path
    log: Path
    state: State = "waiting"
    progress: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    model: Path | None = None
    reason: str = ""
    has_saved: bool = False

    def run(
        self,
        training: Sequence[str],
        environment: Mapping[str, str],
        children: Children,
        tell: Tell,
        *,
        tries: int = 1,
    ) -> None:
        """Train and export the style, until it is done, failed or interrupted.

        Args:
            training: The options of the training.
            environment: Added to the environment of the processes.
            children: Starts the processes, and stops them.
            tell: Is given each event of the training, and `state` when the state has changed.
            tries: How often a training is started that a signal kills; each goes on from the last.
        """
        if children.stopping:
            return
        self._become("training", tell)
        for left in reversed(range(tries)):
            code, events, last_lines = self._train(training, environment, children, tell)
            if not left or code is None or code >= 0 or children.stopping:
                break
            text = f"killed by signal {-code}; the training goes on"
            self.note(text)
            tell(self, {"event": "message", "text": text})
        last = events[-1] if events else {"event": None}
        if last["event"] == "finished" and code == 0:
            self.result = last
            self._export(environment, children, tell, skipped=events[0] is last)
        elif children.stopping or last["event"] == "interrupted":
            self.interrupt(tell)
        elif last["event"] == "error":
            self.fail(str(last["text"]), tell)
        else:
            self.fail(_last_words(last_lines, code), tell)

    def interrupt(self, tell: Tell) -> None:
        """Note that the style is interrupted."""
        self._become("interrupted", tell)

    def fail(self, reason: str, tell: Tell) -> None:
        """Note that the style has failed, and why."""
        self.reason = one_line(reason)
        self._become("failed", tell)

    def become(self, other: StyleRun) -> None:
        """Take over what another process knows of this style."""
        vars(self).update(vars(other))

    def note(self, line: str) -> None:
        """Add a line to the log."""
        # A full disk ends trainings, and each says so; the log is not worth one.
        with contextlib.suppress(OSError), self.log.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{line}\n")

    def _train(
        self, training: Sequence[str], environment: Mapping[str, str], children: Children, tell: Tell
    ) -> tuple[int | None, list[dict[str, Any]], Sequence[str]]:
        """Run the training; return its exit code, its events without the small ones, and its last lines."""
        events: list[dict[str, Any]] = []
        lines: deque[str] = deque(maxlen=_LAST_LINES)

        def take(line: str) -> None:
            event = _event(line)
            if event is None:
                lines.append(line)
                self.note(line)
            elif event["event"] == "progress":
                self.progress = event
            elif event["event"] == "message":
                self.note(str(event.get("text", "")))
            else:
                self.has_saved |= event["event"] == "saved"
                events.append(event)
                self.note(json_line(event))
            if event is not None:
                tell(self, event)

        # What this training itself has saved must not be begun afresh.
        command = ["-m", "train", f"--style={self.painting}", *training, "--progress=json"]
        if self.has_saved:
            command.append("--fresh=false")
        return children.run([*PYTHON, *command], environment, take), events, lines

    def _export(
        self, environment: Mapping[str, str], children: Children, tell: Tell, *, skipped: bool
    ) -> None:
        self._become("exporting", tell)
        lines: deque[str] = deque(maxlen=_LAST_LINES)

        def take(line: str) -> None:
            lines.append(line)
            self.note(line)

        checkpoint = str(self.result["checkpoint"])
        command = ["-m", "export", "--unless-current", "--", checkpoint]
        code = children.run([*PYTHON, *command], environment, take)
        if code == 0:
            self.model = Path(checkpoint).with_suffix(".onnx")
            self._become("skipped" if skipped else "trained", tell)
        elif children.stopping:
            self._become("interrupted", tell)
        else:
            self.fail(_last_words(lines, code).removeprefix("export: error: "), tell)

    def _become(self, state: State, tell: Tell) -> None:
        self.state = state
        tell(self, {"event": "state", "state": state})


def _event(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _last_words(lines: Sequence[str], code: int | None) -> str:
    """Return the last line that a process has printed, and how it ended."""
    how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{said} ({how})" if said else how
