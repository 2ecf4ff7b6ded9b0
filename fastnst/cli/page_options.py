"""The options of what shows the page: its styles and its example photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def page_options(default_styles: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds the options `models` and `examples` to a click command.

    Args:
        default_styles: Which styles the page has without --model, for the help.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(
            (
                click.option(
                    "-m",
                    "--model",
                    "models",
                    multiple=True,
                    metavar="STYLE",
                    help="A style's name or file, or a painting; may be repeated.  "
                    f"[default: {default_styles}]",
                ),
                click.option(
                    "--example",
                    "examples",
                    multiple=True,
                    type=click.Path(path_type=Path),
                    metavar="PHOTO",
                    help="A photo to begin with; may be repeated.  "
                    "[default: those of scikit-image, if it is installed]",
                ),
            )
        ):
            command = option(command)
        return command

    return add
