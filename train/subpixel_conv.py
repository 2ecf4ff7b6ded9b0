"""The convolutions at full size, computed at half of it with four times the channels: exact, and faster."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

# Bilinear interpolation is the nearest neighbour's, smoothed by these weights in both directions. Smoothing
# commutes with convolution: after it there are fewer channels, and on pairs of equal pixels a kernel has 4
# multiplications in the place of 9.
SMOOTHING = (0.25, 0.5, 0.25)

# What a 3-tap kernel on a row whose pixels are all doubled is on the row itself, for the two pixels of the
# result at the border between the doubled i - 1 and i: the first sees i - 1 twice and i once, the second
# i - 1 once and i twice. Indexed by phase, position in the row, tap.
DOUBLING_TAPS = (
    ((1.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)),
)


def upsampled_conv(x: Tensor, weight: Tensor) -> Tensor:
    """Enlarge twofold by bilinear interpolation, repeat the border, and convolve with 3x3 kernels.

    The four phases of the result before its smoothing are 2x2 convolutions of the small image, with sums of
    the kernel's entries: 4/9 of the multiplications, and no enlarged copy.

    Args:
        x: Activations of shape (N, C, H, W).
        weight: Kernels of shape (D, C, 3, 3).

    Returns:
        Shape (N, D, 2H, 2W).
    """
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")  # interpolated, it repeats the enlarged border
    taps = weight.new_tensor(DOUBLING_TAPS)
    with torch.autocast(x.device.type, enabled=False):  # sums of weights, not of activations
        kernels = torch.einsum("aip,bjq,dcpq->abdcij", taps, taps, weight).flatten(0, 2)  # (4D, C, 2, 2)
    doubled: Tensor = _Interleave.apply(F.conv2d(padded, kernels))  # (N, D, 2H + 2, 2W + 2)
    smoothing = doubled.new_tensor(SMOOTHING)
    return F.conv2d(
        doubled, torch.outer(smoothing, smoothing).expand(len(weight), 1, 3, 3), groups=len(weight)
    )


def strided_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve into few channels: the four phases of the result as channels of a convolution of stride 2.

    Matrix units work on sixteen or more channels at once. Three use little of them, twelve most; the kernel's
    one more row and column of zeros cost less than that.

    Args:
        x: Padded activations of shape (N, C, H + k - 1, W + k - 1), with H and W even.
        weight: Kernels of shape (D, C, k, k).
        bias: Shape (D,).

    Returns:
        Shape (N, D, H, W).
    """
    kernels = [F.pad(weight, (b, 1 - b, a, 1 - a)) for a in (0, 1) for b in (0, 1)]
    phases = F.conv2d(x, torch.cat(kernels), bias.repeat(4), stride=2)  # (N, 4D, H/2, W/2)
    interleaved: Tensor = _Interleave.apply(phases)
    return interleaved


class _Interleave(Function):
    """Spread phases (N, 4D, H, W) to (N, D, 2H, 2W): depth to space, channels last both ways.

    Phase 2a + b holds the rows of parity a and the columns of parity b.
    """

    @staticmethod
    def forward(_: Any, phases: Tensor) -> Tensor:
        count, channels, height, width = phases.shape
        result = torch.empty(
            (count, channels // 4, 2 * height, 2 * width),
            dtype=phases.dtype,
            device=phases.device,
            memory_format=torch.channels_last,
        )
        for a, b, phase in _phases(channels // 4):
            result[..., a::2, b::2] = phases[:, phase]
        return result

    @staticmethod
    @once_differentiable
    def backward(_: Any, gradient: Tensor) -> Tensor:
        count, depth, height, width = gradient.shape
        phases = torch.empty(
            (count, 4 * depth, height // 2, width // 2),
            dtype=gradient.dtype,
            device=gradient.device,
            memory_format=torch.channels_last,
        )
        for a, b, phase in _phases(depth):
            phases[:, phase] = gradient[..., a::2, b::2]
        return phases


def _phases(depth: int) -> list[tuple[int, int, slice]]:
    """Return each phase's parity of rows and of columns, and its channels."""
    return [(a, b, slice((2 * a + b) * depth, (2 * a + b + 1) * depth)) for a in (0, 1) for b in (0, 1)]
