"""Padding that continues an image over its border, with a gradient that keeps the channels-last layout."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

# Mirrored without the outermost pixels themselves, or the outermost pixels repeated.
Border: TypeAlias = Literal["reflect", "replicate"]


def border_pad(x: Tensor, pad: int, border: Border) -> Tensor:
    """Extend images on all sides.

    Args:
        x: Activations of shape (N, C, H, W); H and W above `pad` where the border is mirrored.
        pad: Pixels to add on each side.
        border: How.

    Returns:
        Shape (N, C, H + 2 pad, W + 2 pad).
    """
    if x.requires_grad and x.device.type == "cpu" and pad:
        padded: Tensor = _ChannelsLastBorderPad.apply(x, pad, border)
        return padded
    return F.pad(x, (pad, pad, pad, pad), mode=border)


class _ChannelsLastBorderPad(Function):
    """PyTorch's gradient of this padding copies to another layout and back; only its border needs work."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pad: int, border: Border) -> Tensor:
        ctx.pad, ctx.border = pad, border
        return F.pad(x, (pad, pad, pad, pad), mode=border)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        pad = ctx.pad
        inside = slice(pad, -pad)
        # The border's gradient is added to the pixels that it shows: first full rows, then columns, which
        # include the corners.
        rows = gradient[:, :, inside].clone(memory_format=torch.channels_last)
        _add_border(rows, gradient, pad, ctx.border, 2)
        result = rows[..., inside]
        _add_border(result, rows, pad, ctx.border, 3)
        return result, None, None


def _add_border(result: Tensor, gradient: Tensor, pad: int, border: Border, dim: int) -> None:
    """Add the gradient of the padding at both ends of a dimension to that of the pixels inside."""
    size = result.shape[dim]
    first, last = gradient.narrow(dim, 0, pad), gradient.narrow(dim, pad + size, pad)
    if border == "reflect":
        result.narrow(dim, 1, pad).add_(first.flip(dim))
        result.narrow(dim, size - 1 - pad, pad).add_(last.flip(dim))
    else:
        result.narrow(dim, 0, 1).add_(first.sum(dim, keepdim=True))
        result.narrow(dim, size - 1, 1).add_(last.sum(dim, keepdim=True))
