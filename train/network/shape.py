"""The shape of a style network: named shapes, and the numbers that define one."""

from __future__ import annotations

from typing import Literal, NamedTuple

NetworkName = Literal["wide", "full", "fast", "tiny"]

# The largest kernel reflects 4 pixels, which the smallest padded image allows.
OUTER_KERNEL_SIZES = (1, 3, 5, 7, 9)

GRAIN = 512
"""Pixels after which the grain of a wide network's canvas repeats (`train.network.grain`)."""


class NetworkShape(NamedTuple):
    """The numbers that define a network.

    Attributes:
        width: Channels at full size.
        residual_blocks: Number of residual blocks, at a quarter of the size.
        outer_kernel_size: Size of the first and the last convolution's kernels, of `OUTER_KERNEL_SIZES`.
        wide_blocks: Number of wide blocks, at an eighth of the size: `WideNet`; with none it is the paper's
            `TransformerNet`.
    """

    width: int
    residual_blocks: int
    outer_kernel_size: int
    wide_blocks: int = 0

    def __str__(self) -> str:
        """Return the shape in words, for messages."""
        wide = f", {_count(self.wide_blocks, 'wide block')}" if self.wide_blocks else ""
        blocks = _count(self.residual_blocks, "residual block")
        return f"width {self.width}{wide}, {blocks} and outer kernels of {self.outer_kernel_size}"


# full is the paper's network; what the others save is measured in bench/RESULTS.md.
NETWORKS: dict[NetworkName, NetworkShape] = {
    "wide": NetworkShape(width=16, residual_blocks=2, outer_kernel_size=5, wide_blocks=4),
    "full": NetworkShape(width=32, residual_blocks=5, outer_kernel_size=9),
    "fast": NetworkShape(width=12, residual_blocks=3, outer_kernel_size=5),
    "tiny": NetworkShape(width=8, residual_blocks=2, outer_kernel_size=5),
}


def check_shape(shape: NetworkShape) -> None:
    """Check that a network can be built.

    Raises:
        ValueError: If the width is below 1, a number of blocks below 0, or the outer kernel size not one of
            `OUTER_KERNEL_SIZES`.
    """
    if shape.width < 1 or shape.residual_blocks < 0 or shape.wide_blocks < 0:
        raise ValueError(
            "width must be at least 1, residual_blocks and wide_blocks at least 0, got "
            f"{shape.width}, {shape.residual_blocks} and {shape.wide_blocks}"
        )
    if shape.outer_kernel_size not in OUTER_KERNEL_SIZES:
        raise ValueError(
            f"outer_kernel_size must be one of {OUTER_KERNEL_SIZES}, got {shape.outer_kernel_size}"
        )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"
