"""The default network: it sees far where pictures are small, and spends little where they are large."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.network.grain import Grain
from train.network.layers import (
    ConvNormReLU,
    FewChannelsConv2d,
    ResidualBlock,
    UpsampledConvNormReLU,
    WideBlock,
    pad_to_stride,
)
from train.network.shape import GRAIN, NetworkShape, check_shape

# Three stride-2 convolutions: the wide blocks run at an eighth of the image's height and width.
STRIDE = 8


class WideNet(nn.Module):
    """Map photos to stylised photos of the same size: draft small, revise larger.

    Johnson's network (`TransformerNet`) spends its arithmetic at a quarter of the photo's size and sees 100
    pixels around. Large shapes, such as a painter's swirls, need a wider view. Here wide blocks draw a draft
    at an eighth of the size, where each of them sees 56 pixels and costs little; residual blocks revise it at
    a quarter, with the photo's own features at that size added; and two enlargements lead to full size. The
    idea is LapStyle's (Lin et al. 2021, arXiv:2104.05376), in one network instead of two. The draft begins
    with the grain of the canvas (`Grain`).

    Convolutions repeat the border. Mirrored, it would be seen twice, and painted as a frame.

    Convolutions before an instance norm have no bias, since the norm would subtract it.

    Args:
        width: Channels at full size; twice, four times and six times as many at half, a quarter and an eighth
            of the size.
        residual_blocks: Number of residual blocks, at a quarter.
        outer_kernel_size: Size of the kernels of the first and the last convolution, odd.
        wide_blocks: Number of wide blocks, at an eighth.

    Raises:
        ValueError: If a number is out of its range (`train.network.shape.check_shape`), or there are no wide
            blocks.
    """

    def __init__(self, width: int, residual_blocks: int, outer_kernel_size: int, wide_blocks: int) -> None:
        super().__init__()
        check_shape(NetworkShape(width, residual_blocks, outer_kernel_size, wide_blocks))
        if not wide_blocks:
            raise ValueError("a wide network has at least one wide block")
        self.to_half = ConvNormReLU(3, 2 * width, outer_kernel_size, stride=2, border="replicate")
        self.to_quarter = ConvNormReLU(2 * width, 4 * width, kernel_size=3, stride=2, border="replicate")
        self.to_eighth = ConvNormReLU(4 * width, 6 * width, kernel_size=3, stride=2, border="replicate")
        self.grain = Grain(6 * width, GRAIN // STRIDE)
        self.draft = nn.Sequential(*(WideBlock(6 * width) for _ in range(wide_blocks)))
        self.from_eighth = UpsampledConvNormReLU(6 * width, 4 * width)
        self.revision = nn.Sequential(
            *(ResidualBlock(4 * width, border="replicate") for _ in range(residual_blocks))
        )
        self.from_quarter = UpsampledConvNormReLU(4 * width, 2 * width)
        self.from_half = UpsampledConvNormReLU(2 * width, width)
        self.to_rgb = FewChannelsConv2d(width, 3, outer_kernel_size, border="replicate")

    def forward(self, content: Tensor) -> Tensor:
        """Return the stylised images.

        Args:
            content: RGB photos of shape (N, 3, H, W), float in [0, 1], of any size from 1x1.

        Returns:
            RGB images of the same shape, in [0, 1].
        """
        height, width = content.shape[-2:]
        x = pad_to_stride(content, STRIDE)  # (N, 3, H', W'), multiples of 8 and at least 32
        quarter = self.to_quarter(self.to_half(x))  # (N, 4 width, H'/4, W'/4)
        draft = self.draft(self.grain(self.to_eighth(quarter)))  # (N, 6 width, H'/8, W'/8)
        x = self.revision(self.from_eighth(draft) + quarter)  # (N, 4 width, H'/4, W'/4)
        x = self.from_half(self.from_quarter(x))  # (N, width, H', W')
        x = torch.sigmoid(self.to_rgb(x))
        return x[..., :height, :width]
