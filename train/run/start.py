"""The weights that training starts from: random, or those of another style, which save most of the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from fastnst.errors import FastnstError
from fastnst.style_library import list_bundled_styles
from train.config import TrainingConfig
from train.image_tensor import image_to_tensor
from train.loss.perceptual_loss import PerceptualLoss, PerceptualLosses
from train.network.build import build_network
from train.network.shape import NETWORKS, NetworkShape
from train.network.trained_weights import TrainedWeights, read_style_weights, read_trained_weights
from train.photos.sources import TrainingPhotos, validation_images
from train.terminal import say_once

_T = TypeVar("_T")

NONE = "none"
AUTO = "auto"

# `auto` compares the bundled styles on this many photos of this longer side: it takes seconds on a CPU.
_COMPARED_PHOTOS = 2
_COMPARED_SIZE = 192


def find_starts(config: TrainingConfig) -> list[TrainedWeights]:
    """Return the weights that a new run may start from.

    Args:
        config: The run's options.

    Returns:
        Nothing for `--init none`; one style's weights if it is named; for `auto` those of every bundled
        style whose network is the run's, and a line if there is none.

    Raises:
        FastnstError: If the named style or file is missing, was not made by fastnst, or has another network
            than the run.
    """
    if config.init == NONE:
        return []
    if config.init != AUTO:
        try:
            weights = read_trained_weights(config.init)
        except FastnstError as error:
            raise FastnstError(f"--init {config.init}: {error}") from error
        if weights.shape != config.network_shape:
            raise FastnstError(
                f"--init {config.init} has {weights.shape}; this run has {config.network_shape}: give "
                f"{_options(weights.shape)}, or --init none"
            )
        return [weights]
    bundled = _read_bundled()
    candidates = [weights for weights in bundled if weights.shape == config.network_shape]
    if not bundled:
        say_once("starting from random weights: there are no bundled styles")
    elif not candidates:
        say_once(f"starting from random weights: no bundled style has {config.network_shape}")
    return candidates


def choose_start(
    config: TrainingConfig, starts: Sequence[TrainedWeights], loss: PerceptualLoss, photos: TrainingPhotos
) -> TrainedWeights | None:
    """Choose the weights that have the lowest loss with the run's painting, and tell the user.

    The choice is a function of the painting, the photos and the options, so that all processes of a run make
    the same one. It draws no random numbers.

    Args:
        config: The run's options.
        starts: What `find_starts` returned.
        loss: The run's loss.
        photos: The run's photos; the candidates are compared on those held out of training.

    Returns:
        The weights; None, for random weights, if there are none to choose from.
    """
    if not starts:
        return None
    chosen = starts[0]
    if len(starts) > 1:
        say_once(f"comparing the painting with {len(starts)} bundled styles")
        shown = validation_images(photos, _COMPARED_SIZE)[:_COMPARED_PHOTOS]
        chosen = _best(starts, [_LossOnPhoto(loss, image_to_tensor(photo)) for photo in shown])
    if config.init == AUTO:
        say_once(f"starting from the bundled style {chosen.name} (--init none starts from nothing)")
    else:
        say_once(f"starting from {chosen.source}")
    return chosen


class _LossOnPhoto:
    """The loss of bundled styles on one photo."""

    def __init__(self, loss: PerceptualLoss, photo: Tensor) -> None:
        self._loss, self._photo = loss, photo
        self._features = loss.photo_features(photo)

    @torch.no_grad()
    def __call__(self, weights: TrainedWeights) -> float:
        with torch.device("meta"):  # no random numbers for weights that are replaced at once
            network = build_network(weights.shape)
        network.load_state_dict(weights.state, assign=True)
        network.to(memory_format=torch.channels_last)
        losses: PerceptualLosses = self._loss(network(self._photo), self._photo, photo=self._features)
        return losses.total.item()


def _best(starts: Sequence[_T], losses: Sequence[Callable[[_T], float]]) -> _T:
    """Return the weights with the least loss, summed over the photos."""
    first, *others = losses
    ranked = sorted(((first(weights), number) for number, weights in enumerate(starts)))
    chosen, least = starts[0], math.inf
    for loss, number in ranked:
        if loss >= least:
            break  # no loss is negative: neither this one nor the next ones can be less
        total = loss + sum(other(starts[number]) for other in others)
        if total < least:
            chosen, least = starts[number], total
    return chosen


def _options(shape: NetworkShape) -> str:
    for name, known in NETWORKS.items():
        if shape == known:
            return f"--network {name}"
    return " ".join(f"--{key.replace('_', '-')} {value}" for key, value in shape._asdict().items())


def _read_bundled() -> list[TrainedWeights]:
    found = []
    for style in list_bundled_styles():
        try:
            found.append(read_style_weights(style.name, style.path))
        except FastnstError as error:  # noqa: PERF203 - the others will do
            say_once(f"{style.name} is not compared: {error}")
    return found
