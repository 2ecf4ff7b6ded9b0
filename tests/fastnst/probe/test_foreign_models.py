"""Stylizer on the style models of the wider world: what they do not declare is found, and sizes come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from PIL import Image

from fastnst import FastnstError, FastnstWarning, Stylizer
from fastnst.model.tensors import is_channels_last
from fastnst.model.values import BYTES, SYMMETRIC, UNIT, ValueRange
from tests.fastnst import tiny_models
from tests.fastnst.make_images import pixels

BLACK = {BYTES: 0, UNIT: 0, SYMMETRIC: -1}


@pytest.mark.parametrize("value_range", [BYTES, UNIT, SYMMETRIC], ids=str)
@pytest.mark.parametrize(
    "shape", [tiny_models.NCHW, tiny_models.NHWC, (1, 3, "H", "W"), (None, 3, None, None)]
)
@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE])
@pytest.mark.parametrize("clip", [False, True])
def test_layout_type_and_range_are_found(
    tmp_path: Path, value_range: ValueRange, shape: tuple[object, ...], dtype: int, clip: bool
) -> None:
    path = tiny_models.invert_float(
        tmp_path / "model.onnx",
        white=value_range.white[0],
        black=value_range.black[0],
        dtype=dtype,
        shape=shape,
        clip=clip,
    )
    stylizer = Stylizer(path)
    assert stylizer.model.input_range == value_range
    assert stylizer.model.input.channels_last == (shape[-1] == 3)
    image = pixels(21, 34)
    np.testing.assert_array_equal(stylizer(image), 255 - image)


@pytest.mark.parametrize(
    ("scale", "offset", "tanh", "expected"),
    [
        (255, 0, False, BYTES),
        (300, -20, False, BYTES),
        (1, 0, False, UNIT),
        (1.1, -0.05, False, UNIT),
        (0.5, 0.5, True, UNIT),
        (127.5, 127.5, True, BYTES),
        (1, 0, True, SYMMETRIC),
    ],
)
def test_range_shows_in_the_output_where_instance_norm_hides_it(
    tmp_path: Path, scale: float, offset: float, tanh: bool, expected: ValueRange
) -> None:
    path = tiny_models.normalized(tmp_path / "m.onnx", output_scale=scale, output_offset=offset, tanh=tanh)
    assert Stylizer(path).model.input_range == expected


@pytest.mark.parametrize(
    ("declared", "expected"),
    [("NominalRange_0_255", BYTES), ("Normalized_0_1", UNIT), ("Normalized_1_1", SYMMETRIC)],
)
def test_declared_range_wins(tmp_path: Path, declared: str, expected: ValueRange) -> None:
    path = tiny_models.invert_float(tmp_path / "m.onnx", metadata={"Image.NominalPixelRange": declared})
    assert Stylizer(path).model.input_range == expected


def test_declared_bgr(tmp_path: Path) -> None:
    rgb = np.array([200, 100, 0], np.float32).reshape(1, 3, 1, 1)
    path = tiny_models.save_model(
        tmp_path / "m.onnx",
        [tiny_models.helper.make_node("Add", ["image", "shift"], ["stylized"])],
        input_type=TensorProto.FLOAT,
        input_shape=tiny_models.NCHW,
        constants={"shift": rgb},
        metadata={"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255"},
    )
    assert Stylizer(path)(np.zeros((2, 2, 3), np.uint8))[0, 0].tolist() == [0, 100, 200]


@given(height=st.integers(1, 80), width=st.integers(1, 80))
@settings(deadline=None, max_examples=40)
def test_sizes_rounded_by_strides_come_back(models: Path, height: int, width: int) -> None:
    stylizer = _strided(models)
    image = np.full((height, width, 3), (10, 120, 250), np.uint8)
    np.testing.assert_array_equal(stylizer(image), image)  # a flat picture is every block's mean


_opened: dict[Path, Stylizer] = {}


def _strided(models: Path) -> Stylizer:
    path = models / "strided.onnx"
    if path not in _opened:
        _opened[path] = Stylizer(path)
    return _opened[path]


def test_rounded_sizes_are_cropped_not_scaled(models: Path) -> None:
    image = pixels(43, 50)
    result = _strided(models)(image)
    blocks = image[:40, :48].reshape(10, 4, 12, 4, 3).mean(axis=(1, 3))
    expected = blocks.repeat(4, axis=0).repeat(4, axis=1)
    assert np.abs(result[:40, :48] - expected).max() <= 0.51  # rounding


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 7), (8, 8), (33, 61)])
def test_images_below_the_reflection_pad(tmp_path: Path, size: tuple[int, int]) -> None:
    stylizer = Stylizer(tiny_models.strided(tmp_path / "m.onnx", smallest=9))
    assert stylizer(pixels(*size)).shape == (*size, 3)


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (40, 31)])
def test_an_output_of_another_size_is_scaled_back(models: Path, size: tuple[int, int]) -> None:
    stylizer = Stylizer(models / "doubling.onnx")
    assert stylizer.model.multiple == 0
    image = np.full((*size, 3), 77, np.uint8)
    np.testing.assert_array_equal(stylizer(image), image)


def test_fixed_size_keeps_proportions_and_comes_back(models: Path) -> None:
    stylizer = Stylizer(models / "fixed.onnx")
    exact = pixels(48, 64)
    np.testing.assert_array_equal(stylizer(exact), 255 - exact)
    half = pixels(24, 30)
    smooth = np.asarray(Image.fromarray(half).resize((60, 45), Image.Resampling.BICUBIC))  # 60x48 at most
    assert stylizer(smooth).shape == smooth.shape
    assert np.abs(stylizer(smooth).astype(int) - (255 - smooth.astype(int))).mean() < 4
    for size in ((1, 1), (1, 300), (7, 3)):
        with_any_size = np.full((*size, 3), (1, 100, 200), np.uint8)
        if max(size) > 100:
            with pytest.warns(FastnstWarning, match="only works at 64x48"):
                result = stylizer(with_any_size)
        else:
            result = stylizer(with_any_size)
        np.testing.assert_array_equal(result, 255 - with_any_size)


def test_fixed_size_takes_batches_one_by_one(models: Path) -> None:
    images = np.stack([pixels(48, 64, i) for i in range(3)])
    np.testing.assert_array_equal(Stylizer(models / "fixed.onnx")(images), 255 - images)


def test_values_are_rounded_and_clipped(tmp_path: Path) -> None:
    path = tiny_models.save_model(
        tmp_path / "m.onnx",
        [tiny_models.helper.make_node("Add", ["image", "shift"], ["stylized"])],
        input_type=TensorProto.FLOAT,
        input_shape=tiny_models.NCHW,
        constants={"shift": np.array([0.6, -300, 300], np.float32).reshape(1, 3, 1, 1)},
        metadata={"Image.NominalPixelRange": "NominalRange_0_255"},
    )
    assert Stylizer(path)(np.full((1, 1, 3), 100, np.uint8)).ravel().tolist() == [101, 0, 255]


def test_nan_is_an_error_not_black(models: Path) -> None:
    stylizer = Stylizer(models / "not_a_number.onnx")
    np.testing.assert_array_equal(stylizer(np.full((2, 2, 3), 254, np.uint8)), 254)
    with pytest.raises(FastnstError, match="NaN"):
        stylizer(np.full((2, 2, 3), 255, np.uint8))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_image_input", r"no image input.*image tensor\(float\) \(N, 10\)"),
        ("classifier", "gives no image"),
        ("two_inputs", "needs more than an image.*strength"),
    ],
)
def test_models_that_are_no_style_models(models: Path, name: str, says: str) -> None:
    with pytest.raises(FastnstError, match=says) as error:
        Stylizer(models / f"{name}.onnx")
    assert str(error.value).startswith(str(models / name))


def test_an_output_without_a_shape(tmp_path: Path) -> None:
    path = tiny_models.invert_float(tmp_path / "m.onnx", output_shape=(None, None, None, None))
    np.testing.assert_array_equal(Stylizer(path)(pixels(5, 6)), 255 - pixels(5, 6))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 3, 224, 224), False),
        ((1, 224, 224, 3), True),
        ((1, 3, 3, 3), False),
        (("N", 3, "H", "W"), False),
        (("N", "H", "W", 3), True),
        ((None, None, None, None), False),
        ((1, 1, "H", "W"), None),
        ((1, 64, 10, 10), None),
        ((1, 10), None),
    ],
)
def test_is_channels_last(shape: tuple[object, ...], expected: bool | None) -> None:
    assert is_channels_last(shape, default=False) is expected
