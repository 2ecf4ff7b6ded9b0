"""The painting: read, checked and resized to the size of the brush."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from fastnst.errors import FastnstError
from train.image_tensor import image_to_tensor
from train.photos.crops import to_rgb


@dataclass(frozen=True)
class StyleImage:
    """A painting as the loss sees it.

    Attributes:
        pixels: RGB, uint8 of shape (H, W, 3).
        sha256: Of the file, as lower-case hexadecimal digits.
    """

    pixels: NDArray[np.uint8]
    sha256: str

    def to_tensor(self) -> Tensor:
        """Return the painting as float32 of shape (1, 3, H, W) in [0, 1]."""
        return image_to_tensor(self.pixels)


def load_style_image(path: Path, size: int) -> StyleImage:
    """Read a painting and resize it.

    Args:
        path: The image file; its EXIF orientation is applied and transparency laid on white.
        size: Longer side after resizing, in pixels: larger paintings give larger strokes.

    Returns:
        The painting.

    Raises:
        FastnstError: If the file is missing or no image.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FastnstError(f"there is no style image {path}: give the painting with --style FILE") from None
    except OSError as error:
        raise FastnstError(f"cannot read the style image {path}: {error.strerror or error}") from error
    try:
        with Image.open(io.BytesIO(content)) as opened:
            opened.load()
            image = to_rgb(ImageOps.exif_transpose(opened))
    # A broken file makes decoders raise nearly anything.
    except Exception as error:
        raise FastnstError(f"the style image {path} is damaged or no image that Pillow reads") from error
    scale = size / max(image.size)
    resized = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    pixels = np.array(image.resize(resized, Image.Resampling.LANCZOS))
    return StyleImage(pixels, hashlib.sha256(content).hexdigest())
