"""Reflection padding whose gradient keeps the channels-last layout, for training on CPUs."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def reflection_pad(x: Tensor, pad: int) -> Tensor:
    """Extend images on all sides by reflection, without repeating the outermost pixels.

    Args:
        x: Activations of shape (N, C, H, W), H and W above `pad`.
        pad: Pixels to add on each side.

    Returns:
        Shape (N, C, H + 2 pad, W + 2 pad).
    """
    if x.requires_grad and x.device.type == "cpu" and pad:
        padded: Tensor = _ChannelsLastReflectionPad.apply(x, pad)
        return padded
    return F.pad(x, (pad, pad, pad, pad), mode="reflect")


class _ChannelsLastReflectionPad(Function):
    """PyTorch's gradient of this padding copies to another layout and back; only its border needs work."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pad: int) -> Tensor:
        ctx.pad = pad
        return F.pad(x, (pad, pad, pad, pad), mode="reflect")

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        pad = ctx.pad
        inside = slice(pad, -pad)
        # The border's gradient is added to the pixels that it reflects: first full rows, then columns, which
        # include the corners.
        rows = gradient[:, :, inside].clone(memory_format=torch.channels_last)
        rows[:, :, 1 : pad + 1] += gradient[:, :, :pad].flip(2)
        rows[:, :, -pad - 1 : -1] += gradient[:, :, -pad:].flip(2)
        result = rows[..., inside]
        result[..., 1 : pad + 1] += rows[..., :pad].flip(3)
        result[..., -pad - 1 : -1] += rows[..., -pad:].flip(3)
        return result, None
