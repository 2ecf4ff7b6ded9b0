"""The image transformation network of Johnson, Alahi and Fei-Fei 2016 (arXiv:1603.08155)."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.network.instance_norm import InstanceNorm2d
from train.network.reflection_pad import reflection_pad
from train.network.shape import OUTER_KERNEL_SIZES
from train.network.subpixel_conv import subpixel_conv
from train.network.upsampled_conv import upsampled_conv

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
        if width < 1 or residual_blocks < 0:
            raise ValueError(
                f"width must be at least 1 and residual_blocks at least 0, got {width} and {residual_blocks}"
            )
        if outer_kernel_size not in OUTER_KERNEL_SIZES:
            raise ValueError(
                f"outer_kernel_size must be one of {OUTER_KERNEL_SIZES}, got {outer_kernel_size}"
            )
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
        x = pad_to_stride(content)  # (N, 3, H', W'), H' and W' multiples of 4 and at least 16
        x = self.downsampling(x)  # (N, 4 width, H'/4, W'/4)
        x = self.residuals(x)
        x = self.upsampling(x)  # (N, width, H', W')
        x = torch.sigmoid(self.to_rgb(x))
        return x[..., :height, :width]


class ReflectedConv2d(nn.Conv2d):
    """A convolution with reflection padding of half the kernel; zero padding would show as a frame.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd size of the kernel.
        stride: Step of the kernel.
        bias: Whether a bias is added.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, *, bias: bool = True
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            bias=bias,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution, (N, out_channels, H / stride, W / stride)."""
        return super().forward(reflection_pad(x, self.kernel_size[0] // 2))


class UpsampledConv2d(nn.Conv2d):
    """Bilinear resize to twice the size and a 3x3 convolution, border repeated, without bias."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of the enlarged image, (N, out_channels, 2H, 2W)."""
        if _trains(self):
            return upsampled_conv(x, self.weight)
        enlarged = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return super().forward(F.pad(enlarged, (1, 1, 1, 1), mode="replicate"))


class FewChannelsConv2d(ReflectedConv2d):
    """A convolution to fewer channels than fill a processor's vectors."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution, (N, out_channels, H, W), H and W even."""
        if _trains(self):
            assert self.bias is not None
            return subpixel_conv(reflection_pad(x, self.kernel_size[0] // 2), self.weight, self.bias)
        return super().forward(x)


def _trains(module: nn.Module) -> bool:
    # The exporter and evaluation use the plain operations.
    return module.training and torch.is_grad_enabled()


class ConvNormReLU(nn.Sequential):
    """Convolution, instance norm with a learned scale and shift, and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(
            ReflectedConv2d(in_channels, out_channels, kernel_size, stride, bias=False),
            InstanceNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class UpsampledConvNormReLU(nn.Sequential):
    """Enlargement to twice the size with a 3x3 convolution, then instance norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            UpsampledConv2d(in_channels, out_channels),
            InstanceNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with the input added, and no ReLU after the sum (Gross and Wilber 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            ConvNormReLU(channels, channels, kernel_size=3),
            ReflectedConv2d(channels, channels, kernel_size=3, bias=False),
            InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the input plus its residual, both (N, C, H, W)."""
        residual: Tensor = self.block(x)
        return x + residual


def pad_to_stride(image: Tensor) -> Tensor:
    """Extend images at the bottom and right to a size that the network's strides divide.

    Reflection looks best but needs more pixels than it adds, so images below 16 pixels are first extended by
    repeating their last row and column. At 16 pixels, every reflection inside the network (4 pixels at full
    size, 1 at a quarter) has pixels to reflect.

    Args:
        image: Images of shape (N, C, H, W), H and W at least 1.

    Returns:
        Images of shape (N, C, H', W') with H' and W' the next multiples of 4, at least 16.
    """
    least = 4 * STRIDE
    height, width = image.shape[-2:]
    image = F.pad(image, (0, max(least - width, 0), 0, max(least - height, 0)), mode="replicate")
    padded: Tensor = F.pad(
        image, (0, -image.shape[-1] % STRIDE, 0, -image.shape[-2] % STRIDE), mode="reflect"
    )
    return padded
