"""Colours with the statistics of photos: mostly dull, few hues per picture, occasionally a vivid one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class _Kind(NamedTuple):
    """A normal distribution in Oklab: means and deviations of lightness, hue (degrees) and chroma."""

    weight: float
    lightness: tuple[float, float]
    hue: tuple[float, float]
    chroma: tuple[float, float]


# Chosen by hand after the common content of outdoor and indoor photos. With the illuminant they give the
# moments of photographs: a mean chroma of about 0.045, which varies twice as much along blue-yellow as along
# red-green (Ruderman, Cronin and Chiao 1998, "Statistics of cone responses to natural images").
_KINDS = (
    _Kind(2.2, (0.55, 0.20), (70, 90), (0.012, 0.010)),  # greys: streets, walls, clouds, metal
    _Kind(1.2, (0.24, 0.07), (60, 90), (0.015, 0.012)),  # dark: shade, hair, cloth
    _Kind(0.8, (0.92, 0.04), (90, 60), (0.012, 0.010)),  # white: paper, snow, paint
    _Kind(1.6, (0.48, 0.14), (58, 14), (0.060, 0.025)),  # earth, wood, brick, fur
    _Kind(0.9, (0.70, 0.12), (52, 10), (0.070, 0.020)),  # skin
    _Kind(0.8, (0.72, 0.10), (88, 10), (0.065, 0.025)),  # sand, straw, dry grass, lamplight
    _Kind(1.3, (0.46, 0.13), (126, 12), (0.080, 0.030)),  # leaves and grass
    _Kind(1.0, (0.70, 0.13), (240, 14), (0.060, 0.030)),  # sky and water
    _Kind(0.8, (0.58, 0.13), (30, 150), (0.150, 0.045)),  # vivid: signs, clothes, flowers, fruit
)
_WEIGHTS = np.array([kind.weight for kind in _KINDS])
_MEANS = np.array([(kind.lightness[0], kind.hue[0], kind.chroma[0]) for kind in _KINDS])
_DEVIATIONS = np.array([(kind.lightness[1], kind.hue[1], kind.chroma[1]) for kind in _KINDS])

# Below 1, two or three kinds make up most of one picture's colours.
_CONCENTRATION = 0.35
_BLACK_AND_WHITE = 0.03  # fraction of all pictures


@dataclass(frozen=True)
class Palette:
    """The colours of one picture.

    Attributes:
        weights: Probability of each kind of colour; the sum is 1.
        saturation: Factor of every chroma.
        illuminant: Colour of the light, added to a and b in Oklab.
    """

    weights: NDArray[np.float64]
    saturation: float
    illuminant: NDArray[np.float64]

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Palette:
        """Draw the colours of a picture."""
        weights = generator.dirichlet(_CONCENTRATION * _WEIGHTS)
        saturation = float(np.exp(generator.normal(0.05, 0.35)))
        warm, green = generator.normal(size=2)
        illuminant = np.array([0.004 * green, 0.012 * warm])
        if generator.random() < _BLACK_AND_WHITE:
            saturation, illuminant = 0.0, 0 * illuminant
        return cls(weights, saturation, illuminant)

    def colours(self, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Draw colours.

        Args:
            generator: Source of the draws.
            count: How many, from 0 up.

        Returns:
            Oklab of shape (count, 3), float64, L in [0.06, 0.97].
        """
        kinds = np.searchsorted(self.weights.cumsum()[:-1], generator.random(count))
        drawn = _MEANS[kinds] + _DEVIATIONS[kinds] * generator.normal(size=(count, 3))
        return self._lit(drawn)

    def sky(self, generator: np.random.Generator) -> NDArray[np.float64]:
        """Draw a sky's colours at the top and at the horizon, Oklab of shape (2, 3)."""
        lightness = generator.uniform(0.5, 0.95)
        chroma = abs(generator.normal(0, 0.06))
        top = (lightness, generator.normal(245, 12), chroma)
        warm = generator.random() < 0.25  # a dawn
        horizon = (
            min(0.97, lightness + generator.uniform(0.0, 0.2)),
            generator.normal(65, 15) if warm else top[1],
            generator.uniform(0.02, 0.1) if warm else 0.4 * chroma,
        )
        return self._lit(np.array([top, horizon]))

    def _lit(self, lightness_hue_chroma: NDArray[np.float64]) -> NDArray[np.float64]:
        lightness, hue, chroma = lightness_hue_chroma.T
        angle = np.deg2rad(hue)
        colour = np.maximum(chroma, 0) * self.saturation * np.stack([np.cos(angle), np.sin(angle)])
        return np.column_stack([lightness.clip(0.06, 0.97), colour.T + self.illuminant])
