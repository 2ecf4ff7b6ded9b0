"""The layers that the style networks are built of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.network.border_pad import Border, border_pad
from train.network.instance_norm import InstanceNorm2d
from train.network.subpixel_conv import subpixel_conv
from train.network.upsampled_conv import upsampled_conv


class BorderedConv2d(nn.Conv2d):
    """A convolution that continues its input over the border; zero padding would show as a frame.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd size of the kernel.
        stride: Step of the kernel.
        bias: Whether a bias is added.
        groups: Groups of channels that do not see each other.
        border: How the input goes on.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        bias: bool = True,
        groups: int = 1,
        border: Border = "reflect",
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, bias=bias, groups=groups)
        self.border: Border = border

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution, (N, out_channels, H / stride, W / stride)."""
        return super().forward(self.extended(x))

    def extended(self, x: Tensor) -> Tensor:
        """Return the input with half a kernel more on all sides."""
        return border_pad(x, self.kernel_size[0] // 2, self.border)


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


class FewChannelsConv2d(BorderedConv2d):
    """A convolution to fewer channels than fill a processor's vectors."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution, (N, out_channels, H, W), H and W even."""
        if _trains(self):
            assert self.bias is not None
            return subpixel_conv(self.extended(x), self.weight, self.bias)
        return super().forward(x)


def _trains(module: nn.Module) -> bool:
    # The exporter and evaluation use the plain operations.
    return module.training and torch.is_grad_enabled()


class ConvNormReLU(nn.Sequential):
    """Convolution, instance norm with a learned scale and shift, and ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        border: Border = "reflect",
    ) -> None:
        super().__init__(
            BorderedConv2d(in_channels, out_channels, kernel_size, stride, bias=False, border=border),
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

    def __init__(self, channels: int, *, border: Border = "reflect") -> None:
        super().__init__()
        self.block = nn.Sequential(
            ConvNormReLU(channels, channels, kernel_size=3, border=border),
            BorderedConv2d(channels, channels, kernel_size=3, bias=False, border=border),
            InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the input plus its residual, both (N, C, H, W)."""
        residual: Tensor = self.block(x)
        return x + residual


class WideBlock(nn.Module):
    """A residual block that sees far at little cost: 7x7 positions of each channel, then a mix of channels.

    It is a ConvNeXt block (Liu et al. 2022, arXiv:2201.03545) with instance norm and ReLU: a depthwise
    convolution, the norm, and two 1x1 convolutions with twice the channels between them.

    Args:
        channels: Channels of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        # Mirrored, the 24 pixels at the border would be seen twice, and painted lighter as a frame.
        self.depthwise = BorderedConv2d(
            channels, channels, kernel_size=7, bias=False, groups=channels, border="replicate"
        )
        self.norm = InstanceNorm2d(channels)
        self.expand = nn.Conv2d(channels, 2 * channels, kernel_size=1)
        # Without bias: the next norm would subtract it.
        self.project = nn.Conv2d(2 * channels, channels, kernel_size=1, bias=False)
        with torch.no_grad():  # the block starts close to the identity
            self.project.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the input plus its residual, both (N, C, H, W), H and W at least 4."""
        residual: Tensor = self.project(F.relu(self.expand(self.norm(self.depthwise(x)))))
        return x + residual


def pad_to_stride(image: Tensor, stride: int) -> Tensor:
    """Extend images at the bottom and right to a size that a network's strides divide.

    Reflection looks best but needs more pixels than it adds, so small images are first extended by repeating
    their last row and column. At four times the stride, every reflection inside the networks (4 pixels at
    full size, 1 at an eighth) has pixels to reflect.

    Args:
        image: Images of shape (N, C, H, W), H and W at least 1.
        stride: Factor between the image's size and the smallest layer's.

    Returns:
        Images of shape (N, C, H', W') with H' and W' the next multiples of the stride, at least four times
        the stride.
    """
    least = 4 * stride
    height, width = image.shape[-2:]
    # Multiples by this formula: the exporter, which computes with formulas of height and width, takes two
    # thirds of the time that it takes with `height + -height % stride`.
    padded_height, padded_width = (stride * max((side + stride - 1) // stride, 4) for side in (height, width))
    image = F.pad(image, (0, max(least - width, 0), 0, max(least - height, 0)), mode="replicate")
    padded: Tensor = F.pad(
        image, (0, padded_width - image.shape[-1], 0, padded_height - image.shape[-2]), mode="reflect"
    )
    return padded
