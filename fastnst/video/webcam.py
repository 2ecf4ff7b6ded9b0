"""Painting a camera's picture live."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnst.errors import FastnstError
from fastnst.image.resize import fit
from fastnst.video.imports import import_cv2_with_window

_QUIT = {ord("q"), ord("Q"), 27}  # 27 is Escape

# Cameras give a few empty frames at first; an unplugged camera gives only empty frames.
_EMPTY_FRAMES = 50


def show_webcam(
    step: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    *,
    camera: int = 0,
    size: int = 320,
    mirror: bool = True,
    title: str = "fastnst",
) -> int:
    """Show a camera's picture painted, until q or Escape is pressed or the window is closed.

    Args:
        step: Paints a picture: RGB of shape (H, W, 3), uint8, to the same shape.
        camera: Its number; 0 is the first.
        size: The longer side at which it is painted; the window may be made larger.
        mirror: Whether to show it as a mirror does.
        title: The window's title; the frames per second follow it.

    Returns:
        How many frames were shown.

    Raises:
        FastnstError: If OpenCV has no windows, or there is no display, no such camera or no picture from it.
    """
    cv2 = import_cv2_with_window()
    shown = 0
    with _opened(cv2, camera) as capture:
        cv2.namedWindow(title, cv2.WINDOW_NORMAL)
        try:
            while True:
                start = time.perf_counter()
                image = cv2.cvtColor(_read(capture, camera), cv2.COLOR_BGR2RGB)
                width, height = fit(image.shape[1::-1], min(size, max(image.shape[:2])))
                image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
                painted = step(np.ascontiguousarray(image[:, ::-1]) if mirror else image)
                cv2.imshow(title, cv2.cvtColor(painted, cv2.COLOR_RGB2BGR))
                shown += 1
                cv2.setWindowTitle(title, f"{title}  {1 / (time.perf_counter() - start):.1f} fps")
                if cv2.waitKey(1) & 0xFF in _QUIT or cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1:
                    return shown
        finally:
            cv2.destroyAllWindows()


@contextlib.contextmanager
def _opened(cv2: Any, camera: int) -> Iterator[Any]:
    with contextlib.suppress(AttributeError):  # not in every OpenCV
        cv2.setLogLevel(0)  # a missing camera is said in one line, below
    capture = cv2.VideoCapture(camera)
    try:
        if not capture.isOpened():
            raise FastnstError(f"there is no camera {camera}: connect one, or choose another with --camera")
        # Frames that wait while one is painted would each be shown late.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        yield capture
    finally:
        capture.release()


def _read(capture: Any, camera: int) -> NDArray[np.uint8]:
    for _ in range(_EMPTY_FRAMES):
        there, image = capture.read()
        if there and image is not None:
            pixels: NDArray[np.uint8] = image
            return pixels
        time.sleep(0.02)
    raise FastnstError(f"camera {camera} gives no picture: connect it again, or end what else uses it")
