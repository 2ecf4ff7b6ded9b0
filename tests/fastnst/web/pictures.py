"""Photos for the page's tests."""

from __future__ import annotations

import numpy as np
from PIL import Image


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Soft shapes with saturated colours, flat parts and black and white: where conversions differ most."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    picture[: height // 8] = 0
    picture[height // 8 : height // 4, : width // 2] = 255
    picture[height // 4 : height // 3, : width // 3] = (0, 0, 255)
    return picture


class Painted:
    """In the place of a Stylizer: returns a painting that is given."""

    name = "given"

    def __init__(self, painting: np.ndarray) -> None:
        self.painting = painting

    def __call__(self, image, out=None):
        assert image.shape == self.painting.shape
        return self.painting
