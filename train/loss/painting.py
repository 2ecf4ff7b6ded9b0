"""The painting: read, checked and resized to the size of the brush."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fastnst.errors import FastnstError
from fastnst.image.painting import read_painting
from fastnst.image.resize import fit
from train.image_tensor import image_to_tensor
from train.terminal import say_once

# Longer side of the painting in the measure S3, in pixels.
MEASURED_SIZE = 768


@dataclass(frozen=True)
class Painting:
    """A painting as the loss sees it.

    Attributes:
        pixels: sRGB, uint8 of shape (H, W, 3).
        at_measured_size: The same with a longer side of 768 px, as S3 sees it.
        sha256: The SHA-256 of the file, in lower-case hexadecimal digits.
    """

    pixels: NDArray[np.uint8]
    at_measured_size: NDArray[np.uint8]
    sha256: str

    @property
    def pixels_sha256(self) -> str:
        """The SHA-256 of the pixels, which shows whether two versions read a painting alike."""
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()

    def to_tensor(self) -> Tensor:
        """Return the painting as float32 of shape (1, 3, H, W) in [0, 1]."""
        return image_to_tensor(self.pixels)


def load_painting(path: Path, size: int) -> Painting:
    """Read a painting and resize it.

    The painting is turned upright and converted to sRGB by its colour profile. A partly transparent one is
    laid on white, and a line says so. A JPEG above 179 megapixels is decoded at a half, a quarter or an
    eighth of its size; other formats are read up to 400 megapixels.

    Args:
        path: The image file.
        size: Longer side after resizing, in pixels: larger paintings give larger strokes.

    Returns:
        The painting.

    Raises:
        FastnstError: If the file is missing, no image, too large or fully transparent.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FastnstError(f"there is no painting {path}: give the path of an image") from None
    except OSError as error:
        raise FastnstError(f"cannot read the painting {path}: {error.strerror or error}") from error
    image, is_on_white = read_painting(content, path)
    if is_on_white:
        say_once(f"the painting {path} is partly transparent: it is laid on white")
    pixels, at_measured_size = (
        np.array(image.resize(fit(image.size, side), Image.Resampling.LANCZOS))
        for side in (size, MEASURED_SIZE)
    )
    return Painting(pixels, at_measured_size, hashlib.sha256(content).hexdigest())
