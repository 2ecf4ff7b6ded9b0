"""From a painting to the statistics by which the network paints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

from train.arbitrary.colouring import Colouring
from train.arbitrary.levels import LEVELS, Level
from train.arbitrary.square_root import square_root
from train.loss.compact import CompactFeatures, load_compact_state
from train.loss.scales import reduced

Statistics: TypeAlias = Mapping[str, Colouring]
"""By the names of the levels."""

# Variance added to each coordinate: an even picture has none in most of them, and the root needs some.
_LEAST_VARIANCE = 1e-3


class PaintingEncoder(nn.Module):
    """Measure the mean and the covariance of a painting's features at each level.

    The features are those of the compact loss network: coordinates of VGG-19's on their principal directions.
    They are shifted and divided so that photos have mean 0 and variance 1 on average: the network meets
    photos so too, after its instance norms.

    Attributes:
        mean_LEVEL: Mean of photos' features at a level, (C,).
        deviation_LEVEL: Their standard deviation, (C,).
    """

    def __init__(self) -> None:
        super().__init__()
        layers = tuple(dict.fromkeys(level.layer for level in LEVELS))
        self._features = CompactFeatures(layers, load_compact_state(), mirrored=True)
        for level in LEVELS:
            self.register_buffer(f"mean_{level.name}", torch.zeros(level.channels))
            self.register_buffer(f"deviation_{level.name}", torch.ones(level.channels))

    def forward(self, painting: Tensor) -> Statistics:
        """Return the statistics of a painting.

        Args:
            painting: RGB image of shape (1, 3, H, W) in [0, 1], 64 pixels or more in each side.

        Returns:
            A `Colouring` for each of `LEVELS`, of shapes (1, C, C) and (1, C).
        """
        found = {}
        # The features may be rounded, but a root of rounded covariances need not exist.
        measured = list(self._features_of(painting))
        with torch.autocast(painting.device.type, enabled=False):
            for level, features in measured:
                found[level.name] = self._colouring(level, features)
        return found

    def _colouring(self, level: Level, features: Tensor) -> Colouring:
        mean = self.get_buffer(f"mean_{level.name}")[:, None]
        flat = (features.flatten(1) - mean) / self.get_buffer(f"deviation_{level.name}")[:, None]
        average = flat.mean(1, keepdim=True)
        centred = flat - average
        covariance = centred @ centred.T / centred.shape[1]
        least = _LEAST_VARIANCE * torch.eye(level.channels, dtype=flat.dtype, device=flat.device)
        return Colouring(square_root(covariance + least)[None], average.T)

    @torch.no_grad()
    def learn_photos(self, photos: Iterable[Tensor]) -> None:
        """Measure what photos have on average, which the statistics are relative to.

        A coordinate that hardly varies would be divided by nearly nothing: each deviation is moved half way
        to the mean of all.

        Args:
            photos: RGB images of shape (1, 3, H, W) in [0, 1].
        """
        means: dict[str, list[Tensor]] = {level.name: [] for level in LEVELS}
        variances: dict[str, list[Tensor]] = {level.name: [] for level in LEVELS}
        for photo in photos:
            for level, features in self._features_of(photo):
                means[level.name].append(features.mean((1, 2)))
                variances[level.name].append(features.var((1, 2)))
        for level in LEVELS:
            deviation = torch.stack(variances[level.name]).mean(0).sqrt()
            self.get_buffer(f"mean_{level.name}").copy_(torch.stack(means[level.name]).mean(0))
            self.get_buffer(f"deviation_{level.name}").copy_((deviation + deviation.mean()) / 2)

    def move_features(self) -> None:
        """Move the frozen features to where this module is; they are no part of it, nor of checkpoints."""
        self._features.to(self.get_buffer(f"mean_{LEVELS[0].name}").device)

    def _features_of(self, image: Tensor) -> Iterable[tuple[Level, Tensor]]:
        """Return the features of each level, (C, H', W') in float32."""
        scales = tuple(dict.fromkeys(level.scale for level in LEVELS))
        for scale in scales:
            levels = [level for level in LEVELS if level.scale == scale]
            found = self._features(reduced(image, scale), [level.layer for level in levels])
            for level in levels:
                yield level, found[level.layer][0, : level.channels].float()


def mixed(parts: Iterable[tuple[Statistics, float]]) -> dict[str, Colouring]:
    """Return the statistics between those of several paintings.

    Args:
        parts: Statistics, each with its weight; the weights add up to 1.
    """
    parts = list(parts)
    return {
        level.name: Colouring(
            sum((weight * found[level.name].matrix for found, weight in parts), start=torch.zeros(())),
            sum((weight * found[level.name].mean for found, weight in parts), start=torch.zeros(())),
        )
        for level in LEVELS
    }
