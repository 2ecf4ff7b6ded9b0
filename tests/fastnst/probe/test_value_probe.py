"""What the values of foreign models mean: found by trial, declared, or given, and a line if nothing tells."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from fastnst import FastnstError, FastnstWarning, Painter, Stylizer
from fastnst.model.values import BYTES, CAFFE, IMAGENET, RANGES, UNIT, ValueRange
from tests.fastnst import tiny_models
from tests.fastnst.make_images import pixels

NAMES = {value_range: name for name, value_range in RANGES.items()}


def assert_inverts(stylizer: Stylizer) -> None:
    image = pixels(33, 47)
    assert np.abs(stylizer(image).astype(int) - (255 - image.astype(int))).max() <= 1


@pytest.mark.parametrize(
    ("given", "found"), list(itertools.product(RANGES.values(), RANGES.values())), ids=NAMES.get
)
@pytest.mark.parametrize("output_bgr", [False, True], ids=["same order", "other order"])
def test_both_ranges_and_an_exchange_of_colours_are_found(
    tmp_path: Path, given: ValueRange, found: ValueRange, output_bgr: bool
) -> None:
    input_bgr = CAFFE in (given, found)
    path = tiny_models.coded(
        tmp_path / "m.onnx", given, found, input_bgr=input_bgr, output_bgr=input_bgr != output_bgr
    )
    stylizer = Stylizer(path, device="cpu")
    assert stylizer.model.input_range == given
    assert stylizer.model.output_range == found
    assert_inverts(stylizer)


@pytest.mark.parametrize("given", [BYTES, UNIT, IMAGENET, CAFFE], ids=NAMES.get)
@pytest.mark.parametrize("bgr", [False, True])
def test_what_the_user_says_counts(tmp_path: Path, given: ValueRange, bgr: bool) -> None:
    """Black and white tell nothing of ranges, and equal orders nothing of their order."""
    metadata = {"Image.NominalPixelRange": "Normalized_1_1", "Image.BitmapPixelFormat": "Rgb8"}
    path = tiny_models.coded(
        tmp_path / "m.onnx", given, UNIT, input_bgr=bgr, output_bgr=bgr, metadata=metadata
    )
    model = Painter(path, device="cpu", input_range=NAMES[given], bgr=bgr).stylizers[0].model
    assert (model.input_range, model.output_range) == (given, UNIT)
    assert (model.input_bgr, model.output_bgr) == (bgr, bgr)


def test_ranges_that_do_not_exist(models: Path) -> None:
    with pytest.raises(FastnstError, match=r"input_range must be one of 0\.\.255, 0\.\.1, .* not '0-255'"):
        Stylizer(models / "invert_float.onnx", input_range="0-255")


def test_no_known_range_is_a_line_and_so_is_a_picture_in_one_colour(tmp_path: Path) -> None:
    path = tiny_models.coded(tmp_path / "black.onnx", UNIT, CAFFE, flat=True)
    with pytest.warns(FastnstWarning, match=r"black gives no picture .* 0 to 255 is assumed; --input-range"):
        stylizer = Stylizer(path, device="cpu")
    image = pixels(40, 50)
    with pytest.warns(FastnstWarning, match=r"black painted a picture in one colour: .*--input-range"):
        stylizer(image)
    with pytest.warns(FastnstWarning, match="black painted a picture in one colour"):
        stylizer(image, out=image)
    with pytest.warns(FastnstWarning, match="black painted a picture in one colour"):
        stylizer.for_video()(pixels(40, 50))
    flat = np.full((40, 50, 3), 7, np.uint8)
    stylizer(flat)  # which was of one colour before
    stylizer(pixels(1, 2))


def test_a_wrong_range_is_a_line(tmp_path: Path) -> None:
    path = tiny_models.coded(tmp_path / "unit.onnx", UNIT, BYTES)
    stylizer = Stylizer(path, device="cpu", input_range="0..255")
    with pytest.warns(FastnstWarning, match="unit painted a picture in one colour"):
        stylizer(np.clip(pixels(40, 50), 1, 255))


def test_a_style_of_fastnst_needs_neither(models: Path) -> None:
    image = pixels(9, 9)
    stylizer = Stylizer(models / "invert.onnx", device="cpu", input_range="0..1", bgr=True)
    np.testing.assert_array_equal(stylizer(image), 255 - image)
