"""The ranges of a network's values on photos, from which the steps of its int8 values are chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

from export.graph.build import INPUT
from fastnst.errors import FastnstError
from train.photos.generated import GeneratedPhotos
from train.photos.photo import whole_images
from train.photos.sources import photos_to_judge

# Twice as many changed the error by less than 1 dB.
_PHOTOS = 8
_SIZE = 256


class Range(NamedTuple):
    """The least and the greatest value of each channel, float32 of shape (C,)."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]


Ranges: TypeAlias = "Mapping[str, Range]"


def calibration_photos(folder: str | None = None) -> list[NDArray[np.uint8]]:
    """Return photos to calibrate on, always the same ones.

    Args:
        folder: A folder of photos or a data set, as for training; None for generated photos.

    Returns:
        RGB images of shape (H, W, 3), uint8, of 256 pixels on the longer side.

    Raises:
        FastnstError: If there is no such folder, or it holds no readable photos.
    """
    photos = GeneratedPhotos(_PHOTOS).validation if folder is None else photos_to_judge(folder, _PHOTOS)
    return whole_images(photos, _SIZE)


def measure_ranges(
    model: onnx.ModelProto, values: Iterable[str], photos: Sequence[NDArray[np.uint8]]
) -> dict[str, Range]:
    """Run a style network on photos and return the extremes of some of its values.

    Args:
        model: A style network with the input `image`, uint8 (N, H, W, 3).
        values: Names of values in its graph, float32 of shape (N, C, H, W).
        photos: RGB images of shape (H, W, 3), uint8, at least one.

    Returns:
        The range of each value.

    Raises:
        FastnstError: If a value is NaN or infinite.
    """
    names = list(values)
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    ranges: dict[str, Range] = {}
    for photo in photos:
        for name, found in zip(names, session.run(names, {INPUT: photo[np.newaxis]}), strict=True):
            low, high = found.min((0, 2, 3)), found.max((0, 2, 3))
            if not (np.isfinite(low).all() and np.isfinite(high).all()):
                raise FastnstError("the network gives no numbers (NaN or infinity): train again")
            before = ranges.get(name, Range(low, high))
            ranges[name] = Range(np.minimum(before.low, low), np.maximum(before.high, high))
    return ranges
