"""What a model's numbers mean: which values are black and white, and which colour comes first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnst.errors import FastnstError

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class ValueRange:
    """The values of black and white in a tensor.

    Attributes:
        black: That of red, green and blue.
        white: That of red, green and blue.
        note: What it is called, if it is more than a range.
    """

    black: tuple[float, float, float]
    white: tuple[float, float, float]
    note: str = ""

    def __str__(self) -> str:
        text = f"{min(self.black):.3g} to {max(self.white):.3g}"
        return f"{text} ({self.note})" if self.note else text


def _equal(black: float, white: float) -> ValueRange:
    return ValueRange((black, black, black), (white, white, white))


BYTES = _equal(0, 255)
UNIT = _equal(0, 1)
SYMMETRIC = _equal(-1, 1)

# The mean of ImageNet's pictures, in red, green and blue, and their deviation.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET = ValueRange(
    tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),  # type: ignore[arg-type]
    tuple((1 - mean) / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),  # type: ignore[arg-type]
    "0 to 1 less ImageNet's mean, divided by its deviation",
)
"""As torchvision's classifiers take their pictures."""

CAFFE = ValueRange((-123.68, -116.779, -103.939), (131.32, 138.221, 151.061), "0 to 255 less ImageNet's mean")
"""As Caffe's VGG networks and those of Johnson et al. 2016 take their pictures; blue comes first there."""

RANGES = {"0..255": BYTES, "0..1": UNIT, "-1..1": SYMMETRIC, "imagenet": IMAGENET, "caffe": CAFFE}
"""Every range that is known, by the name that `--input-range` takes."""


def pack(
    images: Images, dtype: np.dtype[Any], value_range: ValueRange, *, channels_last: bool, bgr: bool
) -> NDArray[Any]:
    """Turn pictures of shape (N, H, W, 3), RGB, uint8, into a tensor's layout, type and range."""
    pixels: NDArray[Any] = images[..., ::-1] if bgr else images
    if not channels_last:
        pixels = pixels.transpose(0, 3, 1, 2)
    if dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    # One pass writes the final memory order; the in-place arithmetic then needs no second buffer.
    values = pixels.astype(dtype, order="C")
    if value_range != BYTES:
        shape = (3,) if channels_last else (3, 1, 1)
        black, span = _black_and_span(value_range)
        if bgr:
            black, span = black[::-1], span[::-1]
        values *= (span / 255).astype(dtype).reshape(shape if span.size == 3 else ())
        values += black.astype(dtype).reshape(shape if black.size == 3 else ())
    return values


def unpack(output: NDArray[Any], value_range: ValueRange, *, channels_last: bool, bgr: bool) -> Images:
    """Turn a tensor into uint8 RGB pictures of shape (N, H, W, 3), clipped and rounded.

    Raises:
        FastnstError: If the tensor holds NaN or infinite values.
    """
    pixels = output if channels_last else output.transpose(0, 2, 3, 1)
    if bgr:
        pixels = pixels[..., ::-1]
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    # min and max carry NaN and infinity along, and need no mask as large as the image.
    if pixels.size and not (np.isfinite(pixels.min()) and np.isfinite(pixels.max())):
        raise FastnstError("the model gave NaN or infinite values: try --device cpu, or a float32 model")
    values = pixels.astype(np.float32)
    if value_range != BYTES:
        black, span = _black_and_span(value_range)
        values -= black.astype(np.float32)
        values *= (255 / span).astype(np.float32)
    np.rint(values, out=values)
    np.clip(values, 0, 255, out=values)
    return values.astype(np.uint8, order="C")


def _black_and_span(value_range: ValueRange) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return black, and white less black: of each colour, or one number if all are equal, which is faster."""
    black, white = np.array(value_range.black, np.float64), np.array(value_range.white, np.float64)
    span = white - black
    return (black[:1], span[:1]) if np.ptp(black) == np.ptp(span) == 0 else (black, span)
