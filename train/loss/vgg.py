"""VGG-16 and VGG-19 as loss networks, cut after the deepest layer that is needed."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from fastnst.errors import FastnstError
from train.loss.loss_network import LossNetwork, same_convolution
from train.machine.answer_within import answer_within
from train.machine.refused_pickle import forbidden_in_pickle


@dataclass(frozen=True)
class VGGArchitecture:
    """A pretrained VGG.

    Attributes:
        convs_per_block: Number of 3x3 convolutions in each of the five blocks.
        weights: Torchvision's name of the weights to download.
        mean: Mean of its training images, RGB in [0, 1].
        std: Divides the input less the mean, RGB in [0, 1].
        licence: The licence of the weights.
    """

    convs_per_block: tuple[int, ...]
    weights: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str


_LICENCE = "CC BY 4.0, Visual Geometry Group, University of Oxford"

ARCHITECTURES: Mapping[str, VGGArchitecture] = {
    # The original Caffe weights that Johnson et al. used, with their mean and range of 0-255. Torchvision
    # stores the feature layers alone.
    "vgg16": VGGArchitecture(
        (2, 2, 3, 3, 3),
        "VGG16_Weights.IMAGENET1K_FEATURES",
        mean=(0.48235, 0.45882, 0.40784),
        std=(1 / 255, 1 / 255, 1 / 255),
        licence=_LICENCE,
    ),
    "vgg19": VGGArchitecture(
        (2, 2, 4, 4, 4),
        "VGG19_Weights.IMAGENET1K_V1",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        licence="BSD-3-Clause, torchvision",
    ),
}

_CHANNELS = (64, 128, 256, 512, 512)


# The longest waits for a server's first answer, and for more of the file.
_ANSWER_SECONDS = 10
_SILENCE_SECONDS = 60


class DownloadError(FastnstError):
    """Weights that cannot be downloaded.

    Args:
        architecture: `vgg16` or `vgg19`.
        url: The address of the weights.
        cause: The error.

    Attributes:
        reason: What failed and why, without advice.
    """

    def __init__(self, architecture: str, url: str, cause: Exception) -> None:
        why = cause.reason if isinstance(cause, urllib.error.URLError) else cause
        self.reason = f"cannot download the {architecture} weights from {url} ({why})"
        super().__init__(
            f"{self.reason}; download them elsewhere and give the file with --loss-network-weights"
        )


@dataclass(frozen=True)
class _Convolution:
    layer: str  # relu1_1: named after its activation, as the papers do
    key: str  # features.0: torchvision's name of its weights
    in_channels: int
    out_channels: int
    pooled: bool  # whether a 2x2 max pooling comes before it


def _convolutions(architecture: VGGArchitecture) -> list[_Convolution]:
    found, index, channels = [], 0, 3
    for block, count in enumerate(architecture.convs_per_block):
        for conv in range(count):
            found.append(
                _Convolution(
                    f"relu{block + 1}_{conv + 1}",
                    f"features.{index}",
                    channels,
                    _CHANNELS[block],
                    pooled=block > 0 and conv == 0,
                )
            )
            channels = _CHANNELS[block]
            index += 2  # the convolution and its ReLU
        index += 1  # the pooling
    return found


def layer_names(architecture: str) -> tuple[str, ...]:
    """Return the names of all of a loss network's layers, from the shallowest to the deepest.

    Args:
        architecture: `vgg16` or `vgg19`.

    Returns:
        `relu1_1` to `relu5_3` or `relu5_4`.

    Raises:
        FastnstError: If there is no such architecture.
    """
    return tuple(convolution.layer for convolution in _convolutions(_architecture(architecture)))


def weight_keys(architecture: str, layers: Sequence[str]) -> dict[str, str]:
    """Return torchvision's names of the convolutions that some layers need.

    Args:
        architecture: `vgg16` or `vgg19`.
        layers: Names such as `relu3_3`.

    Returns:
        Such as `features.0` by its layer, from the shallowest to the deepest of `layers`.

    Raises:
        FastnstError: If there is no such architecture or layer.
    """
    return {convolution.layer: convolution.key for convolution in _needed(architecture, layers)}


def _architecture(name: str) -> VGGArchitecture:
    try:
        return ARCHITECTURES[name]
    except KeyError:
        raise FastnstError(f"no loss network {name!r}; choose one of {', '.join(ARCHITECTURES)}") from None


class VGGFeatures(LossNetwork):
    """Activations of a frozen, pretrained VGG, after the ReLU.

    Args:
        architecture: `vgg16` or `vgg19`.
        layers: The layers that will be asked for, such as `relu3_3`. Nothing past the deepest is loaded.
        state: Weights in torchvision's naming, `features.0.weight` and so on; layers that are not needed may
            be missing. `load_vgg_state` reads or downloads them, `random_vgg_state` makes random ones.
        mirrored: Whether borders are mirrored, see `LossNetwork`.

    Raises:
        FastnstError: If a layer does not exist, or `state` lacks the weights of one that is needed, or has
            them in another shape.
    """

    def __init__(
        self,
        architecture: str,
        layers: Iterable[str],
        state: Mapping[str, Tensor],
        *,
        mirrored: bool = False,
    ) -> None:
        layers = tuple(layers)
        self._convolutions = _needed(architecture, layers)
        missing = [c.layer for c in self._convolutions if f"{c.key}.weight" not in state]
        if missing:
            raise FastnstError(
                f"the {architecture} weights do not reach {', '.join(missing)}; "
                f"give a file that has {', '.join(f'{c.key}.weight' for c in self._convolutions[-1:])} "
                "or choose shallower layers"
            )
        weights: dict[str, Tensor] = {}
        for conv in self._convolutions:
            weight, bias = state[f"{conv.key}.weight"], state.get(f"{conv.key}.bias")
            expected = (conv.out_channels, conv.in_channels, 3, 3)
            if tuple(weight.shape) != expected or bias is None or tuple(bias.shape) != expected[:1]:
                raise FastnstError(
                    f"{conv.key} has the shape {tuple(weight.shape)} where {architecture} has {expected}; "
                    "are these the weights of another network?"
                )
            weights |= {f"{conv.key}.weight": weight, f"{conv.key}.bias": bias}
        fixed = _architecture(architecture)
        super().__init__(
            architecture,
            layers,
            licence=fixed.licence,
            mean=fixed.mean,
            std=fixed.std,
            weights=weights,
            mirrored=mirrored,
        )

    def _activations(
        self, x: Tensor, weights: Mapping[str, Tensor], wanted: Collection[str]
    ) -> dict[str, Tensor]:
        activations: dict[str, Tensor] = {}
        for conv in self._convolutions:
            if conv.pooled:
                x = F.max_pool2d(x, 2, ceil_mode=min(x.shape[-2:]) < 2)
            kernels, bias = weights[f"{conv.key}.weight"], weights[f"{conv.key}.bias"]
            # Not in place: a later layer must not change an activation that is returned.
            x = F.relu(same_convolution(x, kernels, bias, mirrored=self.mirrored))
            if conv.layer in wanted:
                activations[conv.layer] = x
                if len(activations) == len(wanted):
                    break
        return activations


def _needed(architecture: str, layers: Sequence[str] | None = None) -> list[_Convolution]:
    convolutions = _convolutions(_architecture(architecture))
    if layers is None:
        return convolutions
    names = [convolution.layer for convolution in convolutions]
    for layer in layers:
        if layer not in names:
            raise FastnstError(f"{architecture} has no layer {layer!r}; it has {', '.join(names)}")
    return convolutions[: max((names.index(layer) for layer in layers), default=-1) + 1]


def load_vgg_state(architecture: str, weights: str | os.PathLike[str] | None = None) -> dict[str, Tensor]:
    """Read the pretrained weights from a file, or download torchvision's into its cache.

    Args:
        architecture: `vgg16` or `vgg19`.
        weights: A `.pth` or `.safetensors` file in torchvision's naming, which may end after some layer.
            None downloads the weights (about 500 MB, once).

    Returns:
        The weights by their names.

    Raises:
        FastnstError: If the file cannot be read, or the download fails.
    """
    if weights is None:
        return _download(architecture)
    path = Path(weights)
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    # A damaged file makes the unpickler raise nearly anything.
    except Exception as error:
        reason = f"{error.strerror}" if isinstance(error, OSError) and error.strerror else "not readable"
        if (asked := forbidden_in_pickle(error)) is not None:
            reason = f"it asks for {asked}, which could run code"
        raise FastnstError(
            f"cannot read the loss network's weights {path}: {reason}; "
            "give a .pth or .safetensors file in torchvision's naming"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise FastnstError(f"{path} does not hold weights by name, as torchvision's files do")
    return state


def recognize_architecture(state: Mapping[str, Tensor]) -> str:
    """Tell whether weights are VGG-16's or VGG-19's.

    Args:
        state: Weights in torchvision's naming.

    Returns:
        `vgg19` if VGG-16 lacks one of the kernels or has it in another shape, otherwise `vgg16`: up to
        relu3_3 both are alike.
    """
    shapes = {f"{c.key}.weight": (c.out_channels, c.in_channels, 3, 3) for c in _needed("vgg16")}
    kernels = {name: tuple(value.shape) for name, value in state.items() if value.ndim == 4}
    return "vgg16" if all(shapes.get(name) == shape for name, shape in kernels.items()) else "vgg19"


def _download(architecture: str) -> dict[str, Tensor]:
    from torchvision.models import get_weight  # torchvision takes seconds to import

    entry = get_weight(_architecture(architecture).weights)
    kept = downloaded_weights(architecture)
    was_kept = kept.exists()
    patience = socket.getdefaulttimeout()
    try:
        if not was_kept:
            _check_reachable(entry.url)
        # PyTorch waits for ever for a server that falls silent.
        socket.setdefaulttimeout(_SILENCE_SECONDS)
        # It prints what it downloads to standard output, where the command's results go.
        with contextlib.redirect_stdout(sys.stderr):
            state = entry.get_state_dict(progress=True, check_hash=True)
    # A damaged file makes the unpickler raise nearly anything.
    except Exception as error:
        if was_kept:
            raise FastnstError(f"{kept} is damaged: delete it, and it will be downloaded again") from error
        if not isinstance(error, OSError | RuntimeError):  # among them urllib's
            raise
        raise DownloadError(architecture, entry.url, error) from error
    finally:
        socket.setdefaulttimeout(patience)
    return {name: value for name, value in state.items() if re.match(r"features\.", name)}


def downloaded_weights(architecture: str) -> Path:
    """Return the file in which PyTorch keeps the downloaded weights of a network."""
    from torchvision.models import get_weight  # torchvision takes seconds to import

    url = get_weight(_architecture(architecture).weights).url
    return Path(torch.hub.get_dir(), "checkpoints", Path(urllib.parse.urlsplit(url).path).name)


def _check_reachable(url: str) -> None:
    """Check within seconds that a server answers.

    Raises:
        OSError: If it does not.
    """

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - torchvision's own address
        # An HTTP error is an answer too: the server is there.
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=_ANSWER_SECONDS).close()  # noqa: S310

    answer_within(_ANSWER_SECONDS, ask)


def random_vgg_state(architecture: str, layers: Sequence[str], seed: int = 0) -> dict[str, Tensor]:
    """Make seeded random weights of the right shapes, for tests and trials without a download.

    Random filters respond to edges and colours already: the loss can be minimised, but the pictures are no
    styles.

    Args:
        architecture: `vgg16` or `vgg19`.
        layers: The layers that will be asked for.
        seed: The generator's seed.

    Returns:
        The weights by torchvision's names.
    """
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for conv in _needed(architecture, layers):
        # He et al. 2015: the variance of the activations stays the same from layer to layer.
        scale = (2 / (9 * conv.in_channels)) ** 0.5
        shape = (conv.out_channels, conv.in_channels, 3, 3)
        state[f"{conv.key}.weight"] = scale * torch.randn(shape, generator=generator)
        state[f"{conv.key}.bias"] = torch.zeros(conv.out_channels)
    return state
