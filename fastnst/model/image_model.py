"""An ONNX model that takes a picture and gives one, whatever the layout and range of its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnst.errors import FastnstError
from fastnst.model.session import OutOfMemoryError, RunError, first_line

Images = NDArray[np.uint8]

_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
}

_OUT_OF_MEMORY = (
    "failed to allocate",
    "alloc_failed",
    "bad_alloc",
    "bad allocation",
    "out of memory",
    "not enough memory",
)


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
        return f"{self.name}: {self.dtype} ({shape})"


@dataclass(frozen=True)
class ValueRange:
    """The values that stand for black and white in a model's tensors."""

    black: float
    white: float

    def __str__(self) -> str:
        return f"{self.black:g} to {self.white:g}"


BYTES = ValueRange(0, 255)
UNIT = ValueRange(0, 1)
SYMMETRIC = ValueRange(-1, 1)


@dataclass(frozen=True)
class ImageModel:
    """A session together with what its tensors mean. Calls are thread-safe.

    Attributes:
        session: The `onnxruntime.InferenceSession`.
        input: The tensor that takes the picture.
        output: The tensor that holds the result.
        value_range: Black and white in both of them.
        bgr: Blue comes first in both of them.
        multiple: Dynamic heights and widths must be multiples of this for the output to have the same size;
            0 where no multiple does it and the output is resized.
    """

    session: Any
    input: ImageTensor
    output: ImageTensor
    value_range: ValueRange = BYTES
    bgr: bool = False
    multiple: int = 1

    def __call__(self, images: Images) -> Images:
        """Run pictures of shape (N, H, W, 3) through the model, whose sizes they must suit.

        Returns:
            Pictures of shape (N, H', W', 3), of the size that the model gives.

        Raises:
            FastnstError: If the model fails, runs out of memory, or gives no picture or NaN.
        """
        output = self.run(pack(images, self.input, self.value_range, self.bgr), images.shape[1:3])
        channels_last = is_channels_last(output.shape, self.output.channels_last)
        if channels_last is None:
            raise FastnstError(f"the output {self.output.name!r} of shape {output.shape} is no RGB image")
        return unpack(output, channels_last, self.value_range, self.bgr)

    def run(self, tensor: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
        """Run the session on the input tensor as it is; `size` (height, width) is for the error's message."""
        picture = f"an image of {size[1]}x{size[0]} pixels"
        (output,) = run_session(self.session, [self.output.name], {self.input.name: tensor}, picture)
        return output


def run_session(
    session: Any, names: Sequence[str], feed: Mapping[str, NDArray[Any]], picture: str
) -> list[NDArray[Any]]:
    """Run a session.

    Args:
        session: An `onnxruntime.InferenceSession`.
        names: Of the outputs that are asked for.
        feed: The inputs.
        picture: What it runs on, for the error's message.

    Raises:
        OutOfMemoryError: If the memory does not suffice.
        RunError: If the session fails otherwise.
    """
    try:
        outputs: list[NDArray[Any]] = session.run(names, feed)
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no class but Exception
        if isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _OUT_OF_MEMORY):
            raise OutOfMemoryError(f"not enough memory to stylise {picture}: give a smaller one") from None
        raise RunError(f"the model fails on {picture}: {first_line(error)}") from None
    return outputs


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


def pack(images: Images, tensor: ImageTensor, value_range: ValueRange, bgr: bool) -> NDArray[Any]:
    """Turn uint8 RGB pictures of shape (N, H, W, 3) into the model's layout, type and range."""
    pixels: NDArray[Any] = images[..., ::-1] if bgr else images
    if not tensor.channels_last:
        pixels = pixels.transpose(0, 3, 1, 2)
    if tensor.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    # One pass writes the final memory order; the in-place arithmetic then needs no second buffer.
    values = pixels.astype(tensor.dtype, order="C")
    if value_range != BYTES:
        values *= (value_range.white - value_range.black) / 255
        values += value_range.black
    return values


def unpack(output: NDArray[Any], channels_last: bool, value_range: ValueRange, bgr: bool) -> Images:
    """Turn a model's output into uint8 RGB pictures of shape (N, H, W, 3), clipped and rounded.

    Raises:
        FastnstError: If the output holds NaN or infinite values.
    """
    pixels = output if channels_last else output.transpose(0, 2, 3, 1)
    if bgr:
        pixels = pixels[..., ::-1]
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    # min and max carry NaN and infinity along, and need no mask as large as the image.
    if pixels.size and not (np.isfinite(pixels.min()) and np.isfinite(pixels.max())):
        raise FastnstError("the model gave NaN or infinite values: try --device cpu, or a float32 model")
    if value_range == BYTES:
        values = pixels.astype(np.float32)
    else:
        values = (pixels.astype(np.float32) - value_range.black) * (
            255 / (value_range.white - value_range.black)
        )
    np.rint(values, out=values)
    np.clip(values, 0, 255, out=values)
    return values.astype(np.uint8, order="C")


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
    # A damaged file's names may hold anything.
    text = "".join(sign if sign.isprintable() else "?" for sign in text)
    return text if len(text) <= 400 else f"{text[:397]}..."
