"""`--style` and `fastnst freeze`: a painting where a style is expected."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from fastnst import Painter, Stylizer, freeze
from fastnst.cli.serve import _styles
from fastnst.model.metadata import read_metadata
from tests.fastnst import tiny_models

Run = Callable[..., Result]
Fails = Callable[..., str]


@pytest.fixture
def folder(
    paintings: Path, pixels: np.ndarray, styles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The working folder, with a photo, a mask, two paintings and a style at hand."""
    for path in paintings.iterdir():
        shutil.copy(path, tmp_path)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    Image.linear_gradient("L").resize((90, 70)).save(tmp_path / "mask.png")
    tiny_models.invert(styles / "negative.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "name", "arguments"),
    [
        ("--style blue.png", "blue", {"style": "blue.png"}),
        ("-m blue.png --strength 0.5", "blue", {"style": "blue.png", "strength": 0.5}),
        (
            "--style blue.png --preserve-color --mask mask.png",
            "blue",
            {"style": "blue.png", "preserve_color": True, "mask": "mask.png"},
        ),
        ("--style red.png --size 64", "red", {"style": "red.png", "size": 64}),
        ("--blend blue.png:0.7,negative:0.3", "blue+negative", {"style": {"blue.png": 0.7, "negative": 0.3}}),
        (
            "-m negative --region blue.png=mask.png",
            "negative+blue",
            {"style": "negative", "regions": [("blue.png", "mask.png")]},
        ),
    ],
)
def test_a_painting_is_a_style(
    run: Run, folder: Path, pixels: np.ndarray, options: str, name: str, arguments: dict[str, Any]
) -> None:
    result = run("stylize", *options.split(), "photo.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"photo.{name}.png\t")
    painted = np.asarray(Image.open(f"photo.{name}.png"))
    np.testing.assert_array_equal(painted, Painter(**arguments)(pixels))
    assert (painted != pixels).any()


def test_several_paintings_are_mixed_in_one_pass(run: Run, folder: Path, pixels: np.ndarray) -> None:
    result = run("stylize", "--style", "blue.png:0.6", "--style", "red.png:0.2", "photo.png")
    assert result.stdout.startswith("photo.blue+red.png\t"), result.output
    Path("mix.onnx").write_bytes(freeze({"blue.png": 3, "red.png": 1}))
    mixed = Stylizer("mix.onnx")(pixels)
    np.testing.assert_array_equal(np.asarray(Image.open("photo.blue+red.png")), mixed)
    result = run("stylize", "--style", "blue.png", "--style", "red.png", "photo.png", "-o", "half.png")
    Path("half.onnx").write_bytes(freeze({"blue.png": 1, "red.png": 1}))
    np.testing.assert_array_equal(np.asarray(Image.open("half.png")), Stylizer("half.onnx")(pixels))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--style absent.jpg", "there is no painting absent.jpg"),
        ("--style photo.png:1 --style absent.jpg:0", "photo.photo.png"),
        ("--style negative", "negative is a style, not a painting: give it with --model"),
        ("--style some/wave.onnx", "some/wave.onnx is a style, not a painting: give it with --model"),
        ("--style text.png", "the painting text.png is no image that fastnst reads"),
        ("--style tiny.png", "the painting tiny.png has 20x20 pixels: each side must have at least 64"),
        ("--style blue.png --style blue.png", "blue.png comes twice"),
        (
            "--style blue.png:1 --style red.png",
            "give all paintings in 'blue.png:1 red.png' a weight, or none",
        ),
        ("--style blue.png:-1", "the weight of blue.png must be a number from 0 up, not -1"),
        ("--style blue.png:0", "the weights of the paintings must not all be 0"),
        ("--style blue.png -m negative", "give --style alone: a blend mixes styles and paintings"),
    ],
)
def test_a_mistake_is_one_line(fails: Fails, run: Run, folder: Path, options: str, says: str) -> None:
    Path("text.png").write_text("no picture")
    Image.new("RGB", (20, 20)).save("tiny.png")
    before = set(folder.iterdir())
    if says.endswith(".png"):  # what has no weight need not exist
        assert run("stylize", *options.split(), "photo.png").stdout.startswith(says)
        return
    assert says in fails("stylize", *options.split(), "photo.png")
    assert set(folder.iterdir()) == before


def test_a_missing_photo_is_one_line(fails: Fails, folder: Path) -> None:
    assert "absent.jpg" in fails("stylize", "--style", "blue.png", "absent.jpg")


def test_the_webcam_takes_a_painting_or_a_style(fails: Fails, folder: Path) -> None:
    assert "Give either" in fails("webcam")
    assert "Give either" in fails("webcam", "-m", "negative", "--style", "blue.png")


def test_the_server_takes_a_painting(folder: Path) -> None:
    assert [*_styles(("negative", "blue.png"), "cpu", None).known()] == ["negative", "blue"]


def test_freeze_writes_a_style_beside_nothing_else(
    run: Run, fails: Fails, folder: Path, pixels: np.ndarray
) -> None:
    before = set(folder.iterdir())
    result = run("freeze", "blue.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("blue.onnx\t")
    assert "fastnst stylize -m blue.onnx photo.jpg" in result.stderr
    assert set(folder.iterdir()) == before | {folder / "blue.onnx"}
    np.testing.assert_array_equal(Stylizer("blue.onnx")(pixels), Stylizer("blue.png")(pixels))
    assert run("info", "blue.onnx").exit_code == 0
    content = Path("blue.onnx").read_bytes()
    Path("blue.onnx").write_bytes(b"mine")
    assert "blue.onnx exists: --overwrite replaces it" in fails("freeze", "blue.png")
    assert Path("blue.onnx").read_bytes() == b"mine"
    assert run("freeze", "blue.png", "--overwrite").exit_code == 0
    assert Path("blue.onnx").read_bytes() == content


def test_freeze_mixes_and_takes_a_brush(run: Run, folder: Path) -> None:
    result = run("freeze", "blue.png:3", "red.png:1", "--style-size", "128", "-o", folder)
    assert result.exit_code == 0, result.output
    path = folder / "blue+red.onnx"
    assert path.read_bytes() == freeze({"blue.png": 0.75, "red.png": 0.25}, style_size=128)
    assert read_metadata(path)["style.painting_size"] == "128"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("absent.png", "there is no painting absent.png"),
        ("blue.png -o blue.jpg", "-o blue.jpg is neither a folder that exists nor a file that ends in .onnx"),
        ("blue.png -o none/blue.onnx", "there is no folder none"),
        ("blue.png --style-size 8", "must be 64 to 4096 pixels, not 8"),
        ("negative", "negative is a style, not a painting"),
    ],
)
def test_a_mistake_in_freezing_is_one_line(fails: Fails, folder: Path, arguments: str, says: str) -> None:
    before = set(folder.iterdir())
    assert says in fails("freeze", *arguments.split())
    assert set(folder.iterdir()) == before
