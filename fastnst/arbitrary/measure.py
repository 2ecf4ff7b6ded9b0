"""What the network for any painting knows of a painting: the statistics that the encoder measures."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.errors import FastnstError, FastnstWarning
from fastnst.image.file import MAX_PIXELS
from fastnst.image.painting import read_painting
from fastnst.image.resize import fit
from fastnst.model import keys
from fastnst.model.image_model import run_session
from fastnst.model.metadata import read_metadata, whole_number
from fastnst.model.session import open_session

ENCODER = Path(__file__).with_name("encoder.onnx")
_INPUT = "painting"

LEAST_SIDE = 64
"""The smallest side in pixels that a painting may have, as it is and as it is measured."""

MOST_SIZE = 4096
"""The largest longer side that a painting may be measured at, in pixels."""

# Those that a process measured, by file, time of change and size.
_measured: dict[tuple[object, ...], MeasuredPainting] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class MeasuredPainting:
    """A painting as the network for any painting sees it.

    Attributes:
        name: The file's name without its suffix.
        sha256: The SHA-256 of the file.
        statistics: What the encoder gives, float32, by the names of the painter's inputs: `LEVEL.matrix` of
            shape (C, C) and `LEVEL.mean` of shape (C,).
    """

    name: str
    sha256: str
    statistics: Mapping[str, NDArray[np.float32]]


@cache
def painting_size() -> int:
    """Return the longer side in pixels at which paintings are measured."""
    return whole_number(read_metadata(ENCODER), keys.NETWORK_PAINTING_SIZE) or 768


def measure_paintings(paths: Sequence[Path], size: int) -> list[MeasuredPainting]:
    """Measure paintings; each is measured once in a process.

    Args:
        paths: Image files, in any format that fastnst reads.
        size: The longer side in pixels at which they are measured.

    Returns:
        The paintings in the same order.

    Raises:
        FastnstError: If one is missing, no image, fully transparent, or too small or too narrow.

    Warns:
        FastnstWarning: If one is partly transparent.
    """
    if not LEAST_SIDE <= size <= MOST_SIZE:
        raise FastnstError(
            f"the size of a painting's style must be {LEAST_SIDE} to {MOST_SIZE} pixels, not {size}"
        )
    with _lock:
        found = {path: (key := (*state_of(path), size), _measured.get(key)) for path in paths}
        missing = {path: _read(path, size) for path, (_, measured) in found.items() if measured is None}
        if missing:
            session, names = _open_encoder()
            for path, (pixels, sha256) in missing.items():
                measured = MeasuredPainting(path.stem, sha256, _run(session, names, pixels))
                _measured[found[path][0]] = measured
        return [_measured[found[path][0]] for path in paths]


def measure_content(
    content: bytes, name: str, size: int, *, max_pixels: int = MAX_PIXELS
) -> MeasuredPainting:
    """Measure a painting that is no file, such as one that came over a network.

    Args:
        content: What a file of it would hold.
        name: What it is called.
        size: The longer side in pixels at which it is measured.
        max_pixels: One with more pixels is refused.

    Raises:
        FastnstError: As `measure_paintings`.
    """
    pixels, _ = _pixels(content, Path(name), size, max_pixels)
    return MeasuredPainting(name, hashlib.sha256(content).hexdigest(), _run(*_open_encoder(), pixels))


def _open_encoder() -> tuple[Any, list[str]]:
    return open_session(ENCODER, lambda opened: [node.name for node in opened.get_outputs()], device="cpu")


def state_of(path: Path) -> tuple[Path, int, int]:
    """Return a painting's file, the time of its last change and its size in bytes.

    Raises:
        FastnstError: If there is no such file.
    """
    try:
        state = path.stat()
    except FileNotFoundError:
        raise FastnstError(f"there is no painting {path}") from None
    except (OSError, ValueError) as error:  # such as a name that is too long
        raise _unreadable(path, error) from None
    return path.absolute(), state.st_mtime_ns, state.st_size


def _read(path: Path, size: int) -> tuple[NDArray[np.uint8], str]:
    """Return a painting's pixels, uint8 (H, W, 3), the longer side `size`, and its file's SHA-256."""
    if not path.is_file():
        raise FastnstError(f"the painting {path} is no file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None
    pixels, is_on_white = _pixels(content, path, size, MAX_PIXELS)
    if is_on_white:
        warnings.warn(
            f"the painting {path} is partly transparent: it is laid on white", FastnstWarning, stacklevel=4
        )
    return pixels, hashlib.sha256(content).hexdigest()


def _pixels(content: bytes, path: Path, size: int, max_pixels: int) -> tuple[NDArray[np.uint8], bool]:
    """Return a painting's pixels, and whether it was laid on white."""
    image, is_on_white = read_painting(content, path, max_pixels=max_pixels)
    width, height = image.size
    if min(image.size) < LEAST_SIDE:
        raise FastnstError(
            f"the painting {path} has {width}x{height} pixels: each side must have at least {LEAST_SIDE}"
        )
    measured = fit(image.size, size)
    if min(measured) < LEAST_SIDE:
        raise FastnstError(
            f"the painting {path} has {width}x{height} pixels, and {measured[0]}x{measured[1]} as it is "
            f"measured: each side must have at least {LEAST_SIDE}, so crop it or measure it larger"
        )
    return np.asarray(image.resize(measured, Image.Resampling.LANCZOS)), is_on_white


def _run(session: Any, names: list[str], pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    part = f"a painting of {pixels.shape[1]}x{pixels.shape[0]} pixels"
    values = run_session(session, names, {_INPUT: pixels[np.newaxis]}, part)
    return dict(zip(names, values, strict=True))


def _unreadable(path: Path, error: Exception) -> FastnstError:
    return FastnstError(f"the painting {path} cannot be read: {getattr(error, 'strerror', None) or error}")
