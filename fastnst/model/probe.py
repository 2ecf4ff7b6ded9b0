"""Finding out what a foreign style model does not declare, by running it on a small test image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fastnst.errors import FastnstError
from fastnst.model import keys
from fastnst.model.image_model import (
    BYTES,
    SYMMETRIC,
    UNIT,
    ImageModel,
    Images,
    ValueRange,
    is_channels_last,
    read_tensors,
)

# ONNX's vocabulary for images in metadata_props (docs/MetadataProps.md), used by models for Windows ML.
_PIXEL_RANGE_KEY = "Image.NominalPixelRange"
_PIXEL_FORMAT_KEY = "Image.BitmapPixelFormat"
_NOMINAL_RANGES = {"nominalrange_0_255": BYTES, "normalized_0_1": UNIT, "normalized_1_1": SYMMETRIC}

MULTIPLES = (1, 4, 8, 16, 32, 64)
"""Multiples of pixels to try for a dynamic height and width; most networks halve twice."""

_PROBE_HEIGHT, _PROBE_WIDTH = 61, 75  # no multiple of any of them, and large enough for deep reflection pads


def read_image_model(session: Any, metadata: Mapping[str, str], name: str) -> ImageModel:
    """Return a session's model with the meaning of its tensors, from its declaration or by trial.

    A model of fastnst's own contract (uint8 NHWC, any size) is run on one pixel-sized image, which on a GPU
    shows whether the provider works. Other models do not declare two things, which are tried:

    - The range of float values. `Image.NominalPixelRange` in the metadata settles it. Otherwise the test
      image goes in with values 0 to 255, 0 to 1 and -1 to 1, and the first range in which the result looks
      like a picture (varied, and nearly all within the range) is the model's. Instance norm makes most style
      networks blind to the scale of their input, so it is the output that tells. If no range fits, 0 to
      255 is used, as in the ONNX model zoo and in the PyTorch example.
    - The multiple of pixels that the size is rounded to by strides: the smallest whose output has the size
      of the input.

    Raises:
        FastnstError: If the model does not take one RGB image and give one.
    """
    source, target = read_tensors(session)
    model = ImageModel(session, source, target, name=name)
    if keys.FORMAT in metadata and source.dtype == np.uint8 and source.channels_last:
        if session.get_providers()[0] != "CPUExecutionProvider":
            model.paint(np.zeros((source.batch or 1, source.height or 16, source.width or 16, 3), np.uint8))
        return model
    model = replace(model, bgr=metadata.get(_PIXEL_FORMAT_KEY, "").lower() == "bgr8")
    model = replace(model, multiple=_find_multiple(model))
    declared = _NOMINAL_RANGES.get(metadata.get(_PIXEL_RANGE_KEY, "").lower())
    if source.dtype == target.dtype == np.uint8:
        return model
    return replace(model, value_range=declared or _find_range(model))


def _find_multiple(model: ImageModel) -> int:
    if model.input.height is not None and model.input.width is not None:
        return 1
    runs_at_all, failure = False, ""
    for multiple in MULTIPLES:
        image = _test_image(replace(model, multiple=multiple))
        try:
            output = model.run(image)
        except FastnstError as error:
            # A network with skip connections fails where its branches have been rounded differently.
            failure = str(error)
            continue
        channels_last = is_channels_last(output.shape, model.output.channels_last)
        if channels_last is None:
            raise FastnstError(
                f"the model's output of shape {output.shape} is no RGB image, so it is no style model"
            )
        runs_at_all = True
        if (output.shape[1:3] if channels_last else output.shape[2:4]) == image.shape[1:3]:
            # One that keeps odd sizes may still fail below its reflection pads.
            return multiple if multiple > 1 or _runs_on_one_pixel(model) else 2
    if not runs_at_all:
        raise FastnstError(failure)
    return 0


def _runs_on_one_pixel(model: ImageModel) -> bool:
    size = (model.input.batch or 1, model.input.height or 1, model.input.width or 1, 3)
    try:
        return model.paint(np.zeros(size, np.uint8)).shape == size
    except FastnstError:
        return False


def _find_range(model: ImageModel) -> ValueRange:
    image = _test_image(model)
    for candidate in (BYTES, UNIT, SYMMETRIC):
        output = replace(model, value_range=candidate).run(image)
        scale = BYTES if output.dtype == np.uint8 else candidate
        # 0 is black and 1 is white.
        values = (output.astype(np.float32) - scale.black) / (scale.white - scale.black)
        low, high = np.quantile(values, (0.05, 0.95))
        if low > -0.25 and high < 1.25 and high - low > 0.05:
            return candidate
    return BYTES


def _test_image(model: ImageModel) -> Images:
    """Return a picture with black, white, colours, slopes and edges, of a size that the model takes."""
    height, width = model.canvas(_PROBE_HEIGHT, _PROBE_WIDTH)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    planes = [x / width, y / height, 1 - x / width * (y / height)]
    image = np.stack(planes, axis=-1)
    image[(x // 8 + y // 8) % 4 == 0] = 0
    image[(x // 8 + y // 8) % 4 == 2] = 1
    pixels = np.rint(image * 255).astype(np.uint8)
    return np.broadcast_to(pixels, (model.input.batch or 1, *pixels.shape))
