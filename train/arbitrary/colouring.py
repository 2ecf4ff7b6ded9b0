"""Giving activations the statistics of a painting."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Colouring(NamedTuple):
    """A linear map that gives normalised activations the covariance and the mean of a painting's features.

    It is the second half of the whitening and colouring transform (Li et al. 2017, arXiv:1705.08086). The
    first half, whitening, is an instance norm here: it is exact for activations that the network has learnt
    to keep uncorrelated, and it runs in tiles, in videos and in every runtime as that of the other styles.

    Attributes:
        matrix: The square root of the covariance, (N, C, C).
        mean: The mean, (N, C).
    """

    matrix: Tensor
    mean: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Return the coloured activations, of the same shape (N, C, H, W).

        One painting may serve several photos: N is then 1.
        """
        if len(self.matrix) == 1:
            return F.conv2d(x, self.matrix[0, :, :, None, None], self.mean[0])
        count, channels, height, width = x.shape
        flat = x.permute(0, 2, 3, 1).reshape(count, height * width, channels)
        coloured = torch.baddbmm(
            self.mean[:, None].to(flat.dtype), flat, self.matrix.transpose(1, 2).to(flat.dtype)
        )
        return coloured.view(count, height, width, channels).permute(0, 3, 1, 2)
