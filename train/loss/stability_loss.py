"""The loss term for videos: a photo that changes a little must be painted alike."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# The greatest shift, in pixels: with all shifts below the largest stride, strokes do not stick to its grid.
_MOST_SHIFT = 7
# Between the frames of a video the light changes by some percent, and noise by some levels of 255.
_MOST_BRIGHTENING = 0.05
_MOST_NOISE = 5 / 255
# Pixels left out at the bottom and right, where a shift brings other pixels in.
_BORDER = 16


class Disturbance(NamedTuple):
    """A photo that changed a little.

    Attributes:
        content: The changed photos, float32 of shape (N, 3, H, W) in [0, 1].
        rows: For each row to compare its row before the change, int64 of shape (H - 16,).
        columns: For each column, likewise, (W - 16,).
    """

    content: Tensor
    rows: Tensor
    columns: Tensor


def disturb(content: Tensor, seed: int) -> Disturbance | None:
    """Shift photos by less than 8 pixels, change their brightness by up to 5% and add faint noise.

    Args:
        content: Photos of shape (N, 3, H, W) in [0, 1].
        seed: Determines the change.

    Returns:
        The changed photos; None for photos too small to compare.
    """
    height, width = content.shape[-2:]
    if min(height, width) <= 2 * _BORDER:
        return None
    device = content.device
    chance = torch.Generator().manual_seed(seed)
    down, right = torch.randint(_MOST_SHIFT + 1, (2,), generator=chance).tolist()
    brightening, noise = torch.rand(2, generator=chance).tolist()
    rows = torch.arange(height - _BORDER, device=device) + down
    columns = torch.arange(width - _BORDER, device=device) + right
    grain = torch.randn(content.shape, generator=torch.Generator(device).manual_seed(seed), device=device)
    changed = content.roll((-down, -right), (2, 3)) * (1 + _MOST_BRIGHTENING * (2 * brightening - 1))
    return Disturbance((changed + _MOST_NOISE * noise * grain).clamp(0, 1), rows, columns)


def stability_loss(stylized: Tensor, disturbed: Tensor, change: Disturbance) -> Tensor:
    """Compare the painting of a changed photo with the painting of the photo, changed alike.

    Networks trained without it move their strokes at the slightest change, and videos flicker (Gupta et al.
    2017, arXiv:1705.02092). Shifts are whole pixels, since interpolation would reward blur.

    Args:
        stylized: The painted photos, (N, 3, H, W) in [0, 1].
        disturbed: The painted changed photos, of the same shape.
        change: The change.

    Returns:
        Float32 scalar, the mean over the batch: 0 where both are equal, 1 if they differ as much as the
        painting's own contrast.
    """
    moved = stylized.float().index_select(2, change.rows).index_select(3, change.columns)
    found = disturbed.float()[..., : len(change.rows), : len(change.columns)]
    mean = moved.detach().mean((2, 3), keepdim=True)
    contrast = (moved.detach() - mean).square().sum((1, 2, 3)).clamp_min(1e-6)
    return ((found - moved).square().sum((1, 2, 3)) / contrast).mean()
