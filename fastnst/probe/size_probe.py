"""Finding out which sizes a foreign model takes and gives, by running it on small pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.errors import FastnstError
from fastnst.model.image_model import ImageModel
from fastnst.probe.trial_picture import trial_picture

MULTIPLES = (1, 4, 8, 16, 32, 64)
"""Multiples of pixels to try for a dynamic height and width; most networks halve twice."""

# No multiple of any of them. The first is large enough for deep reflection pads, the second for networks
# without any padding.
_SIZES = ((61, 75), (189, 203))


def with_sizes(model: ImageModel) -> ImageModel:
    """Return the model with its `multiple` and `crop`.

    - The smallest multiple is taken whose output has the size of the input.
    - Otherwise the smallest whose output lacks, or has in excess, equally many rows and columns at two sizes,
      as after convolutions without padding.
    - A model of a fixed size with an output of another size either crops or scales; the comparison with the
      trial picture, cropped and scaled, tells.

    Raises:
        FastnstError: If the model runs at none of these sizes, or gives no RGB image.
    """
    if model.input.height is not None and model.input.width is not None:
        return replace(model, crop=_fixed_crop(model))
    failure = ""
    for size in _SIZES:
        differences: dict[int, tuple[int, int]] = {}
        for multiple in MULTIPLES:
            candidate = replace(model, multiple=multiple)
            try:
                differences[multiple] = _difference(candidate, size)
            except _FailedRunError as error:
                # A network with skip connections fails where its branches have been rounded differently.
                failure = str(error)
                continue
            if differences[multiple] == (0, 0):
                # One that keeps odd sizes may still fail below its reflection pads.
                return candidate if multiple > 1 or _runs_on_one_pixel(model) else replace(model, multiple=2)
        for multiple, difference in differences.items():
            candidate = replace(model, multiple=multiple)
            larger = size[0] + 3 * multiple, size[1] + 2 * multiple
            if _same_difference(candidate, larger, difference):
                return replace(candidate, crop=difference)
        if differences:
            return replace(model, multiple=0)
    raise FastnstError(failure)


class _FailedRunError(Exception):
    pass


def _difference(model: ImageModel, size: tuple[int, int]) -> tuple[int, int]:
    """Return how many rows and columns the output has fewer than the input."""
    image = trial_picture(model, size)
    try:
        output = model.run(image)
    except FastnstError as error:
        raise _FailedRunError(str(error)) from None
    rows, columns = output.shape[1:3] if model.channels_last(output) else output.shape[2:4]
    return image.shape[1] - rows, image.shape[2] - columns


def _same_difference(model: ImageModel, size: tuple[int, int], difference: tuple[int, int]) -> bool:
    try:
        return _difference(model, size) == difference
    except _FailedRunError:
        return False


def _runs_on_one_pixel(model: ImageModel) -> bool:
    size = (model.input.batch or 1, model.input.height or 1, model.input.width or 1, 3)
    try:
        return model.paint(np.zeros(size, np.uint8)).shape == size
    except FastnstError:
        return False


def _fixed_crop(model: ImageModel) -> tuple[int, int]:
    picture = trial_picture(model, _SIZES[0])
    output = model.run(picture)
    planes = output[0] if model.channels_last(output) else output[0].transpose(1, 2, 0)
    given, result = _grey(picture[0]), _grey(planes)
    crop = given.shape[0] - result.shape[0], given.shape[1] - result.shape[1]
    if crop == (0, 0) or 0 in result.shape or not np.isfinite(result).all():
        return 0, 0
    scaled = Image.fromarray(result).resize(given.shape[::-1], Image.Resampling.BILINEAR)
    size = min(given.shape[0], result.shape[0]), min(given.shape[1], result.shape[1])
    as_cropped = _likeness(_centre(given, size), _centre(result, size))
    return crop if as_cropped > _likeness(given, np.asarray(scaled)) else (0, 0)


def _grey(picture: NDArray[np.generic]) -> NDArray[np.float32]:
    grey: NDArray[np.float32] = picture.astype(np.float32).mean(axis=-1)
    return grey


def _centre(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    top, left = (plane.shape[0] - size[0]) // 2, (plane.shape[1] - size[1]) // 2
    return plane[top : top + size[0], left : left + size[1]]


def _likeness(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return how well one plane follows from the other, in [0, 1]; a negative follows as well."""
    if not first.std() or not second.std():
        return 0.0
    return abs(float(np.corrcoef(first.ravel(), second.ravel())[0, 1]))
