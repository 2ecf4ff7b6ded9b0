"""Bilinear enlargement and a 3x3 convolution in one: exact, with a quarter of the multiplications."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train.network.border_pad import border_pad

# Bilinear interpolation to twice the size inserts zeros between pixels and smooths by these weights in both
# directions. Smoothing commutes with convolution. Smoothing after the convolution handles fewer channels, and
# a transposed convolution before it skips the zeros, three of four multiplications. A transposed convolution
# alone makes checkerboards (Odena et al. 2016, distill.pub/2016/deconv-checkerboard); smoothed, it is exact.
SMOOTHING = (0.25, 0.75, 0.75, 0.25)


def upsampled_conv(x: Tensor, weight: Tensor) -> Tensor:
    """Enlarge twofold by bilinear interpolation, repeat the border, and convolve with 3x3 kernels.

    Args:
        x: Activations of shape (N, C, H, W).
        weight: Kernels of shape (D, C, 3, 3).

    Returns:
        Shape (N, D, 2H, 2W).
    """
    padded = border_pad(x, 1, "replicate")  # interpolated, it repeats the enlarged border
    # A transposed convolution applies the kernel rotated by half a turn.
    spread = F.conv_transpose2d(padded, weight.flip(2, 3).transpose(0, 1), stride=2, padding=1)
    smoothing = spread.new_tensor(SMOOTHING)
    return F.conv2d(
        spread, torch.outer(smoothing, smoothing).expand(len(weight), 1, 4, 4), groups=len(weight)
    )
