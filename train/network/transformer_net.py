"""The image transformation network of Johnson, Alahi and Fei-Fei 2016 (arXiv:1603.08155)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from train.network.layers import (
    ConvNormReLU,
    FewChannelsConv2d,
    ResidualBlock,
    UpsampledConvNormReLU,
    pad_to_stride,
)
from train.network.shape import NetworkShape, check_shape

# Two stride-2 convolutions: the residual blocks run at a quarter of the image's height and width.
STRIDE = 4


class TransformerNet(nn.Module):
    """Map photos to stylised photos of the same size in one forward pass.

    The architecture of Johnson et al. 2016 (supplementary material, table 1), with later improvements, each a
    departure from that table:

    * instance norm instead of batch norm (Ulyanov et al. 2016, arXiv:1607.08022);
    * bilinear resize and convolution instead of transposed convolution, which leaves checkerboards (Odena et
      al. 2016, distill.pub/2016/deconv-checkerboard). `train.network.upsampled_conv` computes the same
      function as a smoothed transposed convolution. Nearest-neighbour resizing, which that article suggests
      too, leaves steps of 4 pixels that training sharpens to a mesh;
    * reflection padding in every convolution, residual blocks included, so that they keep the size; the
      paper pads the image by 40 pixels once and crops inside the blocks;
    * a sigmoid instead of the scaled tanh: the same function of an affinely scaled input.

    Convolutions before an instance norm have no bias, since the norm would subtract it.

    Args:
        width: Channels of the first layer, doubled by each of the two downsamplings. 32 is the paper's.
        residual_blocks: Number of residual blocks. 5 is the paper's.
        outer_kernel_size: Size of the kernels of the first and the last convolution, odd. 9 is the paper's;
            in a narrow network these two convolutions, at full size, are most of the arithmetic.

    Raises:
        ValueError: If `width` is below 1, `residual_blocks` below 0, or `outer_kernel_size` not 1, 3, 5, 7
            or 9.
    """

    def __init__(self, width: int = 32, residual_blocks: int = 5, outer_kernel_size: int = 9) -> None:
        super().__init__()
        check_shape(NetworkShape(width, residual_blocks, outer_kernel_size))
        self.width = width
        self.residual_blocks = residual_blocks
        self.outer_kernel_size = outer_kernel_size
        self.downsampling = nn.Sequential(
            ConvNormReLU(3, width, outer_kernel_size),
            ConvNormReLU(width, 2 * width, kernel_size=3, stride=2),
            ConvNormReLU(2 * width, 4 * width, kernel_size=3, stride=2),
        )
        self.residuals = nn.Sequential(*(ResidualBlock(4 * width) for _ in range(residual_blocks)))
        # These numbers are part of the weights' names in trained styles.
        self.upsampling = nn.Sequential(
            OrderedDict(
                [
                    ("1", UpsampledConvNormReLU(4 * width, 2 * width)),
                    ("3", UpsampledConvNormReLU(2 * width, width)),
                ]
            )
        )
        self.to_rgb = FewChannelsConv2d(width, 3, outer_kernel_size)

    def forward(self, content: Tensor) -> Tensor:
        """Return the stylised images.

        Args:
            content: RGB photos of shape (N, 3, H, W), float in [0, 1], of any size from 1x1.

        Returns:
            RGB images of the same shape, in [0, 1].
        """
        height, width = content.shape[-2:]
        x = pad_to_stride(content, STRIDE)  # (N, 3, H', W'), H' and W' multiples of 4 and at least 16
        x = self.downsampling(x)  # (N, 4 width, H'/4, W'/4)
        x = self.residuals(x)
        x = self.upsampling(x)  # (N, width, H', W')
        x = torch.sigmoid(self.to_rgb(x))
        return x[..., :height, :width]
