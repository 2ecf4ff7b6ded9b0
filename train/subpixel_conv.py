"""The convolutions at full size, computed at half of it with four times the channels: exact, and faster."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def upsampled_conv(x: Tensor, weight: Tensor) -> Tensor:
    """Enlarge twofold by the nearest neighbour, pad by reflection, and convolve with 3x3 kernels.

    Of the nine positions that a kernel covers in the enlarged image, only four hold different pixels. So each
    of the four phases of the result is a 2x2 convolution of the small image, with sums of the kernel's
    entries: 16 multiplications in the place of 36, and no enlarged copy.

    Args:
        x: Activations of shape (N, C, H, W).
        weight: Kernels of shape (D, C, 3, 3).

    Returns:
        Shape (N, D, 2H, 2W).
    """
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")  # the reflection of doubled pixels
    phases = F.conv2d(padded, _upsampling_kernels(weight))  # (N, 4D, H+1, W+1)
    interleaved: Tensor = _Interleave.apply(phases, 1)
    return interleaved


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
    interleaved: Tensor = _Interleave.apply(phases, 0)
    return interleaved


def _upsampling_kernels(weight: Tensor) -> Tensor:
    """Return the 2x2 kernels of the four phases, (4D, C, 2, 2), from 3x3 kernels."""
    first, middle, last = weight.unbind(2)
    rows = (torch.stack((first + middle, last), 2), torch.stack((first, middle + last), 2))  # (D, C, 2, 3)
    kernels = []
    for row in rows:
        first, middle, last = row.unbind(3)
        kernels += [torch.stack((first + middle, last), 3), torch.stack((first, middle + last), 3)]
    return torch.cat(kernels)


class _Interleave(Function):
    """Spread phases (N, 4D, H, W) to (N, D, 2H - 2m, 2W - 2m): depth to space, less a margin of m pixels.

    Phase 2a + b holds the rows of parity a and the columns of parity b. One pass over the memory; depth to
    space and cropping by themselves make three.
    """

    @staticmethod
    def forward(ctx: Any, phases: Tensor, margin: int) -> Tensor:
        count, channels, height, width = phases.shape
        ctx.shape, ctx.margin = phases.shape, margin
        result = torch.empty(
            (count, channels // 4, 2 * (height - margin), 2 * (width - margin)),
            dtype=phases.dtype,
            device=phases.device,
            memory_format=torch.channels_last,
        )
        for to, of in _phases(ctx.shape, margin):
            result[to] = phases[of]
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        phases = gradient.new_zeros(ctx.shape).contiguous(memory_format=torch.channels_last)
        for to, of in _phases(ctx.shape, ctx.margin):
            phases[of] = gradient[to]
        return phases, None


def _phases(shape: tuple[int, ...], margin: int) -> list[tuple[Any, Any]]:
    """Return, for each phase, where it goes in the result and what of it goes there."""
    _, channels, height, width = shape
    depth = channels // 4
    pairs = []
    for a in (0, 1):
        for b in (0, 1):
            # A margin of one pixel: row 1 of the whole is row 0 of the result, so the parities swap, and the
            # even rows lose their first, the odd ones their last.
            to_row, to_column = (a + margin) % 2, (b + margin) % 2
            rows = slice(margin * (1 - a), height - margin * a)
            columns = slice(margin * (1 - b), width - margin * b)
            phase = slice((2 * a + b) * depth, (2 * a + b + 1) * depth)
            pairs.append(
                (
                    (slice(None), slice(None), slice(to_row, None, 2), slice(to_column, None, 2)),
                    (slice(None), phase, rows, columns),
                )
            )
    return pairs
