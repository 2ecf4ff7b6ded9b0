"""How much a style flickers: how differently it paints a photo and the next frame of a slow pan over it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# No multiples of the networks' strides.
_DOWN, _RIGHT = 3, 5
_BRIGHTENING = 1.02
_NOISE = 2 / 255
# Pixels left out along the borders, where the next frame lacks what the photo shows.
_BORDER = 32


def flicker(stylize: Callable[[Tensor], Tensor], photo: Tensor, stylized: Tensor) -> float | None:
    """Compare a stylised photo with the stylised next frame of a pan.

    The next frame lies 3 pixels lower and 5 to the right, is 2% brighter and has faint noise, of 2 levels.
    The photos themselves have about 2, from the brightness and the noise.

    Args:
        stylize: Maps a photo to its stylised image, both float32 of shape (1, 3, H, W) in [0, 1].
        photo: The photo.
        stylized: Its stylised image.

    Returns:
        The mean absolute difference of what both show, in levels of 255; None for photos with a side below
        128 pixels.
    """
    if min(photo.shape[2:]) < 4 * _BORDER:
        return None
    generator = torch.Generator(photo.device).manual_seed(0)
    noise = torch.randn(photo.shape, generator=generator, device=photo.device)
    following = (photo * _BRIGHTENING + _NOISE * noise).clamp(0, 1)[..., _DOWN:, _RIGHT:]
    expected = stylized[..., _DOWN:, _RIGHT:]
    found = stylize(following.contiguous()).float().clamp(0, 1)
    inside = (..., slice(_BORDER, -_BORDER), slice(_BORDER, -_BORDER))
    return 255 * float((found[inside] - expected[inside]).abs().mean())
