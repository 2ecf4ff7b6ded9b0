"""Errors and warnings on the terminal: one line each."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import click

from fastnst.errors import FastnstWarning


def complain(message: str) -> None:
    """Print an error on stderr as one line."""
    click.echo(f"fastnst: error: {' '.join(message.split())}", err=True)


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print each of fastnst's own warnings once, as one line on stderr, and no other library's."""
    # Python's own "once" forgets what it has shown whenever a library changes the filters.
    shown: set[str] = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        line = f"fastnst: warning: {' '.join(str(message).split())}"
        if line not in shown:
            shown.add(line)
            click.echo(line, err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", FastnstWarning)
        warnings.showwarning = show
        yield
