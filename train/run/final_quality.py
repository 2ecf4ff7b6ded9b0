"""C and S3 of the trained style, measured if VGG-19 is available."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fastnst.errors import FastnstError
from train.config import COMPACT_LOSS_NETWORK, TrainingConfig
from train.evaluate.quality import LOSS_NETWORK as QUALITY_NETWORK
from train.evaluate.quality import load_quality_features, measure_quality
from train.loss.loss_network import LossNetwork
from train.loss.painting import Painting
from train.loss.vgg import downloaded_weights
from train.network.record import Quality
from train.terminal import say_once

_SILENT_SECONDS = 5.0


def find_quality_features(config: TrainingConfig) -> LossNetwork | None:
    """Load VGG-19, which measures C and S3, before training: a failing download should show at once.

    A run with the compact loss network downloads nothing, not even VGG-19.

    Args:
        config: The run's options, with the loss network settled.

    Returns:
        VGG-19; None if it is not wanted, or not available, which a line says.
    """
    if config.quality_size == 0:
        return None
    same = config.loss_network == QUALITY_NETWORK and config.quality_weights is None
    weights = config.loss_network_weights if same else config.quality_weights
    if (
        config.loss_network == COMPACT_LOSS_NETWORK
        and weights is None
        and not downloaded_weights(QUALITY_NETWORK).exists()
    ):
        say_once(
            f"C and S3 will not be measured: {QUALITY_NETWORK} is not here, and a run with compact downloads "
            "nothing; give its file with --quality-weights"
        )
        return None
    try:
        return load_quality_features(weights)
    except FastnstError as error:
        text = str(error) if same else str(error).replace("--loss-network-weights", "--quality-weights")
        say_once(f"C and S3 will not be measured: {text}")
        return None


def measure_and_tell(
    stylize: Callable[[Tensor], Tensor],
    photos: Sequence[NDArray[np.uint8]],
    painting: Painting,
    features: LossNetwork,
) -> Quality:
    """Measure as `measure_quality` does, and report progress every few seconds: a CPU takes a while."""
    say_once(f"measuring C and S3 on {len(photos)} photos")
    said = time.monotonic()

    def tell(done: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _SILENT_SECONDS:
            say_once(f"measured {done} of {len(photos)} photos")
            said = time.monotonic()

    return measure_quality(stylize, photos, painting, features, tell)
