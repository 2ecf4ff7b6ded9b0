"""Scales of an image: a picture reduced by averaging, so that one loss network sees strokes of every size."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

# The least side of a reduced image: three poolings leave relu4_1 two positions.
_LEAST_SIDE = 16


def reduced(image: Tensor, scale: int) -> Tensor:
    """Reduce images by averaging squares of pixels.

    Args:
        image: Images of shape (N, C, H, W).
        scale: Side of the squares in pixels; 1 returns the images themselves.

    Returns:
        Shape (N, C, H // scale, W // scale).
    """
    return image if scale == 1 else F.avg_pool2d(image, scale)


def usable_scales(scales: Sequence[int], *images: Tensor) -> tuple[int, ...]:
    """Return the scales at which images are still large enough for the loss network.

    Args:
        scales: Factors of reduction, rising.
        images: Tensors of shape (N, C, H, W).

    Returns:
        Those that leave each image sides of 16 pixels or more; the first one in any case.
    """
    side = min(min(image.shape[-2:]) for image in images)
    return tuple(scale for scale in scales if scale == scales[0] or side // scale >= _LEAST_SIDE)
