"""What `--json` prints: JSON, one object a line; docs/json.md has the fields."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import click

from fastnst.cli.one_line import note
from fastnst.errors import FastnstError
from fastnst.terminal import json_line, lost_output

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON lines, for programs.")

Status = Literal["painted", "skipped", "failed"]


class JsonLines:
    """Prints the outcome of each image or video of a command on stdout, and last how many there were of each.

    Args:
        kind: What is painted: the key of its path.
        style: The style's part of the results' names.
    """

    def __init__(self, kind: Literal["image", "video"], style: str) -> None:
        self._kind, self._style = kind, style
        self._counts: Counter[Status] = Counter()

    def outcome(
        self,
        status: Status,
        source: str | os.PathLike[str],
        result: Path | None = None,
        *,
        reason: str | None = None,
        milliseconds: float | None = None,
        **more: Any,
    ) -> None:
        """Print the line of one image or video.

        Args:
            status: What became of it.
            source: Its path, or the argument that names none.
            result: The file of its result, if it has a place.
            reason: Why it was not painted.
            milliseconds: The time that painting took.
            more: Other fields.
        """
        self._counts[status] += 1
        print_json(
            {
                "status": status,
                self._kind: os.fspath(source),
                "result": None if result is None else str(result),
                "style": self._style,
                "milliseconds": None if milliseconds is None else round(milliseconds, 1),
                **more,
                "reason": reason,
            },
            is_written=result if status == "painted" else None,
        )

    @contextlib.contextmanager
    def one_alone(self, source: str, result: Path) -> Iterator[None]:
        """Print the failure of one image that this block paints, and the summary after it."""
        start = time.monotonic()
        try:
            yield
        except FastnstError as error:
            self.outcome("failed", source, result, reason=str(error))
            raise
        finally:
            self.summary(not_done=1 - self.count, seconds=time.monotonic() - start)

    @property
    def count(self) -> int:
        """How many images or videos have a line so far."""
        return sum(self._counts.values())

    def summary(self, *, not_done: int, seconds: float) -> None:
        """Print the last line: the number of lines of each status, and of those that an end left undone."""
        counts = {status: self._counts[status] for status in ("painted", "skipped", "failed")}
        print_json({"status": "summary", **counts, "not_done": not_done, "seconds": round(seconds, 3)})


def print_json(value: dict[str, Any], *, is_written: Path | None = None) -> None:
    """Print an object on stdout as one line; where stdout is full, a line on stderr says so.

    Args:
        value: The object.
        is_written: The file that it tells of, if it is whole.
    """
    click.echo(json_line(value))
    if (error := lost_output()) is not None:
        told = "" if is_written is None else f"{is_written} is written, but "
        note(f"warning: {told}standard output cannot be written: {error.strerror or error}")
