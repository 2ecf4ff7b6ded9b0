"""What commands print on the terminal: results, notes, warnings and errors, one line each."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import click

from fastnst.errors import FastnstWarning
from fastnst.terminal import lost_output, one_line, printable

# A server paints what strangers send: each size of a mask may be warned of.
_MOST_WARNINGS = 1000


def complain(message: str) -> None:
    """Print an error on stderr as one line."""
    click.echo(f"fastnst: error: {one_line(message)}", err=True)


def note(message: str) -> None:
    """Print what a user should know on stderr as one line."""
    click.echo(f"fastnst: {one_line(message)}", err=True)


def print_result(result: Path, told: str) -> None:
    """Print a result that is written, and what is told of it, on stdout, as one line with a tab.

    Where stdout is full, a line on stderr says so, and the work goes on.
    """
    click.echo(f"{printable(result)}\t{told}")
    if (error := lost_output()) is not None:
        note(f"warning: {result} is written, but standard output cannot be: {error.strerror or error}")


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print each of fastnst's own warnings once, as one line on stderr, and no other library's.

    Python's filters are the whole process's, so that this is entered before threads are started: what they
    warn of is printed too.
    """
    import logging

    # Python's own "once" forgets what it has shown whenever a library changes the filters.
    shown: set[str] = set()
    lock = threading.Lock()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        line = f"fastnst: warning: {one_line(message)}"
        with lock:
            is_new = line not in shown and len(shown) < _MOST_WARNINGS
            if is_new:
                shown.add(line)
        if is_new:
            click.echo(line, err=True)

    pillow = logging.getLogger("PIL")  # which also logs of damaged files
    level = pillow.level
    pillow.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", FastnstWarning)
            warnings.showwarning = show
            yield
    finally:
        pillow.setLevel(level)
