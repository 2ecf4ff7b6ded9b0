"""The shape of a transformer network: three named shapes, and the numbers that define one."""

from __future__ import annotations

from typing import Literal, NamedTuple

NetworkName = Literal["full", "fast", "tiny"]

# The largest kernel reflects 4 pixels, which the smallest padded image allows.
OUTER_KERNEL_SIZES = (1, 3, 5, 7, 9)


class NetworkShape(NamedTuple):
    """The numbers that define a `TransformerNet`.

    Attributes:
        width: Channels of the first layer, doubled by each of the two downsamplings.
        residual_blocks: Number of residual blocks.
        outer_kernel_size: Size of the first and the last convolution's kernels, of `OUTER_KERNEL_SIZES`.
    """

    width: int
    residual_blocks: int
    outer_kernel_size: int

    def __str__(self) -> str:
        """Return the shape in words, for messages."""
        blocks = f"{self.residual_blocks} residual block{'s' * (self.residual_blocks != 1)}"
        return f"width {self.width}, {blocks} and outer kernels of {self.outer_kernel_size}"


# full is the paper's network; what the others save is measured in bench/RESULTS.md.
NETWORKS: dict[NetworkName, NetworkShape] = {
    "full": NetworkShape(width=32, residual_blocks=5, outer_kernel_size=9),
    "fast": NetworkShape(width=12, residual_blocks=3, outer_kernel_size=5),
    "tiny": NetworkShape(width=8, residual_blocks=2, outer_kernel_size=5),
}
