"""The compact loss network: VGG-19's features from a network with a quarter of its arithmetic, in 1.8 MB.

It comes with this package: a style can be trained without a download. `train/loss/COMPACT.md` says how it was
made; `python -m train.distillation` makes it again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor

from fastnst.errors import FastnstError
from train.loss.loss_network import LossNetwork, same_convolution

ARCHITECTURE = "compact"
COMPACT_WEIGHTS = Path(__file__).with_name("compact.safetensors")
LICENCE = (
    "CC BY 4.0; distilled for fastnst from VGG-19, CC BY 4.0, Visual Geometry Group, University of Oxford"
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# Its 3x3 convolutions, each with a ReLU, are VGG-19's with fewer channels: (name, block, number, channels). A
# 2x2 max pooling comes before each block but the first. With half the channels the loss overlooks too much,
# which a network in training exploits (train/loss/COMPACT.md), and a step is hardly faster: the network's own
# convolutions take longer.
_WIDTHS = ((32, 32), (64, 64), (128, 128, 128, 128), (256,))
TRUNK = tuple(
    (f"conv{block + 1}_{conv + 1}", block, conv, width)
    for block, widths in enumerate(_WIDTHS)
    for conv, width in enumerate(widths)
)

# For each layer the block and the convolution after which a 1x1 convolution reads the features, and their
# number: they are the coordinates of VGG-19's features on as many principal directions.
HEADS: Mapping[str, tuple[int, int, int]] = {
    "relu1_2": (0, 1, 16),
    "relu2_2": (1, 1, 48),
    "relu3_3": (2, 2, 64),
    "relu3_4": (2, 3, 64),
    "relu4_1": (3, 0, 96),
}

COMPACT_LAYERS = tuple(HEADS)


def head_channels(layer: str) -> int:
    """Return the number of channels of the compact network at one of `COMPACT_LAYERS`."""
    return HEADS[layer][2]


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights by their names."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 3
    heads = {(block, conv): (layer, count) for layer, (block, conv, count) in HEADS.items()}
    for name, block, conv, width in TRUNK:
        shapes |= {f"{name}.weight": (width, channels, 3, 3), f"{name}.bias": (width,)}
        channels = width
        if (block, conv) in heads:
            layer, count = heads[block, conv]
            shapes |= {f"{layer}.weight": (count, width, 1, 1), f"{layer}.bias": (count,)}
    return shapes


def compact_activations(
    x: Tensor, weights: Mapping[str, Tensor], wanted: Collection[str], *, mirrored: bool = False
) -> dict[str, Tensor]:
    """Run the network with any weights, such as those of a student in training.

    Args:
        x: Images less `MEAN` and divided by `STD`, (N, 3, H, W).
        weights: With the shapes of `weight_shapes`.
        wanted: Some of `COMPACT_LAYERS`.
        mirrored: Whether borders are mirrored, see `LossNetwork`.

    Returns:
        Features of shape (N, C, H', W') by layer. Unlike VGG's they can be negative.
    """
    found: dict[str, Tensor] = {}
    read_off = {HEADS[layer][:2]: layer for layer in wanted}
    for name, block, conv, _ in TRUNK:
        if block and not conv:
            x = F.max_pool2d(x, 2, ceil_mode=bool(min(x.shape[-2:]) < 2))
        kernels, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        x = F.relu(same_convolution(x, kernels, bias, mirrored=mirrored))
        if layer := read_off.get((block, conv)):
            found[layer] = F.conv2d(x, weights[f"{layer}.weight"], weights[f"{layer}.bias"])
            if len(found) == len(read_off):
                break
    return found


class CompactFeatures(LossNetwork):
    """Features of the compact network, which approximate those of VGG-19 at the same layers.

    They are VGG-19's features projected onto their first principal directions and scaled, and have nearly
    the same Gram matrices and distances.

    Args:
        layers: The layers that will be asked for, some of `COMPACT_LAYERS`.
        state: The weights, as `load_compact_state` reads them.
        mirrored: Whether borders are mirrored, see `LossNetwork`.

    Raises:
        FastnstError: If a layer is not one of `COMPACT_LAYERS`, or a weight is missing or of another shape.
    """

    def __init__(self, layers: Iterable[str], state: Mapping[str, Tensor], *, mirrored: bool = False) -> None:
        layers = tuple(layers)
        for layer in layers:
            if layer not in HEADS:
                raise FastnstError(f"compact has no layer {layer!r}; it has {', '.join(HEADS)}")
        for name, shape in weight_shapes().items():
            if name not in state or tuple(state[name].shape) != shape:
                found = tuple(state[name].shape) if name in state else "missing"
                raise FastnstError(
                    f"{name} of the compact loss network is {found} where {shape} is needed: fetch "
                    f"{COMPACT_WEIGHTS.name} anew, with git checkout, or choose --loss-network vgg16"
                )
        super().__init__(
            ARCHITECTURE,
            layers,
            licence=LICENCE,
            mean=MEAN,
            std=STD,
            weights={name: state[name] for name in weight_shapes()},
            mirrored=mirrored,
        )

    def _activations(
        self, x: Tensor, weights: Mapping[str, Tensor], wanted: Collection[str]
    ) -> dict[str, Tensor]:
        return compact_activations(x, weights, wanted, mirrored=self.mirrored)


def load_compact_state(path: str | os.PathLike[str] = COMPACT_WEIGHTS) -> dict[str, Tensor]:
    """Read the weights that come with this package.

    Args:
        path: The file.

    Returns:
        The weights by their names, as stored.

    Raises:
        FastnstError: If the file is missing or damaged.
    """
    try:
        return safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        reason = "it is missing" if isinstance(error, FileNotFoundError) else "it is damaged"
        raise FastnstError(
            f"cannot read the compact loss network {path}: {reason}; fetch it anew with git checkout, or "
            "choose --loss-network vgg16"
        ) from error


def random_compact_state(seed: int = 0) -> dict[str, Tensor]:
    """Make seeded random weights of the right shapes, for tests.

    Args:
        seed: The generator's seed.

    Returns:
        Float32 weights by their names.
    """
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in weight_shapes().items():
        if name.endswith(".bias"):
            state[name] = torch.zeros(shape)
            continue
        # He et al. 2015: the variance of the activations stays the same from layer to layer. No ReLU follows
        # the heads.
        gain = 2 if shape[-1] == 3 else 1
        scale = (gain / (shape[1] * shape[2] * shape[3])) ** 0.5
        state[name] = scale * torch.randn(shape, generator=generator)
    return state
