"""Random crops of a decoded photo."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

_ASPECTS = (3 / 4, 4 / 3)  # torchvision's RandomResizedCrop


def random_crop(
    pixels: NDArray[np.uint8],
    size: int,
    generator: np.random.Generator,
    scale: tuple[float, float] = (0.25, 1.0),
    side: int | None = None,
) -> Tensor:
    """Cut a random crop out of a photo, scale it to a square, and mirror it half of the time.

    Args:
        pixels: A photo of shape (H, W, 3), uint8; one smaller than the crop is enlarged.
        size: Side of a whole crop in pixels, from 1 up.
        generator: Decides on the box and the mirroring; nothing else is random.
        scale: Least and greatest fraction of the photo's area that a whole crop takes, in (0, 1].
        side: Side of the result in pixels, from 1 to `size`, which is the default. A smaller result is a part
            of a whole crop, at a random place and at the same scale. Only that part of the photo is resized.

    Returns:
        RGB values of shape (3, side, side), uint8, 0 to 255, contiguous.
    """
    height, width, _ = pixels.shape
    left, top, right, bottom = random_crop_box(width, height, generator, scale)
    if side is None or side == size:
        side = size
    else:
        part_width = max(1, round((right - left) * side / size))
        part_height = max(1, round((bottom - top) * side / size))
        left += int(generator.integers(right - left - part_width, endpoint=True))
        top += int(generator.integers(bottom - top - part_height, endpoint=True))
        right, bottom = left + part_width, top + part_height
    box = torch.from_numpy(pixels[top:bottom, left:right].copy())  # (h, w, 3)
    # PyTorch resizes uint8 as Pillow does, to a level or two, in a fifth of the time.
    crop = F.interpolate(box.permute(2, 0, 1).unsqueeze(0), (side, side), mode="bicubic", antialias=True)[0]
    if generator.random() < 0.5:
        crop = crop.flip(2)
    return crop.contiguous()


def random_crop_box(
    width: int, height: int, generator: np.random.Generator, scale: tuple[float, float] = (0.25, 1.0)
) -> tuple[int, int, int, int]:
    """Draw the box of a random resized crop, as torchvision's `RandomResizedCrop` does.

    The box's area is a uniform fraction of the image's, its aspect ratio log-uniform from 3:4 to 4:3. Where
    ten draws do not fit (very long or very small images), the largest box of an allowed aspect is taken,
    at a random place: torchvision takes the centre, which would never show the rest of a panorama.

    Args:
        width: Width of the image in pixels, from 1 up.
        height: Height of the image in pixels, from 1 up.
        generator: Source of the draws.
        scale: Least and greatest fraction of the image's area, in (0, 1].

    Returns:
        Left, top, right and bottom in pixels: a box of at least 1x1 inside the image.
    """
    for _ in range(10):
        area = width * height * generator.uniform(*scale)
        aspect = math.exp(generator.uniform(math.log(_ASPECTS[0]), math.log(_ASPECTS[1])))
        box_width, box_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < box_width <= width and 0 < box_height <= height:
            break
    else:
        box_width = min(width, max(1, round(height * _ASPECTS[1])))
        box_height = min(height, max(1, round(width / _ASPECTS[0])))
    left = int(generator.integers(width - box_width, endpoint=True))
    top = int(generator.integers(height - box_height, endpoint=True))
    return left, top, left + box_width, top + box_height


def reduction_for_crops(width: int, height: int, size: int, scale: tuple[float, float]) -> int:
    """Return the largest factor of 1, 2, 4 and 8 by which a photo can be reduced before it is cropped.

    Args:
        width: Width of the photo in pixels.
        height: Height of the photo in pixels.
        size: Side of the crops in pixels; the box of each still has as many.
        scale: As in `random_crop_box`.
    """
    # The least side of a box that `random_crop_box` draws, and of one that it takes where no draw fits.
    least = min(math.sqrt(scale[0] * width * height * _ASPECTS[0]), width, height)
    return next((factor for factor in (8, 4, 2) if least >= factor * size), 1)
