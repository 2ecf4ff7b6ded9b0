"""Finding out what a foreign style model does not declare, by running it on a small picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnst.errors import FastnstError
from fastnst.model.image_model import ImageModel
from fastnst.model.metadata import is_own
from fastnst.model.running import time_limit
from fastnst.model.tensors import read_tensors
from fastnst.model.values import BYTES, RANGES, SYMMETRIC, UNIT, ValueRange
from fastnst.probe.size_probe import with_sizes
from fastnst.probe.value_probe import with_values

# ONNX's vocabulary for images in metadata_props (docs/MetadataProps.md), used by models for Windows ML.
_PIXEL_RANGE_KEY = "Image.NominalPixelRange"
_PIXEL_FORMAT_KEY = "Image.BitmapPixelFormat"
_NOMINAL_RANGES = {"nominalrange_0_255": BYTES, "normalized_0_1": UNIT, "normalized_1_1": SYMMETRIC}
_PIXEL_FORMATS = {"bgr8": True, "rgb8": False}

# Seconds for all trials on the CPU, for a small picture and more for each megapixel of a fixed size.
# Elsewhere, the first run may compile the network for minutes.
_SECONDS, _SECONDS_PER_MEGAPIXEL, _MOST_SECONDS = 8.0, 50.0, 60.0
_SECONDS_ELSEWHERE = 600.0


@dataclass(frozen=True)
class GivenValues:
    """What the user says of a foreign model's values.

    Args:
        input_range: The name of the input's range, one of `RANGES`; None finds it.
        bgr: Whether blue comes first in the input; None finds it.

    Raises:
        FastnstError: If there is no such range.
    """

    input_range: str | None = None
    bgr: bool | None = None

    def __post_init__(self) -> None:
        if self.input_range is not None and self.input_range not in RANGES:
            raise FastnstError(f"input_range must be one of {', '.join(RANGES)}, not {self.input_range!r}")


_NOTHING_GIVEN = GivenValues()


def read_image_model(
    session: Any, metadata: Mapping[str, str], name: str, given: GivenValues = _NOTHING_GIVEN
) -> ImageModel:
    """Return a session's model with the meaning of its tensors: as given, as declared, or found by trial.

    A model of fastnst's own contract (uint8 NHWC, any size) is run on one pixel-sized image, which on a GPU
    shows whether the provider works. For other models, `with_sizes` and `with_values` find what neither the
    user nor `Image.NominalPixelRange` and `Image.BitmapPixelFormat` in the metadata say.

    Args:
        session: An `onnxruntime.InferenceSession`.
        metadata: The model's `metadata_props`.
        name: The model's name in warnings.
        given: What the user says; it counts more than what the model declares.

    Raises:
        FastnstError: If the model does not take one RGB image and give one, or does not do so in time.

    Warns:
        FastnstWarning: If no range fits.
    """
    source, target = read_tensors(session)
    model = ImageModel(session, source, target, name=name)
    if is_own(metadata) and source.dtype == np.uint8 and source.channels_last:
        if session.get_providers()[0] != "CPUExecutionProvider":
            model.paint(np.zeros((source.batch or 1, source.height or 16, source.width or 16, 3), np.uint8))
        return model
    declared = _NOMINAL_RANGES.get(metadata.get(_PIXEL_RANGE_KEY, "").lower())
    bgr = _PIXEL_FORMATS.get(metadata.get(_PIXEL_FORMAT_KEY, "").lower()) if given.bgr is None else given.bgr
    input_range: ValueRange | None = declared
    output_range: ValueRange | None = declared
    if given.input_range is not None:
        input_range, output_range = RANGES[given.input_range], None
    seconds = _seconds(model)
    with time_limit(
        seconds,
        f"the model takes more than {seconds:.0f} s for small pictures: "
        "it never ends, or is too slow for photos",
    ):
        return with_values(with_sizes(model), input_range, output_range, bgr)


def _seconds(model: ImageModel) -> float:
    if model.session.get_providers()[0] != "CPUExecutionProvider":
        return _SECONDS_ELSEWHERE
    pixels = (model.input.batch or 1) * (model.input.height or 0) * (model.input.width or 0)
    return min(_SECONDS + _SECONDS_PER_MEGAPIXEL * pixels / 1e6, _MOST_SECONDS)
