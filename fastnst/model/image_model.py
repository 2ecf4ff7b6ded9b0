"""An ONNX model from picture to picture, whatever the layout and range of its tensors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from fastnst.errors import FastnstError, FastnstWarning
from fastnst.model.session import OutOfMemoryError, RunError, first_line

Images = NDArray[np.uint8]

_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
}

# Dynamic sizes that are rounded to a multiple are at least this many pixels.
_SMALLEST = 32

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
    """The values of black and white in a model's tensors."""

    black: float
    white: float

    def __str__(self) -> str:
        return f"{self.black:g} to {self.white:g}"


BYTES = ValueRange(0, 255)
UNIT = ValueRange(0, 1)
SYMMETRIC = ValueRange(-1, 1)


@dataclass(frozen=True)
class ImageModel:
    """A session with the meaning of its tensors; call it with pictures of any size.

    Calls are thread-safe.

    Attributes:
        session: The `onnxruntime.InferenceSession`.
        input: The tensor that takes the pictures.
        output: The tensor that holds the result.
        value_range: Black and white in both of them.
        bgr: Blue comes first in both of them.
        multiple: Dynamic heights and widths must be multiples of this for an output of the same size; 0 if no
            multiple gives one and the output is resized.
        name: Its name in warnings.
    """

    session: Any
    input: ImageTensor
    output: ImageTensor
    value_range: ValueRange = BYTES
    bgr: bool = False
    multiple: int = 1
    name: str = "the model"

    def __call__(self, images: Images) -> Images:
        """Run pictures of any size through the model, in one run.

        For a fixed size, pictures are scaled in their proportions and extended by reflection; the result is
        cropped and scaled back.

        Args:
            images: RGB of shape (N, H, W, 3), uint8; no more of them than a fixed batch holds.

        Returns:
            The same shape, uint8.

        Raises:
            FastnstError: If the model fails, runs out of memory, or gives no picture or NaN.

        Warns:
            FastnstWarning: If the model's size is less than half of the pictures'.
        """
        count, height, width = images.shape[:3]
        missing = (self.input.batch or 0) - count
        if missing > 0:
            images = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
        limits = (self.input.height, height), (self.input.width, width)
        scale = min((limit / size for limit, size in limits if limit), default=1.0)
        if scale < 0.5:
            limit = f"{self.input.width or 'any'}x{self.input.height or 'any'}"
            warnings.warn(
                f"{self.name} only works at {limit} pixels: the result lacks detail", FastnstWarning, 4
            )
        inner = max(1, round(height * scale)), max(1, round(width * scale))
        canvas = self.canvas(*inner)
        result = _resized(self.paint(_reflected(_resized(images, inner), canvas)), canvas)
        result = result[:count, : inner[0], : inner[1]]
        return np.ascontiguousarray(_resized(result, (height, width)))

    def canvas(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that the model is given for a picture that fits into its fixed size."""
        return _padded(height, self.input.height, self.multiple), _padded(
            width, self.input.width, self.multiple
        )

    def paint(self, images: Images) -> Images:
        """Run pictures of a size and number that the model takes.

        Args:
            images: RGB of shape (N, H, W, 3), uint8.

        Returns:
            RGB of shape (N, H', W', 3), uint8, of the size that the model gives.

        Raises:
            FastnstError: If the model fails, runs out of memory, or gives no picture or NaN.
        """
        output = self.run(images)
        channels_last = is_channels_last(output.shape, self.output.channels_last)
        if channels_last is None:
            raise FastnstError(f"the output {self.output.name!r} of shape {output.shape} is no RGB image")
        return unpack(output, channels_last, self.value_range, self.bgr)

    def run(self, images: Images) -> NDArray[Any]:
        """Return the output tensor as it is, for pictures of a size and number that the model takes."""
        picture = f"an image of {images.shape[2]}x{images.shape[1]} pixels"
        feed = {self.input.name: self.pack(images)}
        return run_session(self.session, [self.output.name], feed, picture)[0]

    def pack(self, images: Images) -> NDArray[Any]:
        """Turn pictures of shape (N, H, W, 3), RGB, uint8, into the model's layout, type and range."""
        pixels: NDArray[Any] = images[..., ::-1] if self.bgr else images
        if not self.input.channels_last:
            pixels = pixels.transpose(0, 3, 1, 2)
        if self.input.dtype == np.uint8:
            return np.ascontiguousarray(pixels)
        # One pass writes the final memory order; the in-place arithmetic then needs no second buffer.
        values = pixels.astype(self.input.dtype, order="C")
        if self.value_range != BYTES:
            values *= (self.value_range.white - self.value_range.black) / 255
            values += self.value_range.black
        return values


def checked_pictures(image: ArrayLike, out: Images | None) -> tuple[Images, Images]:
    """Return one picture or several as an array, and the array that takes the result.

    Args:
        image: RGB of shape (H, W, 3) or (N, H, W, 3), uint8, or what NumPy turns into such an array.
        out: An array of the same shape and dtype for the result; a new one is made when None.

    Returns:
        Two arrays of the same shape.

    Raises:
        ValueError: If a shape or dtype is wrong.
    """
    images: Images = np.asarray(image)
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[-1] != 3:
        raise ValueError(
            "image must be uint8 RGB of shape (H, W, 3) or (N, H, W, 3), "
            f"not {images.dtype} of shape {images.shape}"
        )
    if 0 in images.shape[-3:-1]:
        raise ValueError(f"image has no pixels: its shape is {images.shape}")
    if out is None:
        out = np.empty_like(images, order="C")
    elif out.shape != images.shape or out.dtype != np.uint8:
        raise ValueError(f"out must be uint8 of shape {images.shape}, not {out.dtype} of shape {out.shape}")
    return images, out


def run_session(
    session: Any, names: Sequence[str], feed: Mapping[str, NDArray[Any]], picture: str
) -> list[NDArray[Any]]:
    """Run a session.

    Args:
        session: An `onnxruntime.InferenceSession`.
        names: Names of the outputs to compute.
        feed: The inputs.
        picture: Description of the picture, for the error's message.

    Raises:
        OutOfMemoryError: If there is too little memory.
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


def _padded(size: int, fixed: int | None, multiple: int) -> int:
    if fixed is not None:
        return fixed
    # Below the smallest size that the probe tries, reflection pads in the network may exceed the image.
    step = multiple or 1
    return size if multiple == 1 else max(-(-size // step), -(-_SMALLEST // step)) * step


def _resized(images: Images, size: tuple[int, int]) -> Images:
    """Resize pictures of shape (N, H, W, 3) to `size` (height, width)."""
    if images.shape[1:3] == size:
        return images
    resized = [Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS) for image in images]
    return np.stack([np.asarray(image) for image in resized])


def _reflected(images: Images, size: tuple[int, int]) -> Images:
    """Extend pictures of shape (N, H, W, 3) at the bottom and right to `size` (height, width)."""
    bottom, right = size[0] - images.shape[1], size[1] - images.shape[2]
    if not bottom and not right:
        return images
    # Reflection keeps the picture's colours, so that instance norm sees the same statistics.
    return np.pad(images, ((0, 0), (0, bottom), (0, right), (0, 0)), mode="reflect")


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
    # A damaged file may have any names.
    text = "".join(sign if sign.isprintable() else "?" for sign in text)
    return text if len(text) <= 400 else f"{text[:397]}..."
