"""`fastnst webcam`: paint what a camera sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from fastnst.cli.device_options import device_options
from fastnst.cli.model_options import model_options
from fastnst.cli.one_line import warnings_as_lines
from fastnst.cli.painter_options import STYLE_OPTION, freeze_paintings
from fastnst.errors import FastnstError
from fastnst.terminal import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@click.command(short_help="Paint what a camera sees.")
@click.option("-m", "--model", metavar="STYLE", help="A style's name, or an ONNX file.")
@STYLE_OPTION
@click.option("--camera", default=0, show_default=True, metavar="N", help="The camera's number.")
@click.option(
    "--size", default=320, show_default=True, metavar="N", help="Longer side to paint at, in pixels."
)
@click.option("--stabilize", is_flag=True, help="Reduce flicker, following the motion in the picture.")
@click.option("--no-mirror", is_flag=True, help="Show it as others see you.")
@model_options
@device_options
def webcam(
    model: str | None,
    style: tuple[str, ...],
    camera: int,
    size: int,
    stabilize: bool,
    no_mirror: bool,
    input_range: str | None,
    bgr: bool | None,
    device: str,
    threads: int | None,
) -> None:
    """Show a camera's picture in a window, painted. Press q or Escape, or close the window, to end it.

    It needs opencv-python, which shows windows, instead of opencv-python-headless.
    """
    if (model is None) == (not style):
        raise click.UsageError("Give either '-m' / '--model' or '--style'.")
    if camera < 0:
        raise FastnstError(f"--camera must be at least 0, not {camera}")
    if size < 16:
        raise FastnstError(f"--size must be at least 16, not {size}")
    from fastnst.video.imports import import_cv2_with_window

    import_cv2_with_window()  # before the model is loaded, which takes longer
    from fastnst.painter import Painter
    from fastnst.video.stabilizer import stabilized
    from fastnst.video.webcam import show_webcam

    with warnings_as_lines():
        chosen = freeze_paintings(style) if style else model
        painter = Painter(chosen, device=device, threads=threads, input_range=input_range, bgr=bgr)
        step: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = painter
        if stabilize:
            steady = painter.for_video()
            step = stabilized(steady, steady.begin_shot)
        show_webcam(
            step, camera=camera, size=size, mirror=not no_mirror, title=f"fastnst {printable(painter.name)}"
        )
