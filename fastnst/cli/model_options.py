"""The options on what a model from elsewhere takes, where fastnst cannot find it out."""

from __future__ import annotations

from collections.abc import Callable

import click

_INPUT_RANGE = click.option(
    "--input-range",
    metavar="RANGE",
    help="The input's: 0..255, 0..1, -1..1, imagenet, caffe.",
)
_BGR = click.option("--bgr/--rgb", default=None, help="Whether blue comes first in a foreign model.")


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a click command, which is called with `input_range` and `bgr`, None by default."""
    return _INPUT_RANGE(_BGR(command))
