"""What a network starts from: random weights, or those of another style, which save most of the steps."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from fastnst.errors import FastnstError
from fastnst.model.metadata import FORMAT_KEY, check_format, read_metadata
from fastnst.style_library import find_style, list_bundled_styles
from train.config import TrainingConfig
from train.image_tensor import image_to_tensor
from train.network.checkpoint import NETWORK_PREFIX, load_checkpoint
from train.network.shape import NETWORKS, NetworkShape
from train.network.transformer_net import TransformerNet
from train.photos.folder import TrainingPhotos, validation_images
from train.step.style_transfer import StyleTransfer
from train.terminal import say

NONE = "none"
AUTO = "auto"

# Where an exported file says how its weights are stored.
_WEIGHTS_KEY = "export.weights"
# How the export calls a kernel that it stores as float16.
_HALF_SUFFIX = ".float16"

# The photos on which `auto` compares the bundled styles, and their longer side: seconds on a CPU.
_COMPARED_PHOTOS = 4
_COMPARED_SIZE = 256


@dataclass(frozen=True)
class InitialWeights:
    """The weights of a trained style, to start another from.

    Attributes:
        init: The style's name or file, as `--init` takes it.
        sha256: Of the file, as lower-case hexadecimal digits.
        shape: Of the network.
        state: Float32 tensors by their names in `TransformerNet.state_dict`.
    """

    init: str
    sha256: str
    shape: NetworkShape
    state: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        """The name of the style or of the file, without the folders of this machine."""
        return Path(self.init).name


def find_initial_weights(config: TrainingConfig) -> list[InitialWeights]:
    """Return the weights that a new run may start from.

    Args:
        config: The run's options.

    Returns:
        Nothing for `--init none`; one style's weights where it is named; for `auto` those of every bundled
        style whose network is the run's. Where there is none, the user is told.

    Raises:
        FastnstError: If the named style or file is missing, no style that fastnst made, or of another
            network than the run's.
    """
    if config.init == NONE:
        return []
    if config.init != AUTO:
        weights = read_initial_weights(config.init)
        if weights.shape != config.network_shape:
            raise FastnstError(
                f"--init {config.init} has {weights.shape}; this run has {config.network_shape}: give "
                f"{_options(weights.shape)}, or --init none"
            )
        return [weights]
    bundled = _read_bundled()
    candidates = [weights for weights in bundled if weights.shape == config.network_shape]
    if not bundled:
        say("starting from random weights: there are no bundled styles")
    elif not candidates:
        say(f"starting from random weights: no bundled style has {config.network_shape}")
    return candidates


def read_initial_weights(init: str) -> InitialWeights:
    """Read the weights of a trained style; nothing in the file is executed.

    Args:
        init: A checkpoint (.ckpt) of `python -m train`; or an ONNX file that fastnst exported, with float32
            or float16 weights, or the name of one, as `fastnst stylize --model` takes it.

    Returns:
        The weights, in float32.

    Raises:
        FastnstError: If the style or file is missing, damaged, or was not made by fastnst.
    """
    try:
        if init.endswith(".ckpt"):
            return _read_checkpoint(init, Path(init).expanduser())
        return _read_onnx(init, find_style(init))
    except FastnstError as error:
        raise FastnstError(f"--init {init}: {error}") from error


def start_from_best(
    module: StyleTransfer, candidates: Sequence[InitialWeights], photos: TrainingPhotos
) -> None:
    """Give a new network the weights that have the lowest loss with its painting.

    The choice is a function of the painting, the photos and the options, so that all processes of a run make
    the same one.

    Args:
        module: The run's module. What was chosen becomes its `config.init` and its `started_from`, and is
            said.
        candidates: What `find_initial_weights` returned; with none, the network keeps its random weights.
        photos: The run's photos; those held out of training are the ones to compare on.
    """
    chosen = candidates[0] if candidates else None
    if len(candidates) > 1:
        say(f"comparing the painting with {len(candidates)} bundled styles")
        shown = validation_images(photos, _COMPARED_SIZE)[:_COMPARED_PHOTOS]
        content = [image_to_tensor(photo) for photo in shown]
        chosen = min(candidates, key=lambda weights: _loss(module, weights, content))
    if chosen is not None:
        module.network.load_state_dict(chosen.state)
        module.started_from = {"name": chosen.name, "sha256": chosen.sha256}
        if module.config.init == AUTO:
            say(f"starting from the bundled style {chosen.name} (--init none starts from nothing)")
        else:
            say(f"starting from {chosen.init}")
    # `auto` is over: the run's options say what it came to.
    module.config = dataclasses.replace(module.config, init=NONE if chosen is None else chosen.init)


@torch.no_grad()
def _loss(module: StyleTransfer, weights: InitialWeights, photos: Sequence[Tensor]) -> float:
    module.network.load_state_dict(weights.state)
    return fmean(module.compare(photo).total.item() for photo in photos)


def shape_in(metadata: Mapping[str, str]) -> NetworkShape:
    """Read the shape of a style file's network.

    Args:
        metadata: Of a file that fastnst exported.

    Returns:
        The shape.

    Raises:
        KeyError: If an entry is missing.
        ValueError: If one is no number.
    """
    return NetworkShape(
        width=int(metadata["network.width"]),
        residual_blocks=int(metadata["network.residual_blocks"]),
        # Files of before there was a choice do not say it.
        outer_kernel_size=int(metadata.get("network.outer_kernel_size", 9)),
    )


def _options(shape: NetworkShape) -> str:
    for name, known in NETWORKS.items():
        if shape == known:
            return f"--network {name}"
    return " ".join(f"--{key.replace('_', '-')} {value}" for key, value in shape._asdict().items())


def _read_bundled() -> list[InitialWeights]:
    found = []
    for style in list_bundled_styles():
        try:
            found.append(_read_onnx(style.name, style.path))
        except FastnstError as error:  # noqa: PERF203 - nobody asked for this one: the others will do
            say(f"{style.name} is not compared: {error}")
    return found


def _read_checkpoint(init: str, path: Path) -> InitialWeights:
    checkpoint = load_checkpoint(path)
    return InitialWeights(
        init=init,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        shape=checkpoint.network_shape,
        state=checkpoint.network().state_dict(),
    )


def _read_onnx(init: str, path: Path) -> InitialWeights:
    metadata = read_metadata(path)
    check_format(metadata, path)
    if FORMAT_KEY not in metadata:
        raise FastnstError(f"{path} was not made by fastnst, and its network is another")
    if metadata.get(_WEIGHTS_KEY) == "int8":
        raise FastnstError(
            f"{path} has int8 weights, too coarse for training to go on from: give the float file or the "
            "checkpoint that it was made of"
        )
    try:
        shape = shape_in(metadata)
        content = path.read_bytes()
        state = _state(onnx.load_model_from_string(content), shape)
    # A file made by someone else makes protobuf, NumPy and PyTorch raise nearly anything.
    except Exception as error:
        raise FastnstError(f"{path} holds no weights that training can go on from") from error
    return InitialWeights(init, hashlib.sha256(content).hexdigest(), shape, state)


def _state(model: onnx.ModelProto, shape: NetworkShape) -> dict[str, Tensor]:
    """Return the state dict in a model's initializers.

    Raises:
        KeyError: If a weight is missing.
        ValueError: If one is in another file, or of another shape.
    """
    with torch.device("meta"):  # names and shapes alone: no memory, and no random numbers drawn
        expected = TransformerNet(*shape).state_dict()
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    state = {}
    for name, like in expected.items():
        exported = NETWORK_PREFIX + name
        tensor = tensors[exported] if exported in tensors else tensors[exported + _HALF_SUFFIX]
        # A name of any file of this machine could stand in the model.
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tuple(tensor.dims) != tuple(like.shape):
            raise ValueError(f"{exported} is not a tensor of shape {tuple(like.shape)} in the file itself")
        state[name] = torch.tensor(numpy_helper.to_array(tensor), dtype=torch.float32)
    return state
