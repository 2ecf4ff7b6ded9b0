"""Conversion between images, as files hold them, and tensors, as networks take them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def image_to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Return an image as a batch of one.

    Args:
        image: RGB, uint8 of shape (H, W, 3).

    Returns:
        Float32 of shape (1, 3, H, W) in [0, 1], on the CPU.
    """
    # A copy: arrays from Pillow may be read-only, tensors cannot be.
    return torch.tensor(image).permute(2, 0, 1).unsqueeze(0).float() / 255


def tensor_to_image(image: Tensor) -> NDArray[np.uint8]:
    """Return a batch of one as an image.

    Args:
        image: RGB of shape (1, 3, H, W), in [0, 1]; values outside are clamped.

    Returns:
        Uint8 of shape (H, W, 3), rounded to the nearest level.
    """
    levels = (image.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return levels[0].permute(1, 2, 0).cpu().numpy()
