"""The network of a shape."""

from __future__ import annotations

from train.network.shape import NetworkShape
from train.network.transformer_net import TransformerNet
from train.network.wide_net import WideNet

StyleNetwork = TransformerNet | WideNet


def build_network(shape: NetworkShape) -> StyleNetwork:
    """Return a network with random weights.

    Args:
        shape: Its shape; without wide blocks it is the paper's network.

    Raises:
        ValueError: If a number of the shape is out of its range.
    """
    if shape.wide_blocks:
        return WideNet(*shape)
    return TransformerNet(shape.width, shape.residual_blocks, shape.outer_kernel_size)
