"""The loss of a run, and its loss network: the named one, or the best that is available."""

from __future__ import annotations

import dataclasses
import os
import typing
from collections.abc import Callable, Mapping

from torch import Tensor

from fastnst.errors import FastnstError
from train.config import AUTO_LOSS_NETWORK, LossNetworkName, TrainingConfig
from train.config import COMPACT_LOSS_NETWORK as COMPACT
from train.loss.compact import COMPACT_LAYERS, CompactFeatures, load_compact_state
from train.loss.loss_network import LossNetwork
from train.loss.painting import Painting
from train.loss.perceptual_loss import PerceptualLoss
from train.loss.vgg import DownloadError, VGGFeatures, layer_names, load_vgg_state, recognize_architecture

# The choice of `auto`, for the processes that Lightning starts beside this one. If each chose by itself, one
# failed download would make them minimise different losses.
_SETTLED = "FASTNST_LOSS_NETWORK"


def load_loss_network(
    config: TrainingConfig, report: Callable[[str], None]
) -> tuple[TrainingConfig, LossNetwork]:
    """Load the loss network of a run.

    A named network is used, or it is an error. `auto` takes the network in the file of
    `--loss-network-weights`; without a file, VGG-16 as in the paper; and if VGG-16 is neither here nor can be
    downloaded, the compact network.

    Args:
        config: The run's options.
        report: Takes lines for the user.

    Returns:
        The options, with `auto` replaced by the network's name and with its style layers; and the network, on
        the CPU.

    Raises:
        FastnstError: If a layer does not exist, or the weights cannot be read or downloaded.
    """
    state: Mapping[str, Tensor] | None = None
    if config.loss_network == AUTO_LOSS_NETWORK:
        config, state = _settle(config, report)
    layers = (*config.content_layers, *config.resolved_style_layers)
    check_layers(config.loss_network, layers)
    if config.loss_network == COMPACT:
        return config, CompactFeatures(layers, load_compact_state(), mirrored=True)
    if state is None:
        report(f"reading the weights of {config.loss_network}")
        state = load_vgg_state(config.loss_network, config.loss_network_weights)
    return config, VGGFeatures(config.loss_network, layers, state, mirrored=True)


def make_loss(
    config: TrainingConfig, painting: Painting, features: LossNetwork, device: str = "cpu"
) -> PerceptualLoss:
    """Return the loss of a run.

    Args:
        config: The run's options, with the loss network settled.
        painting: The painting.
        features: The loss network, which moves to the device.
        device: Where the loss is to run, as PyTorch names it.
    """
    return PerceptualLoss(
        features.to(device),
        painting.to_tensor().to(device),
        content_layers=config.content_layers,
        style_layers=config.resolved_style_layers,
        style_layer_weights=config.style_layer_weights,
        content_weight=config.content_weight,
        style_weight=config.resolved_style_weight,
        style_scales=config.style_scales,
        tv_weight=config.tv_weight,
        repetition_weight=config.repetition_weight,
        stability_weight=config.stability_weight,
    )


def check_layers(loss_network: str, layers: tuple[str, ...]) -> None:
    """Check that a loss network has some layers, before its weights are downloaded.

    Args:
        loss_network: `vgg16`, `vgg19` or `compact`.
        layers: Names such as `relu3_3`.

    Raises:
        FastnstError: If it lacks one of them.
    """
    known = COMPACT_LAYERS if loss_network == COMPACT else layer_names(loss_network)
    for layer in layers:
        if layer not in known:
            raise FastnstError(f"{loss_network} has no layer {layer!r}; it has {', '.join(known)}")


def _settle(
    config: TrainingConfig, report: Callable[[str], None]
) -> tuple[TrainingConfig, Mapping[str, Tensor] | None]:
    """Return the options with the network that `auto` chooses, and its weights if they are already read."""
    if config.loss_network_weights is not None:
        report(f"reading the weights of the loss network from {config.loss_network_weights}")
        state = load_vgg_state("vgg16", config.loss_network_weights)
        return _named(config, recognize_architecture(state)), state
    if "LOCAL_RANK" in os.environ and _SETTLED in os.environ:
        return _named(config, os.environ[_SETTLED]), None
    check_layers("vgg16", (*config.content_layers, *(config.style_layers or ())))
    report("reading the weights of vgg16")
    try:
        chosen, state = "vgg16", load_vgg_state("vgg16")
    except DownloadError as error:
        chosen, state = COMPACT, {}  # which reads its own
        report(
            f"{error.reason}: this run uses compact, the loss network that comes with fastnst "
            "(--loss-network vgg16 insists)"
        )
    os.environ[_SETTLED] = chosen
    return _named(config, chosen), state


def _named(config: TrainingConfig, loss_network: str) -> TrainingConfig:
    return dataclasses.replace(config, loss_network=typing.cast("LossNetworkName", loss_network))
