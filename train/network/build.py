"""The network of a shape."""

from __future__ import annotations

import torch

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


def sizes_of_weights(shape: NetworkShape, tensors: int) -> dict[str, torch.Size]:
    """Return the names and sizes of a network's weights, for a shape that a foreign file states.

    It takes no memory and draws no random numbers.

    Args:
        shape: The shape.
        tensors: How many tensors the file holds.

    Raises:
        ValueError: If a number of the shape is out of its range, or there are more blocks than tensors.
    """
    if shape.residual_blocks + shape.wide_blocks > tensors:  # each has several
        raise ValueError(f"a network of {shape} has more weights than {tensors} tensors")
    with torch.device("meta"):
        return {name: value.shape for name, value in build_network(shape).state_dict().items()}
