"""The pictures of the first page: example photos, and one of them in each style."""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.image.file import read_image
from fastnst.image.resize import fit
from fastnst.stylizer import Stylizer

Pixels = NDArray[np.uint8]

# In the public domain or CC0, see scikit-image's data/README.txt.
_SKIMAGE = {"astronaut": "Astronaut", "chelsea": "Cat", "coffee": "Coffee", "rocket": "Rocket"}

_EXAMPLE_SIZE = 1024  # most of a photo's longer side, in pixels
_SAMPLE_SIZE = 384
_HERO_SIZE = 1000
_HERO_STYLES = 4
_QUALITY = 88


@dataclass(frozen=True)
class Example:
    """An example photo.

    Attributes:
        name: What its file is called, without a suffix.
        title: What the page calls it.
        pixels: RGB of shape (H, W, 3), uint8.
    """

    name: str
    title: str
    pixels: Pixels


def example_photos(files: Sequence[Path] = ()) -> list[Example]:
    """Return the example photos: these files, or by default those of scikit-image if it is installed.

    Raises:
        FastnstError: If a file cannot be read.
    """
    if files:
        photos = [(file.stem, file.stem.replace("_", " "), read_image(file).pixels) for file in files]
    else:
        try:
            data = importlib.import_module("skimage.data")
        except ImportError:
            return []
        photos = [(name, title, getattr(data, name)()) for name, title in _SKIMAGE.items()]
    return [Example(name, title, _at_most(pixels, _EXAMPLE_SIZE)) for name, title, pixels in photos]


def sample(style: Stylizer, example: Example) -> bytes:
    """Return a JPEG of the example in a style."""
    return jpeg(style(_at_most(example.pixels, _SAMPLE_SIZE)))


def hero(styles: Sequence[Stylizer], example: Example) -> bytes:
    """Return a JPEG of the example in several styles, as strips beside each other."""
    chosen = [
        styles[len(styles) * number // _HERO_STYLES] for number in range(min(_HERO_STYLES, len(styles)))
    ]
    photo = _scaled(example.pixels, _HERO_SIZE)
    width = photo.shape[1]
    edges = [round(width * number / len(chosen)) for number in range(len(chosen) + 1)]
    painted = np.full_like(photo, 255)
    for style, left, right in zip(chosen, edges, edges[1:], strict=False):
        gap = 4 if right < width else 0
        painted[:, left : right - gap] = style(photo)[:, left : right - gap]
    return jpeg(painted)


def jpeg(pixels: Pixels) -> bytes:
    """Return a picture as a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=_QUALITY, subsampling="4:4:4", optimize=True)
    return buffer.getvalue()


def _at_most(pixels: Pixels, longer_side: int) -> Pixels:
    return _scaled(pixels, longer_side) if max(pixels.shape) > longer_side else pixels


def _scaled(pixels: Pixels, longer_side: int) -> Pixels:
    height, width = pixels.shape[:2]
    size = fit((width, height), longer_side)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
