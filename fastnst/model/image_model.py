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
from fastnst.model.running import Cancelled, run_until_stopped
from fastnst.model.session import OutOfMemoryError, RunError, first_line
from fastnst.model.tensors import ImageTensor, is_channels_last
from fastnst.model.values import BYTES, Images, ValueRange, pack, unpack
from fastnst.terminal import printable

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
class ImageModel:
    """A session with the meaning of its tensors; call it with pictures of any size.

    Calls are thread-safe.

    Attributes:
        session: The `onnxruntime.InferenceSession`.
        input: The tensor that takes the pictures.
        output: The tensor that holds the result.
        input_range: Black and white in the input.
        output_range: Black and white in the output.
        input_bgr: Blue comes first in the input.
        output_bgr: Blue comes first in the output.
        multiple: Dynamic heights and widths must be multiples of this for an output of the expected size; 0
            if no multiple gives one and the output is resized.
        crop: Rows and columns that the output lacks, half of them at each side; negative if it has more.
        name: Its name in warnings.
    """

    session: Any
    input: ImageTensor
    output: ImageTensor
    input_range: ValueRange = BYTES
    output_range: ValueRange = BYTES
    input_bgr: bool = False
    output_bgr: bool = False
    multiple: int = 1
    crop: tuple[int, int] = (0, 0)
    name: str = "the model"

    def __call__(self, images: Images) -> Images:
        """Run pictures of any size through the model, in one run.

        For a fixed size, pictures are scaled in their proportions and extended by reflection; the result is
        cropped and scaled back. For a model that crops, pictures are extended by reflection on all sides.

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
        limits = (self._limit(0), height), (self._limit(1), width)
        scale = min((limit / size for limit, size in limits if limit), default=1.0)
        if scale < 0.5:
            limit = f"{self.input.width or 'any'}x{self.input.height or 'any'}"
            warnings.warn(
                f"{self.name} only works at {limit} pixels: the result lacks detail", FastnstWarning, 4
            )
        inner = max(1, round(height * scale)), max(1, round(width * scale))
        rows, columns = canvas = self.canvas(*inner)
        top, left = (max(cropped, 0) // 2 for cropped in self.crop)
        result = self.paint(_reflected(_resized(images, inner), canvas, top, left))
        result = _resized(result, (rows - self.crop[0], columns - self.crop[1]))
        top, left = (max(-cropped, 0) // 2 for cropped in self.crop)
        result = result[:count, top : top + inner[0], left : left + inner[1]]
        return np.ascontiguousarray(_resized(result, (height, width)))

    def canvas(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that the model is given for a picture that fits into its fixed size."""
        return (
            _padded(height, self.input.height, self.multiple, self.crop[0]),
            _padded(width, self.input.width, self.multiple, self.crop[1]),
        )

    def _limit(self, axis: int) -> int | None:
        """Return the greatest height (axis 0) or width (axis 1) that is painted; None if it is dynamic."""
        fixed = (self.input.height, self.input.width)[axis]
        return None if fixed is None else fixed - max(self.crop[axis], 0)

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
        return unpack(
            output, self.output_range, channels_last=self.channels_last(output), bgr=self.output_bgr
        )

    def run(self, images: Images) -> NDArray[Any]:
        """Return the output tensor as it is, for pictures of a size and number that the model takes."""
        picture = f"an image of {images.shape[2]}x{images.shape[1]} pixels"
        feed = {self.input.name: self.pack(images)}
        (output,) = run_session(self.session, [self.output.name], feed, picture)
        if output.shape[:1] != images.shape[:1] or not output.size:
            raise FastnstError(
                f"the model gives an output of shape {output.shape} for {len(images)} images of "
                f"{images.shape[2]}x{images.shape[1]} pixels, so it is no style model"
            )
        return output

    def pack(self, images: Images) -> NDArray[Any]:
        """Turn pictures of shape (N, H, W, 3), RGB, uint8, into the model's layout, type and range."""
        return pack(
            images,
            self.input.dtype,
            self.input_range,
            channels_last=self.input.channels_last,
            bgr=self.input_bgr,
        )

    def channels_last(self, output: NDArray[Any]) -> bool:
        """Return whether an output tensor is NHWC rather than NCHW.

        Raises:
            FastnstError: If it holds no RGB pictures.
        """
        channels_last = is_channels_last(output.shape, self.output.channels_last)
        if channels_last is None:
            name = printable(self.output.name, 40)
            raise FastnstError(
                f"its output {name!r} of shape {output.shape} is no RGB image, so it is no style model"
            )
        return channels_last


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
        Cancelled: If a `Cancellation` ends it.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()

    def stop() -> None:
        options.terminate = True

    try:
        outputs: list[NDArray[Any]] = run_until_stopped(lambda: session.run(names, feed, options), stop)
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no class but Exception
        if isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _OUT_OF_MEMORY):
            raise OutOfMemoryError(f"not enough memory to stylise {picture}: give a smaller one") from None
        raise RunError(f"the model fails on {picture}: {first_line(error)}") from None
    return outputs


def _padded(size: int, fixed: int | None, multiple: int, crop: int) -> int:
    if fixed is not None:
        return fixed
    # Below the smallest size that the probe tries, reflection pads in the network may exceed the image.
    size, smallest, step = size + max(crop, 0), _SMALLEST + max(crop, 0), multiple or 1
    return size if multiple == 1 and not crop else max(-(-size // step), -(-smallest // step)) * step


def _resized(images: Images, size: tuple[int, int]) -> Images:
    """Resize pictures of shape (N, H, W, 3) to `size` (height, width)."""
    if images.shape[1:3] == size:
        return images
    resized = [Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS) for image in images]
    return np.stack([np.asarray(image) for image in resized])


def _reflected(images: Images, size: tuple[int, int], top: int, left: int) -> Images:
    """Extend pictures of shape (N, H, W, 3) to `size` (height, width), with so much at the top and left."""
    rows, columns = size[0] - images.shape[1], size[1] - images.shape[2]
    if not rows and not columns:
        return images
    # Reflection keeps the picture's colours, so that instance norm sees the same statistics.
    return np.pad(images, ((0, 0), (top, rows - top), (left, columns - left), (0, 0)), mode="reflect")
