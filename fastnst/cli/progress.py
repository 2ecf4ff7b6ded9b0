"""What a command over many images shows while it runs, and its last line."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from fastnst.cli.json_lines import JsonLines
from fastnst.cli.one_line import complain, note, print_result
from fastnst.errors import FastnstError

if TYPE_CHECKING:
    from fastnst.files.plan import Task


class Progress:
    """Prints a line for each image, and at the end the number painted, skipped and failed.

    If there is one image alone, its failure is the command's, and raised.

    For many images on a terminal, a bar shows the progress, the images per second and the time left.

    Args:
        count: How many images there are to paint.
        done: How many were painted before.
        failed: How many have failed already.
        lines: What stdout gets instead, for a program.
        is_part: Whether these are one part of more images: a single one of them is not alone then.

    Attributes:
        failed: How many have failed so far.
    """

    def __init__(
        self,
        count: int,
        *,
        done: int = 0,
        failed: int = 0,
        lines: JsonLines | None = None,
        is_part: bool = False,
    ) -> None:
        self._count, self._done, self._before = count, done, failed
        self._is_part = is_part
        self._lines = lines
        self._painted = self._skipped = 0
        self.failed = failed
        self._bar: Any = None
        self._start = time.monotonic()

    def __enter__(self) -> Progress:
        if self._count > 1 and sys.stderr.isatty():
            self._bar = click.progressbar(
                length=self._count, show_pos=True, item_show_func=lambda _: self._rate(), file=sys.stderr
            )
            self._bar.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._bar is not None:
            self._bar.__exit__(*exception)
        if self._lines is not None:
            self._lines.summary(not_done=self._left, seconds=time.monotonic() - self._start)
        if self._is_part or self._done or self._count + self._before > 1:
            self._summarise()

    @property
    def is_one(self) -> bool:
        """Whether there is one image alone."""
        return not self._is_part and self._count + self._done + self._before == 1

    def painted(self, task: Task, milliseconds: float) -> None:
        """Print the line of a result on stdout."""
        self._painted += 1
        with self._above_the_bar():
            if self._lines is None:
                print_result(task.result, f"{milliseconds:.0f} ms")
            else:
                self._lines.outcome("painted", task.source, task.result, milliseconds=milliseconds)

    def skipped(self, task: Task) -> None:
        """Count an image whose result another process wrote."""
        self._skipped += 1
        with self._above_the_bar():
            if self._lines is not None:
                self._lines.outcome("skipped", task.source, task.result, reason="another run painted it")

    def failure(self, task: Task, message: str) -> None:
        """Print the line of an image that failed on stderr.

        Raises:
            FastnstError: With the same line, if there is one image alone.
        """
        self.failed += 1
        if self._lines is not None:
            self._lines.outcome("failed", task.source, task.result, reason=message)
        if self.is_one:
            raise FastnstError(message)
        with self._above_the_bar():
            complain(message)

    @contextlib.contextmanager
    def _above_the_bar(self) -> Iterator[None]:
        if self._bar is not None:
            # The line takes the bar's place, which is drawn again below.
            click.echo("\r\x1b[K", nl=False, err=True)
        yield
        if self._bar is not None:
            self._bar.update(1)
            self._bar.render_progress()

    def _rate(self) -> str | None:
        seconds = time.monotonic() - self._start
        return f"{self._painted / seconds:.3g} images/s" if self._painted and seconds else None

    @property
    def _left(self) -> int:
        return self._count + self._before - self._painted - self._skipped - self.failed

    def _summarise(self) -> None:
        rate, left = self._rate(), self._left
        counts = f"{self._painted:,} painted, {self._done:,} skipped (done before), {self.failed:,} failed"
        if self._skipped:
            counts += f", {self._skipped:,} done by another run"
        note(
            f"{counts}{f', {left:,} not done' if left else ''}"
            f" in {_duration(time.monotonic() - self._start)}{f' ({rate})' if rate else ''}"
        )


class TileProgress:
    """A progress bar for one picture that is painted in tiles, shown on a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._shown = 0

    def __call__(self, part: float) -> None:
        """Show the fraction that is done, in (0, 1]."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar = click.progressbar(length=100, label="painting in tiles", file=sys.stderr)
            self._bar.__enter__()
        percent = round(100 * part)
        self._bar.update(percent - self._shown)
        self._shown = percent
        if part >= 1:
            self._bar.__exit__(None, None, None)
            self._bar, self._shown = None, 0


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min {rest:02} s" if hours else f"{minutes} min {rest:02} s"
