"""A model's input and output as tensors that hold pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnst.errors import FastnstError
from fastnst.terminal import printable

_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
}


MOST_PIXELS = 50_000_000
"""Pixels that a model of a fixed size may take at once."""


@dataclass(frozen=True)
class ImageTensor:
    """An input or output that holds pictures.

    Attributes:
        name: Its name in the graph.
        dtype: uint8, float16, float32 or float64.
        channels_last: NHWC rather than NCHW; for an output, what its declared shape says.
        batch: The fixed number of pictures, or None where it is dynamic.
        height: The fixed height in pixels, or None.
        width: The fixed width in pixels, or None.
    """

    name: str
    dtype: np.dtype[Any]
    channels_last: bool
    batch: int | None
    height: int | None
    width: int | None

    def __str__(self) -> str:
        """Return the tensor as `fastnst info` shows it: `image: uint8 (N, H, W, 3)`."""
        n, h, w = (size or name for size, name in ((self.batch, "N"), (self.height, "H"), (self.width, "W")))
        shape = f"{n}, {h}, {w}, 3" if self.channels_last else f"{n}, 3, {h}, {w}"
        return f"{printable(self.name, 80)}: {self.dtype} ({shape})"


def read_tensors(session: Any) -> tuple[ImageTensor, ImageTensor]:
    """Return the image input and the image output of a session's model.

    Raises:
        FastnstError: If the model does not take one RGB image and give one.
    """
    inputs = session.get_inputs()
    images = [tensor for node in inputs if (tensor := _image_tensor(node, node.shape))]
    if len(images) != 1:
        what = "no image input" if not images else "several image inputs"
        raise FastnstError(f"the model has {what}, so it is no style model: its inputs are {_list(inputs)}")
    first = images[0]
    if (first.batch or 1) * (first.height or 1) * (first.width or 1) > MOST_PIXELS:
        raise FastnstError(f"the model takes only pictures of more than {MOST_PIXELS:,} pixels: {first}")
    others = [node for node in inputs if node.name != images[0].name]
    if others:
        raise FastnstError(f"the model needs more than an image: its inputs are {_list(inputs)}")
    outputs = session.get_outputs()
    # An output may come without a shape; what it then gives is seen when the model runs.
    results = [tensor for node in outputs if (tensor := _image_tensor(node, node.shape or [None] * 4))]
    if not results:
        raise FastnstError(
            f"the model gives no image, so it is no style model: its outputs are {_list(outputs)}"
        )
    return images[0], results[0]


def is_channels_last(shape: Sequence[Any], default: bool) -> bool | None:
    """Return whether a 4-D shape is NHWC, `default` where it may be either, None where it is no RGB image."""
    if len(shape) != 4:
        return None
    first, last = (size == 3 if isinstance(size, int) else None for size in (shape[1], shape[3]))
    if first is last:
        return None if first is False else default
    return bool(last) if True in (first, last) else None


def _image_tensor(node: Any, shape: Sequence[Any]) -> ImageTensor | None:
    dtype = _DTYPES.get(node.type)
    if dtype is None or len(shape) != 4:
        return None
    # Where the shape does not say it, bytes come as pictures are stored and floats as networks take them.
    channels_last = is_channels_last(shape, default=dtype == np.uint8)
    if channels_last is None:
        return None
    sizes = [shape[i] for i in ((0, 1, 2) if channels_last else (0, 2, 3))]
    n, h, w = (size if isinstance(size, int) and size > 0 else None for size in sizes)
    return ImageTensor(node.name, dtype, channels_last, n, h, w)


def _list(nodes: Sequence[Any]) -> str:
    def shape(node: Any) -> str:
        return ", ".join(str(size) if size is not None else "?" for size in node.shape)

    text = ", ".join(f"{node.name} {node.type} ({shape(node)})" for node in nodes) or "none"
    return printable(text, 600)  # a damaged file may have any names
