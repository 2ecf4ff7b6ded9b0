"""The levels at which a painting's statistics are taken, and given to the network."""

from __future__ import annotations

from typing import NamedTuple


class Level(NamedTuple):
    """Features of a painting, and the layers of the network that take their statistics.

    Attributes:
        name: The size of the network's layers, relative to the photo's.
        layer: The layer of the compact loss network.
        scale: How many times the painting is reduced before, so that larger shapes are seen.
        channels: How many coordinates of the features are used; the first ones hold most of their energy.
    """

    name: str
    layer: str
    scale: int
    channels: int


LEVELS = (
    Level("full", "relu1_2", 1, 16),
    Level("half", "relu2_2", 1, 32),
    Level("quarter", "relu3_4", 1, 64),
    Level("eighth", "relu4_1", 1, 96),
    Level("sixteenth", "relu4_1", 2, 96),
)
"""From the finest to the coarsest. The network's layers have as many channels as the level's statistics."""

PAINTING_SIZE = 768
"""Longer side in pixels at which a painting is analysed: a smaller one gives a finer brush."""
