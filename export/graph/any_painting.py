"""The two ONNX models of any painting: what paints by a painting's statistics, and what measures them."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto
from torch import Tensor, nn

from export.graph.build import EXAMPLE_SHAPE, STYLE, Interface, Value, translate
from export.graph.deployable_network import as_bytes, as_numbers
from train.arbitrary.any_painting_net import AnyPaintingNet
from train.arbitrary.colouring import Colouring
from train.arbitrary.levels import LEVELS
from train.arbitrary.painting_encoder import PaintingEncoder, Statistics

PAINTING = "painting"
"""The encoder's input."""

STATISTICS = tuple(
    Value(f"{level.name}.{part}", TensorProto.FLOAT, dimensions)
    for level in LEVELS
    for part, dimensions in (("matrix", (level.channels, level.channels)), ("mean", (level.channels,)))
)
"""What the encoder gives and the painter takes: for each level, the covariance's root and the mean."""

PAINTER = Interface((*STYLE.inputs, *STATISTICS), STYLE.outputs)
ENCODER = Interface((Value(PAINTING, TensorProto.UINT8, (1, "height", "width", 3)),), STATISTICS)

# A side of a painting that is reduced and pooled has some positions left.
_LEAST_SIDE = 64


def build_painter(
    network: AnyPaintingNet, *, progress: Callable[[str], None] | None = None
) -> onnx.ModelProto:
    """Return the ONNX model that paints photos by a painting's statistics, with float32 weights.

    Args:
        network: The network, on the CPU in evaluation mode.
        progress: Called with a line before each step that takes seconds.

    Returns:
        A model with the input `image` and the output `stylized` of a style file, and the inputs `STATISTICS`.
    """
    dynamic = torch.export.Dim.DYNAMIC
    example = tuple(torch.zeros([int(size) for size in value.dimensions]) for value in STATISTICS)
    return translate(
        _DeployablePainter(network),
        (torch.zeros(EXAMPLE_SHAPE, dtype=torch.uint8), example),
        {"image": {0: dynamic, 1: dynamic, 2: dynamic}, "statistics": (None,) * len(STATISTICS)},
        PAINTER,
        progress=progress,
    )


def build_encoder(
    encoder: PaintingEncoder, *, progress: Callable[[str], None] | None = None
) -> onnx.ModelProto:
    """Return the ONNX model that measures a painting, with float32 weights.

    Args:
        encoder: The encoder, on the CPU in evaluation mode.
        progress: Called with a line before each step that takes seconds.

    Returns:
        A model with the input `painting`, uint8 (1, height, width, 3) of at least 64 pixels in each side, and
        the outputs `STATISTICS`.
    """
    side = torch.export.Dim.DYNAMIC(min=_LEAST_SIDE)
    return translate(
        _DeployableEncoder(encoder),
        (torch.zeros((1, 137, 153, 3), dtype=torch.uint8),),
        {"painting": {1: side, 2: side}},
        ENCODER,
        progress=progress,
    )


def as_tensors(statistics: Statistics) -> tuple[Tensor, ...]:
    """Return one painting's statistics in the order of `STATISTICS`."""
    return tuple(values[0] for level in LEVELS for values in statistics[level.name])


class _DeployablePainter(nn.Module):
    def __init__(self, network: AnyPaintingNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, statistics: tuple[Tensor, ...]) -> Tensor:
        matrices, means = statistics[::2], statistics[1::2]
        painting = {
            level.name: _OneColouring(matrix, mean)
            for level, matrix, mean in zip(LEVELS, matrices, means, strict=True)
        }
        return as_bytes(self.network(as_numbers(image), painting))


class _OneColouring(Colouring):
    """The colouring by one painting, whose matrix and mean have no dimension for several."""

    def __call__(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.matrix[:, :, None, None], self.mean)


class _DeployableEncoder(nn.Module):
    def __init__(self, encoder: PaintingEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, painting: Tensor) -> tuple[Tensor, ...]:
        return as_tensors(self.encoder(as_numbers(painting)))
