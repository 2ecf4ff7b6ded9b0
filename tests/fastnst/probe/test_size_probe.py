"""Models whose results are smaller or larger than their input: cropped ones are centred, others scaled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastnst import Stylizer
from tests.fastnst import tiny_models
from tests.fastnst.make_images import pixels


@pytest.mark.parametrize("by", [2, 10, 40, 80, 150, -2, -8])
def test_what_a_model_crops_or_adds_does_not_move_the_picture(tmp_path: Path, by: int) -> None:
    stylizer = Stylizer(tiny_models.cropping(tmp_path / "m.onnx", by=by), device="cpu")
    assert stylizer.model.crop == (by, by)
    for size in ((1, 1), (3, 50), (40, 31), (97, 120)):
        image = pixels(*size)
        np.testing.assert_array_equal(stylizer(image), 255 - image)


@pytest.mark.parametrize("by", [4, 16])
def test_cropped_multiples_keep_their_place(tmp_path: Path, by: int) -> None:
    stylizer = Stylizer(tiny_models.cropping(tmp_path / "m.onnx", by=by, stride=4), device="cpu")
    assert (stylizer.model.multiple, stylizer.model.crop) == (4, (by, by))
    for size in ((1, 1), (8, 40), (37, 50)):
        image = np.full((*size, 3), (3, 100, 250), np.uint8)
        np.testing.assert_array_equal(stylizer(image), 255 - image)
    image = pixels(40, 48)
    blocks = image.reshape(10, 4, 12, 4, 3).mean(axis=(1, 3)).repeat(4, axis=0).repeat(4, axis=1)
    assert np.abs(stylizer(image) - (255 - blocks)).max() <= 0.51  # rounding


@pytest.mark.parametrize("by", [8, 20])
def test_a_fixed_size_that_is_cropped(tmp_path: Path, by: int) -> None:
    stylizer = Stylizer(tiny_models.cropping(tmp_path / "m.onnx", by=by, fixed=(60, 80)), device="cpu")
    assert stylizer.model.crop == (by, by)
    image = pixels(60 - by, 80 - by)
    np.testing.assert_array_equal(stylizer(image), 255 - image)
    smaller = np.full((10, 9, 3), (3, 100, 250), np.uint8)
    np.testing.assert_array_equal(stylizer(smaller), 255 - smaller)


@pytest.mark.parametrize("shape", [(1, 3, 40, 56), ("N", 3, "H", "W")])
def test_an_enlargement_is_no_crop(tmp_path: Path, shape: tuple[object, ...]) -> None:
    stylizer = Stylizer(tiny_models.doubling(tmp_path / "m.onnx", shape=shape), device="cpu")
    assert stylizer.model.crop == (0, 0)
    image = np.full((40, 56, 3), (3, 100, 250), np.uint8)
    np.testing.assert_array_equal(stylizer(image), image)
