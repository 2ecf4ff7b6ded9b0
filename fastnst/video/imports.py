"""The packages that only video needs, PyAV and OpenCV, imported when they are used."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from fastnst.errors import FastnstError

# opencv-python and opencv-python-headless own the same folder and break each other.
_INSTALL = 'pip install av opencv-python-headless (or "fastnst[video]")'
_INSTALL_WINDOW = "pip uninstall opencv-python-headless, then pip install opencv-python"

# Older versions confuse some matrices and ranges.
_OLDEST_AV = 18


def import_av() -> Any:
    """Return the module `av`, PyAV, with FFmpeg's own messages turned off.

    Raises:
        FastnstError: If it is not installed, does not load or is too old.
    """
    try:
        import av
        import av.logging
    except ImportError as error:
        raise _missing("PyAV", "av", error) from None
    if int(av.__version__.split(".")[0]) < _OLDEST_AV:
        raise FastnstError(
            f"PyAV {av.__version__} is too old for video: pip install --upgrade av (on Python 3.11 or newer)"
        )
    # FFmpeg's errors arrive as exceptions; its other messages would break the progress bar.
    av.logging.set_level(None)
    return av


def file_url(path: Path) -> str:
    """Return a file's name as FFmpeg reads it literally, also if it is called `concat:a.mp4` or `-`."""
    return f"file:{path}"


def import_cv2() -> Any:
    """Return the module `cv2`, OpenCV.

    Raises:
        FastnstError: If it is not installed or does not load.
    """
    try:
        import cv2
    except ImportError as error:
        raise _missing("OpenCV", "cv2", error) from None
    return cv2


def import_cv2_with_window() -> Any:
    """Return the module `cv2`, after checking that it can open a window here.

    Raises:
        FastnstError: If OpenCV is not installed, was built without windows, or there is no display.
    """
    try:
        cv2 = import_cv2()
    except FastnstError:
        raise FastnstError("OpenCV, which shows the window, is missing: pip install opencv-python") from None
    lines = [line.split(":", 1) for line in cv2.getBuildInformation().splitlines() if ":" in line]
    if {name.strip(): value.strip() for name, value in lines}.get("GUI") == "NONE":
        raise FastnstError(f"the installed OpenCV shows no windows: {_INSTALL_WINDOW}")
    # Without a display, OpenCV's window toolkit ends the process silently.
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise FastnstError("there is no display to show a window on: run it in a desktop session")
    return cv2


def _missing(name: str, module: str, error: ImportError) -> FastnstError:
    if isinstance(error, ModuleNotFoundError) and error.name == module:
        return FastnstError(f"{name}, which video needs, is not installed: {_INSTALL}")
    return FastnstError(f"{name}, which video needs, does not load ({error}): {_INSTALL}")
