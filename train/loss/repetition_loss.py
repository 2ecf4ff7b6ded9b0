"""The loss term against lattices: dots, rings and hatches that repeat in even parts of a photo."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TILE = 64  # pixels
# Longer periods are shading.
_LONGEST_PERIOD = 24.0  # pixels
# The standard deviation, in [0, 1], of noise that is invisible: a tile with less is even, not regular.
_INVISIBLE = 1 / 255
# A power, relative to values in [0, 1], that keeps the logarithm of a black tile finite.
_LEAST_POWER = 1e-12


class RepetitionLoss(nn.Module):
    """Penalise pictures that are more regular than both the photo and the painting.

    In an even region all pixels of a translation-invariant network have the same input. The cheapest texture
    that satisfies the Gram matrices there repeats: with the network's stride, or as a lattice of dots. Gram
    matrices do not see it, since they ignore where features are (Berger and Memisevic 2016,
    arXiv:1606.01286). A spectrum does: the power of a lattice lies in a few frequencies, that of strokes and
    noise in many.

    The term compares the logarithm of the spectrum's concentration (see `spectral_concentration`) with the
    larger of two: that of the same tile of the photo, and the painting's mean. It is the mean excess over
    overlapping tiles of 64 pixels, 0 where nothing repeats more than in photo and painting. It has no scale:
    one weight serves every style.

    Args:
        style: The painting, (1, 3, H, W), RGB in [0, 1].
    """

    style_concentration: Tensor

    def __init__(self, style: Tensor) -> None:
        super().__init__()
        self.register_buffer("style_concentration", concentration_of(style), persistent=False)

    def forward(self, stylized: Tensor, content: Tensor, concentration: Tensor | None = None) -> Tensor:
        """Return the term.

        Args:
            stylized: Stylised images, (N, 3, H, W) in [0, 1].
            content: The photos, of the same shape.
            concentration: Of other paintings, one for each photo, (N, 1); by default the painting's own.

        Returns:
            Float32 scalar, at least 0; 0 for images below 64 pixels in a side.
        """
        found = spectral_concentration(stylized).log()
        if not found.numel():
            return stylized.new_zeros((), dtype=torch.float32)
        with torch.no_grad():
            level = self.style_concentration if concentration is None else concentration
            allowed = torch.maximum(spectral_concentration(content).log(), level)
        return F.relu(found - allowed).mean()


@torch.no_grad()
def concentration_of(style: Tensor) -> Tensor:
    """Return the mean logarithm of the concentration of a painting's tiles.

    Args:
        style: The painting, (1, 3, H, W), RGB in [0, 1].

    Returns:
        Float32 scalar; minus infinity for a painting smaller than a tile: the photo alone then counts.
    """
    found = spectral_concentration(style).log()
    return found.mean() if found.numel() else found.new_tensor(-torch.inf)


def spectral_concentration(image: Tensor) -> Tensor:
    """Measure how few frequencies hold the power of an image: `sum P^2 / (sum P)^2`.

    `P` is the power spectrum of a tile under a Hann window, summed over the channels, times the frequency
    squared, which levels the spectra of natural images; periods beyond 24 pixels are left out. The measure is
    the inverse participation ratio: 1 / n where n frequencies have equal power.

    Args:
        image: Images of shape (N, C, H, W) in [0, 1].

    Returns:
        Float32 of shape (N, T) in (0, 1], for T tiles of 64 pixels that overlap by half; T is 0 for smaller
        images. Noise has some 0.001, a lattice 0.01 to 0.1, and even tiles about 0.
    """
    count, channels, height, width = image.shape
    if min(height, width) < _TILE:
        return image.new_zeros((count, 0), dtype=torch.float32)
    # The transform needs float32 also where the network computes in bfloat16.
    with torch.autocast(image.device.type, enabled=False):
        tiles = image.float().unfold(2, _TILE, _TILE // 2).unfold(3, _TILE, _TILE // 2)
        tiles = tiles.reshape(count, channels, -1, _TILE, _TILE)
        window = torch.hann_window(_TILE, periodic=False, device=image.device)
        window = window[:, None] * window
        tiles = (tiles - tiles.mean((-2, -1), keepdim=True)) * window
        weight = _frequency_weight(image.device)
        power = torch.view_as_real(torch.fft.rfft2(tiles)).square().sum((1, -1)) * weight
        # The spectrum of a real image is symmetric: all columns but the first and the last count twice.
        twice = torch.full((_TILE // 2 + 1,), 2.0, device=image.device)
        twice[0] = twice[-1] = 1.0
        floor = channels * _INVISIBLE**2 * window.square().sum() * (weight * twice).sum()
        total = (power * twice).sum((-2, -1)) + floor
        concentration: Tensor = ((power.square() * twice).sum((-2, -1)) + _LEAST_POWER) / total.square()
        return concentration


def _frequency_weight(device: torch.device) -> Tensor:
    """Return the frequency squared in cycles per pixel, (64, 33); 0 for the long periods."""
    rows = torch.fft.fftfreq(_TILE, device=device)[:, None]
    columns = torch.fft.rfftfreq(_TILE, device=device)
    squared = rows.square() + columns.square()
    weight: Tensor = squared * (squared > _LONGEST_PERIOD**-2)
    return weight
