"""A frozen painting: the painter with the painting's statistics, in a file that everything takes."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import fastnst
from fastnst import FastnstError, FastnstWarning, Painter, Stylizer, freeze
from fastnst.arbitrary.freeze import PAINTER
from fastnst.arbitrary.measure import ENCODER, measure_paintings
from fastnst.image.resize import fit
from fastnst.model.metadata import read_metadata
from tests.fastnst.arbitrary.conftest import SIZE


def by_the_contract(weights: dict[Path, float], photo: np.ndarray) -> np.ndarray:
    """Paint as a program without fastnst does: the encoder, weighted sums, the painter."""
    encoder, painter = (onnxruntime.InferenceSession(path) for path in (ENCODER, PAINTER))
    names = [output.name for output in encoder.get_outputs()]
    mixed = dict.fromkeys(names, np.float32(0))
    for path, weight in weights.items():
        with Image.open(path) as image:
            painting = np.asarray(image.resize(fit(image.size, SIZE), Image.Resampling.LANCZOS))
        for name, value in zip(names, encoder.run(names, {"painting": painting[np.newaxis]}), strict=True):
            mixed[name] = mixed[name] + np.float32(weight) * value
    return painter.run(["stylized"], {"image": photo[np.newaxis], **mixed})[0][0]


@pytest.fixture(scope="module")
def blue(paintings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frozen") / "blue.onnx"
    path.write_bytes(freeze(paintings / "blue.png", style_size=SIZE))
    return path


@pytest.mark.parametrize("parts", [{"blue.png": 1.0}, {"blue.png": 0.7, "red.png": 0.3}])
def test_it_paints_as_the_two_files_do(
    paintings: Path, pixels: np.ndarray, tmp_path: Path, parts: dict[str, float]
) -> None:
    weights = {paintings / name: weight for name, weight in parts.items()}
    path = tmp_path / "frozen.onnx"
    # Only the proportions of weights count, and what has none need not exist.
    path.write_bytes(freeze({painting: 10 * weight for painting, weight in weights.items()} | {"no.png": 0}))
    painted = Stylizer(path)(pixels)
    difference = np.abs(painted.astype(int) - by_the_contract(weights, pixels))
    assert difference.max() <= 1
    assert np.abs(painted.astype(int) - pixels).mean() > 10


def test_paintings_differ_and_a_mix_lies_between(paintings: Path, pixels: np.ndarray) -> None:
    def mean(style: Any) -> np.ndarray:
        return Painter(style)(pixels).mean((0, 1))

    blue, red = (mean(paintings / name) for name in ("blue.png", "red.png"))
    assert blue[2] - blue[0] > red[2] - red[0] + 50


def test_it_is_an_ordinary_small_style_file(blue: Path, paintings: Path) -> None:
    session = onnxruntime.InferenceSession(blue)
    assert [(each.name, each.type, each.shape) for each in session.get_inputs()] == [
        ("image", "tensor(uint8)", ["batch", "height", "width", 3])
    ]
    assert not session.get_overridable_initializers()  # inputs with a default value
    assert [(each.name, each.type, each.shape) for each in session.get_outputs()] == [
        ("stylized", "tensor(uint8)", ["batch", "height", "width", 3])
    ]
    assert blue.stat().st_size < 4e6
    assert ENCODER.stat().st_size + PAINTER.stat().st_size < 8e6


def test_what_it_says_of_itself(blue: Path, paintings: Path, tmp_path: Path) -> None:
    metadata = read_metadata(blue)
    painting = paintings / "blue.png"
    assert metadata["style.name"] == "blue"
    assert metadata["style.sha256"] == hashlib.sha256(painting.read_bytes()).hexdigest()
    assert metadata["style.frozen"] == "true"
    assert metadata["style.painting_size"] == str(SIZE)
    assert metadata["fastnst.format"] == "1"
    assert metadata["fastnst.version"] == fastnst.__version__
    assert metadata["network.grain"] == read_metadata(PAINTER)["network.grain"]
    assert "fastnst.kind" not in metadata
    assert not any(key.startswith("training.") for key in metadata)
    both = tmp_path / "both.onnx"
    both.write_bytes(freeze({painting: 3, paintings / "red.png": 1}, style_size=SIZE))
    metadata = read_metadata(both)
    assert metadata["style.name"] == "blue+red"
    assert "style.sha256" not in metadata
    assert [(each["name"], each["weight"]) for each in json.loads(metadata["style.paintings"])] == [
        ("blue", 0.75),
        ("red", 0.25),
    ]


def test_the_two_files_are_of_one_training() -> None:
    painter, encoder = read_metadata(PAINTER), read_metadata(ENCODER)
    assert painter["fastnst.kind"] == "painter of any painting"
    assert encoder["fastnst.kind"] == "encoder of any painting"
    differing = {"fastnst.kind", "export.max_abs_error"}
    assert {key for key in {*painter, *encoder} if painter.get(key) != encoder.get(key)} == differing


@pytest.mark.parametrize("path", [PAINTER, ENCODER])
def test_the_two_files_are_no_styles(path: Path) -> None:
    with pytest.raises(
        FastnstError, match=r"\.onnx is no style, but the \w+ of any painting: give the painting"
    ):
        Stylizer(path)


def test_tiles_and_the_frames_of_a_video(blue: Path) -> None:
    rows, columns = np.mgrid[0:96, 0:900]
    large = np.stack([rows // 3, columns // 4, (rows + columns) % 256], axis=-1).astype(np.uint8)
    whole = Stylizer(blue)(large)
    assert np.abs(Stylizer(blue, tile=256)(large).astype(int) - whole).max() <= 1
    steady = Stylizer(blue).for_video()
    assert np.abs(steady(large).astype(int) - whole).max() <= 1
    # The next frame has the statistics of both.
    assert np.abs(steady(255 - large).astype(int) - Stylizer(blue)(255 - large)).mean() > 1


def test_a_smaller_painting_gives_a_finer_brush(paintings: Path) -> None:
    path = paintings / "red.png"
    assert freeze(path, style_size=200) != freeze(path, style_size=100) == freeze(path, style_size=100)


def test_a_painting_is_read_as_every_picture(paintings: Path, tmp_path: Path) -> None:
    """Upright, in sRGB, opaque."""

    def statistics(path: Path) -> np.ndarray:
        (measured,) = measure_paintings([path], SIZE)
        return np.concatenate([value.ravel() for value in measured.statistics.values()])

    expected = statistics(paintings / "blue.png")
    with Image.open(paintings / "blue.png") as image:
        exif = Image.Exif()
        exif[0x112] = 8  # upright once it is turned by 90 degrees to the left
        image.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "turned.png", exif=exif)
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        image.save(tmp_path / "clear.png")
    np.testing.assert_array_equal(statistics(tmp_path / "turned.png"), expected)
    with pytest.warns(FastnstWarning, match=r"clear\.png is partly transparent: it is laid on white"):
        assert np.abs(statistics(tmp_path / "clear.png") - expected).max() > 0.1


def _no_file(path: Path) -> None:
    pass


def _folder(path: Path) -> None:
    path.mkdir()


def _text(path: Path) -> None:
    path.write_text("no picture")


def _small(path: Path) -> None:
    Image.new("RGB", (63, 200)).save(path)


def _narrow(path: Path) -> None:
    Image.new("RGB", (64, 2000)).save(path)


def _invisible(path: Path) -> None:
    Image.new("RGBA", (80, 80)).save(path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_no_file, "there is no painting {}"),
        (_folder, "the painting {} is no file"),
        (_text, "the painting {} is no image that fastnst reads, or its header is damaged"),
        (_small, "the painting {} has 63x200 pixels: each side must have at least 64"),
        (
            _narrow,
            "the painting {} has 64x2000 pixels, and 3x96 as it is measured: each side must have at least",
        ),
        (_invisible, "the painting {} is fully transparent"),
    ],
)
def test_a_bad_painting_is_one_line(make: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    path = tmp_path / "painting.png"
    make(path)
    with pytest.raises(FastnstError, match=re.escape(says.format(path))) as caught:
        freeze(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"blue.png": -1}, "the weight of .*blue.png must be a number from 0 up, not -1"),
        ({"blue.png": float("nan")}, "must be a number from 0 up, not nan"),
        ({"blue.png": 0, "red.png": 0}, "the weights of the paintings must not all be 0"),
    ],
)
def test_a_bad_weight_is_one_line(paintings: Path, weights: dict[str, float], says: str) -> None:
    with pytest.raises(FastnstError, match=says):
        freeze({paintings / name: weight for name, weight in weights.items()})


@pytest.mark.parametrize("size", [63, 4097])
def test_a_size_out_of_range_is_one_line(paintings: Path, size: int) -> None:
    with pytest.raises(FastnstError, match=f"must be 64 to 4096 pixels, not {size}"):
        freeze(paintings / "red.png", style_size=size)


def test_a_copy_elsewhere_freezes_again(paintings: Path, pixels: np.ndarray) -> None:
    stylizer = Stylizer(paintings / "red.png")
    data = pickle.dumps(stylizer)
    stylizer.path.unlink()
    np.testing.assert_array_equal(pickle.loads(data)(pixels), stylizer(pixels))
