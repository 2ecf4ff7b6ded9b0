"""The Gram matrix of feature maps, which describes a style: how strongly channels occur together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

# The sum of each part is rounded once to the features' precision, and the parts are added in float32: the
# rounding averages out. Deep layers, with few positions and many channels, would lose time by more parts.
_MOST_PARTS = 16
_LEAST_POSITIONS = 4096


def gram_matrix(features: Tensor) -> Tensor:
    """Return the channel Gram matrix of each feature map.

    Entry (i, j) is the inner product of channels i and j over all positions, divided by C*H*W, which makes
    the scale independent of the image's size (Johnson et al. 2016, section 3.2, arXiv:1603.08155).

    Bfloat16 features are multiplied as they are: matrix units add the exact products in float32, and only
    sums over some thousands of positions are rounded, to a relative 2^-9. In float32 it takes seven times as
    long, a fifth of a training step. Float16 features are converted to float32 first, since the sums would
    leave float16's range.

    Args:
        features: Activations of shape (N, C, H, W). Channels last in memory is the fast layout.

    Returns:
        Symmetric matrices of shape (N, C, C), float32 whatever the input's precision (float64 of
        float64). They can be differentiated once.

    Raises:
        ValueError: If `features` is not 4-D.
    """
    if features.ndim != 4:
        raise ValueError(f"features must have shape (N, C, H, W), got {tuple(features.shape)}")
    if features.dtype == torch.float16:
        features = features.float()
    gram: Tensor = _GramMatrix.apply(features)
    return gram


class _GramMatrix(Function):
    """The gradient is one matrix product; autograd would compute two and add them."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        count, channels, height, width = features.shape
        flat = features.permute(0, 2, 3, 1).reshape(count, height * width, channels)  # (N, H*W, C)
        ctx.save_for_backward(flat)
        ctx.shape = features.shape
        # Autocast would round float32 features.
        with torch.autocast(features.device.type, enabled=False):
            parts = _parts(height, width) if flat.dtype == torch.bfloat16 else 1
            split = flat.reshape(count * parts, height * width // parts, channels)
            # Scaled after the sum, which fits the range of either type.
            products = split.transpose(1, 2) @ split
            exact = torch.promote_types(flat.dtype, torch.float32)
            total = products.view(count, parts, channels, channels).sum(1, dtype=exact)
        return total / (channels * height * width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        count, channels, height, width = ctx.shape
        with torch.autocast(gradient.device.type, enabled=False):
            symmetric = (gradient + gradient.transpose(1, 2)) / (channels * height * width)
            result = flat @ symmetric.to(flat.dtype)  # (N, H*W, C)
        for_features: Tensor = result.view(count, height, width, channels).permute(0, 3, 1, 2)
        return for_features


def _parts(height: int, width: int) -> int:
    """Return the number of equal parts, each of whole rows and none of them small, to sum separately."""
    most = max(1, min(_MOST_PARTS, height * width // _LEAST_POSITIONS))
    return max(parts for parts in range(1, most + 1) if height % parts == 0)
