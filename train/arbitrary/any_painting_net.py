"""The network that paints by the statistics of any painting."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.arbitrary.colouring import Colouring
from train.arbitrary.levels import LEVELS
from train.arbitrary.painting_encoder import Statistics
from train.network.layers import ResidualBlock, UpsampledConvNormReLU, WideBlock, pad_to_stride
from train.network.shape import NetworkShape
from train.network.wide_net import STRIDE, WideNet

SHAPE = NetworkShape(width=16, residual_blocks=2, outer_kernel_size=5, wide_blocks=4)
"""That of the default network, whose layers have the channels of `LEVELS`."""


class AnyPaintingNet(WideNet):
    """The default network, whose norms give each layer the statistics of a painting.

    Adaptive instance norm (Huang and Belongie 2017, arXiv:1703.06868) gives channels the means and deviations
    of a painting, once, between a frozen encoder and a decoder. Here the network is that of trained styles,
    with nothing frozen, and each norm behind the draft gives its channels the means and the whole covariance
    of the painting at that size: fine layers take its grain and colours, coarse ones its shapes. Nothing else
    tells the network of the painting: no part of it can learn the paintings of training by heart.

    Its weights have the names of `WideNet`'s, and a trained style's can start it.
    """

    def __init__(self) -> None:
        super().__init__(SHAPE.width, SHAPE.residual_blocks, SHAPE.outer_kernel_size, SHAPE.wide_blocks)
        width = SHAPE.width
        blocks = (_ColouredWideBlock(6 * width) for _ in range(SHAPE.wide_blocks))
        self.draft = nn.Sequential(*blocks)
        self.from_eighth = _ColouredEnlargement(6 * width, 4 * width)
        self.revision = nn.Sequential(
            *(_ColouredResidualBlock(4 * width, border="replicate") for _ in range(SHAPE.residual_blocks))
        )
        self.from_quarter = _ColouredEnlargement(4 * width, 2 * width)
        self.from_half = _ColouredEnlargement(2 * width, width)

    def forward(self, content: Tensor, painting: Statistics) -> Tensor:  # type: ignore[override]
        """Return the painted photos.

        Args:
            content: RGB photos of shape (N, 3, H, W), float in [0, 1], of any size from 1x1.
            painting: What `PaintingEncoder` measured, of N paintings or of one for all photos.

        Returns:
            RGB images of the same shape, in [0, 1].
        """
        full, half, quarter, eighth, sixteenth = (painting[level.name] for level in LEVELS)
        height, width = content.shape[-2:]
        x = pad_to_stride(content, STRIDE)  # (N, 3, H', W'), multiples of 8 and at least 32
        skipped = self.to_quarter(self.to_half(x))  # (N, 64, H'/4, W'/4)
        x = self.grain(self.to_eighth(skipped))  # (N, 96, H'/8, W'/8)
        for number, block in enumerate(self.draft):
            x = block(x, sixteenth if number % 2 else eighth)
        x = self.from_eighth(x, quarter) + skipped
        for block in self.revision:
            x = block(x, quarter)
        x = self.from_half(self.from_quarter(x, half), full)  # (N, 16, H', W')
        x = torch.sigmoid(self.to_rgb(x))
        return x[..., :height, :width]


class _ColouredWideBlock(WideBlock):
    def forward(self, x: Tensor, colouring: Colouring) -> Tensor:  # type: ignore[override]
        drawn = colouring(self.norm(self.depthwise(x)))
        residual: Tensor = self.project(F.relu(self.expand(drawn)))
        return x + residual


class _ColouredResidualBlock(ResidualBlock):
    def forward(self, x: Tensor, colouring: Colouring) -> Tensor:  # type: ignore[override]
        first, second, norm = self.block
        residual = _coloured(first, x, colouring)
        return x + colouring(norm(second(residual)))


class _ColouredEnlargement(UpsampledConvNormReLU):
    def forward(self, x: Tensor, colouring: Colouring) -> Tensor:  # type: ignore[override]
        return _coloured(self, x, colouring)


def _coloured(layers: nn.Module, x: Tensor, colouring: Colouring) -> Tensor:
    """Run a convolution, its norm and its ReLU, with the colouring before the ReLU."""
    assert isinstance(layers, nn.Sequential)
    conv, norm, relu = layers
    coloured: Tensor = relu(colouring(norm(conv(x))))
    return coloured
