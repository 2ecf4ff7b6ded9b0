"""The weights of a trained style, read from its checkpoint or from its ONNX file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from fastnst.errors import FastnstError
from fastnst.model import keys
from fastnst.model.metadata import check_format, read_metadata
from fastnst.style_library import find_style
from train.network.build import sizes_of_weights
from train.network.checkpoint import NETWORK_PREFIX, load_checkpoint
from train.network.shape import NetworkShape

# The suffix of a kernel that the export stores as float16.
_HALF_SUFFIX = ".float16"


@dataclass(frozen=True)
class TrainedWeights:
    """The weights of a trained style.

    Attributes:
        source: The style's name or file, as the user gave it.
        sha256: SHA-256 of the file, in lower-case hexadecimal.
        shape: Shape of the network.
        state: Float32 tensors by their names in the network's `state_dict`.
    """

    source: str
    sha256: str
    shape: NetworkShape
    state: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        """The name of the style or of the file, without the folders of this machine."""
        return Path(self.source).name


def read_trained_weights(source: str) -> TrainedWeights:
    """Read the weights of a trained style; nothing in the file is executed.

    Args:
        source: A checkpoint (.ckpt) of `python -m train`; or an ONNX file that fastnst exported, with float32
            or float16 weights, or its name, as `fastnst stylize --model` takes it.

    Returns:
        The weights, in float32.

    Raises:
        FastnstError: If the style or file is missing, damaged, or was not made by fastnst.
    """
    if source.endswith(".ckpt"):
        return _read_checkpoint(source, Path(source).expanduser())
    return read_style_weights(source, find_style(source))


def read_style_weights(name: str, path: Path) -> TrainedWeights:
    """Read the weights in a style file; see `read_trained_weights`."""
    metadata = read_metadata(path)
    check_format(metadata, path)
    if keys.FORMAT not in metadata:
        raise FastnstError(f"{path} was not made by fastnst, and its network is another")
    if metadata.get(keys.EXPORT_WEIGHTS) == "int8":
        raise FastnstError(
            f"{path} has int8 weights, too coarse for training to go on from: give the float file or the "
            "checkpoint that it was made of"
        )
    if metadata.get(keys.STYLE_FROZEN) == "true":
        raise FastnstError(
            f"{path} was frozen, not trained, and its weights are for any painting: give a trained style"
        )
    try:
        shape = shape_in(metadata)
        content = path.read_bytes()
        state = _state(onnx.load_model_from_string(content), shape)
    # On a foreign file, protobuf, NumPy and PyTorch may raise any exception.
    except Exception as error:
        raise FastnstError(f"{path} holds no weights that training can go on from") from error
    return TrainedWeights(name, hashlib.sha256(content).hexdigest(), shape, state)


def shape_in(metadata: Mapping[str, str]) -> NetworkShape:
    """Read the shape of a style file's network.

    Args:
        metadata: The metadata of a file that fastnst exported.

    Returns:
        The shape.

    Raises:
        KeyError: If an entry is missing.
        ValueError: If one is no number.
    """
    return NetworkShape(
        width=int(metadata[keys.NETWORK_WIDTH]),
        residual_blocks=int(metadata[keys.NETWORK_RESIDUAL_BLOCKS]),
        # Older files do not state these.
        outer_kernel_size=int(metadata.get(keys.NETWORK_OUTER_KERNEL_SIZE, 9)),
        wide_blocks=int(metadata.get(keys.NETWORK_WIDE_BLOCKS, 0)),
    )


def _read_checkpoint(source: str, path: Path) -> TrainedWeights:
    checkpoint = load_checkpoint(path)
    return TrainedWeights(
        source=source,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        shape=checkpoint.record.network_shape,
        state=checkpoint.network().state_dict(),
    )


def _state(model: onnx.ModelProto, shape: NetworkShape) -> dict[str, Tensor]:
    """Return the state dict in a model's initializers.

    Raises:
        KeyError: If a weight is missing.
        ValueError: If one is in another file, or of another shape.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    state = {}
    for name, size in sizes_of_weights(shape, len(tensors)).items():
        exported = NETWORK_PREFIX + name
        tensor = tensors[exported] if exported in tensors else tensors[exported + _HALF_SUFFIX]
        # External data could name any file of this machine.
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tuple(tensor.dims) != tuple(size):
            raise ValueError(f"{exported} is not a tensor of shape {tuple(size)} in the file itself")
        state[name] = torch.tensor(numpy_helper.to_array(tensor), dtype=torch.float32)
    return state
