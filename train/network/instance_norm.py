"""Instance norm that keeps the channels-last layout: PyTorch's own copies to another layout and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class InstanceNorm2d(nn.InstanceNorm2d):
    """`nn.InstanceNorm2d` with scale and shift (Ulyanov et al. 2016, arXiv:1607.08022), faster on CPUs.

    With gradients on a CPU, the statistics are float32 and the activations keep their layout and type,
    bfloat16 included. Everywhere else, including the exported graph, it is PyTorch's own operation.

    Args:
        num_features: Channels of the input.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised activations, of the same shape (N, C, H, W) and type."""
        if x.device.type != "cpu" or not (self.training and torch.is_grad_enabled()):
            return super().forward(x)
        normalised: Tensor = _ChannelsLastInstanceNorm.apply(x, self.weight, self.bias, self.eps)
        return normalised


class _ChannelsLastInstanceNorm(Function):
    """Forward as a group norm of one channel a group, backward as a batch norm of one image a batch.

    All three are the same function. PyTorch's instance norm copies channels-last memory, and its backward of
    the group norm takes fifty times as long; these two kernels read the memory as it is.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        count, channels, height, width = x.shape
        x = x.contiguous(memory_format=torch.channels_last)
        normalised, mean, rstd = torch.native_group_norm(
            x, weight, bias, count, channels, height * width, channels, eps
        )
        ctx.save_for_backward(x, weight, mean, rstd)
        ctx.eps = eps
        return normalised

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, rstd = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        for_x = torch.empty_like(x)
        for_weight, for_bias = torch.zeros_like(weight), torch.zeros_like(weight)
        for image in range(len(x)):
            one = slice(image, image + 1)
            for_x[one], of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
                gradient[one], x[one], weight, None, None, mean[image], rstd[image], True, ctx.eps, [True] * 3
            )
            for_weight += of_weight
            for_bias += of_bias
        return for_x, for_weight, for_bias, None
