"""The options of every command that runs a network: on which processor, with how many threads."""

from __future__ import annotations

from collections.abc import Callable

import click

_DEVICE = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="DEVICE",
    help="auto, cpu, gpu, cuda, cuda:1, tensorrt, migraphx, rocm, directml, openvino or coreml.",
)
_THREADS = click.option("--threads", type=int, metavar="N", help="CPU threads.  [default: one a core]")


def device_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--device` and `--threads` to a click command, which is called with `device` and `threads`."""
    return _DEVICE(_THREADS(command))
