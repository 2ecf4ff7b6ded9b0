"""What a command over many images shows while it runs, and its last line."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from fastnst.cli.one_line import complain, note, print_result


class Progress:
    """Prints a line for each image, and at the end the number painted, skipped and failed.

    For many images on a terminal, a bar shows the progress, the images per second and the time left.

    Args:
        count: How many images there are to paint.
        done: How many were painted before.
        failed: How many have failed already.

    Attributes:
        failed: How many have failed so far.
    """

    def __init__(self, count: int, *, done: int = 0, failed: int = 0) -> None:
        self._count, self._done, self._before = count, done, failed
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
        if self._done or self._count + self._before > 1:
            self._summarise()

    def painted(self, result: Path, milliseconds: float) -> None:
        """Print the line of a result on stdout."""
        self._painted += 1
        with self._above_the_bar():
            print_result(result, f"{milliseconds:.0f} ms")

    def skipped(self) -> None:
        """Count an image whose result another process wrote."""
        self._skipped += 1
        if self._bar is not None:
            self._bar.update(1)

    def failure(self, message: str) -> None:
        """Print the line of an image that failed on stderr."""
        self.failed += 1
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

    def _summarise(self) -> None:
        rate = self._rate()
        left = self._count + self._before - self._painted - self._skipped - self.failed
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
