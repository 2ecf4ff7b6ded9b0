"""The grain of the canvas: a fixed pattern that tells a network where strokes go in even areas."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Grain(nn.Module):
    """Add a fixed pattern of noise to activations.

    A convolutional network sees nothing in an even area, such as a clear sky, that could tell one place from
    another, and can only paint it evenly. The noise tells places apart, as in texture networks (Ulyanov et
    al. 2016, arXiv:1603.03417); it is the same at each call, so that a photo is always painted alike.

    Args:
        channels: Channels of the activations.
        side: Positions after which the pattern repeats, down and across.

    Attributes:
        pattern: The noise, of shape (1, 1, side, side).
        place: In training, the row and the column of the pattern where the activations begin, int64 of shape
            (2,); outside training it is the first of both.
    """

    pattern: Tensor
    place: Tensor

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        # Both on the CPU, also in a network that is built on the meta device and then filled: no file has the
        # place, and random numbers on the meta device take seconds of imports.
        noise = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0), device="cpu")
        self.register_buffer("pattern", noise)
        self.register_buffer("place", torch.zeros(2, dtype=torch.int64, device="cpu"), persistent=False)
        self.strength = nn.Conv2d(1, channels, kernel_size=1, bias=False)
        with torch.no_grad():  # less than what the photo says
            self.strength.weight.mul_(0.3)

    def move(self, seed: int) -> None:
        """Lay the pattern elsewhere in training, lest its strokes be learnt by heart.

        Args:
            seed: Determines where.
        """
        place = torch.randint(self.pattern.shape[-1], (2,), generator=torch.Generator().manual_seed(seed))
        self.place.copy_(place)

    def forward(self, x: Tensor) -> Tensor:
        """Return activations of shape (N, C, H, W) with the grain added."""
        side = self.pattern.shape[-1]
        rows, columns = (torch.arange(size, device=x.device) for size in x.shape[2:])
        if self.training:
            rows, columns = rows + self.place[0], columns + self.place[1]
        noise: Tensor = self.strength(
            self.pattern.index_select(2, rows % side).index_select(3, columns % side)
        )
        return x + noise
