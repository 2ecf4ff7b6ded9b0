"""The options of every painting command: the same bytes as in Python, and one line for each mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from fastnst import FastnstError, Painter
from fastnst.model.values import UNIT
from fastnst.style_library import parse_blend
from tests.fastnst import tiny_models
from tests.fastnst.flat_style import flat
from tests.fastnst.make_images import pixels

pytestmark = pytest.mark.filterwarnings("ignore:.*painted a picture in one colour")

Run = Callable[..., Result]
Fails = Callable[..., str]


@pytest.fixture
def folder(styles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a photo, two masks and three styles at hand."""
    tiny_models.invert(styles / "negative.onnx")
    flat(styles / "red.onnx", 200, 40, 30)
    flat(styles / "grey.onnx", 90, 90, 90)
    Image.fromarray(pixels(36, 48)).save(tmp_path / "photo.png")
    ramp = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (36, 1))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    Image.fromarray(255 - ramp).save(tmp_path / "a=b.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "name", "arguments"),
    [
        ("-m negative", "negative", {"style": "negative"}),
        ("-m negative --strength 0.3", "negative", {"style": "negative", "strength": 0.3}),
        ("-m negative --strength 1.7", "negative", {"style": "negative", "strength": 1.7}),
        ("-m negative --preserve-color", "negative", {"style": "negative", "preserve_color": True}),
        ("-m negative --mask ramp.png", "negative", {"style": "negative", "mask": "ramp.png"}),
        ("-m negative --size 24", "negative", {"style": "negative", "size": 24}),
        (
            "-m negative --size 24 --detail 0.6",
            "negative",
            {"style": "negative", "size": 24, "detail": 0.6},
        ),
        (
            "--blend negative:0.7,red:0.3",
            "negative+red",
            {"style": {"negative": 0.7, "red": 0.3}},
        ),
        ("--blend red,negative", "red+negative", {"style": {"red": 1, "negative": 1}}),
        (
            "-m negative --region red=ramp.png --region grey=a=b.png",
            "negative+red+grey",
            {"style": "negative", "regions": [("red", "ramp.png"), ("grey", "a=b.png")]},
        ),
        (
            "--region red:2,negative:1=ramp.png --strength 0.5",
            "red+negative",
            {"style": None, "regions": [({"red": 2, "negative": 1}, "ramp.png")], "strength": 0.5},
        ),
    ],
)
def test_the_command_line_and_python_give_the_same_bytes(
    run: Run, folder: Path, options: str, name: str, arguments: dict[str, Any]
) -> None:
    result = run("stylize", *options.split(), "photo.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"photo.{name}.png\t")
    photo = np.asarray(Image.open("photo.png"))
    painter = Painter(**arguments)
    assert painter.name == name
    painted = np.asarray(Image.open(f"photo.{name}.png"))
    np.testing.assert_array_equal(painted, painter(photo))
    assert (painted != photo).any()


def test_what_is_said_of_a_foreign_model(run: Run, folder: Path) -> None:
    tiny_models.coded(Path("blue.onnx"), UNIT, UNIT, input_bgr=True, output_bgr=True)
    for options, arguments in (
        ("--bgr", {"bgr": True}),
        ("--rgb --input-range imagenet", {"bgr": False, "input_range": "imagenet"}),
        ("--input-range 0..1", {"input_range": "0..1"}),
    ):
        result = run(
            "stylize", "-m", "blue.onnx", *options.split(), "photo.png", "-o", "o.png", "--overwrite"
        )
        assert result.exit_code == 0, result.output
        expected = Painter("blue.onnx", **arguments)(np.asarray(Image.open("photo.png")))
        np.testing.assert_array_equal(np.asarray(Image.open("o.png")), expected)


def test_in_a_pipe(run: Run, folder: Path) -> None:
    result = run("stylize", "--blend", "negative,red", "-", data=Path("photo.png").read_bytes())
    assert result.exit_code == 0
    run("stylize", "--blend", "negative,red", "photo.png")
    assert result.stdout_bytes == Path("photo.negative+red.png").read_bytes()


def test_results_of_several_styles_are_known_as_results(run: Run, folder: Path) -> None:
    run("stylize", "--blend", "negative,red", "photo.png")
    result = run("stylize", "-m", "grey", "photo.png", "photo.negative+red.png")
    assert "skipped 1 that are earlier results (photo.negative+red.png)" in result.stderr
    Path("photo.negative+unknown.png").write_bytes(Path("photo.png").read_bytes())
    result = run("stylize", "-m", "grey", "photo.png", "photo.negative+unknown.png", "--overwrite")
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("", "Missing option '-m' / '--model', '--style', '--blend' or '--region'"),
        ("-m negative --blend red,grey", "give --model or --blend, not both"),
        ("--blend red,gray", "no style is called 'gray'; did you mean grey?"),
        ("--blend red:0.5,grey", "give all styles in 'red:0.5,grey' a weight, or none"),
        ("--blend red:1,red:2", "red comes twice"),
        ("--blend red,", "a blend is STYLE:WEIGHT,STYLE:WEIGHT"),
        ("--blend :0.5", "a blend is STYLE:WEIGHT,STYLE:WEIGHT"),
        ("--blend red:-1,grey:2", "the weight of red must be a number from 0 up, not -1"),
        ("--blend red:0,grey:0", "must not all be 0"),
        ("--blend red:nan", "the weight of red must be a number from 0 up, not nan"),
        ("--region red", "--region takes STYLE=MASK, as wave=sky.png, not 'red'"),
        ("--region =ramp.png", "--region takes STYLE=MASK"),
        ("--region red=", "--region takes STYLE=MASK"),
        ("--region red=missing.png", "missing.png does not exist"),
        ("-m negative --mask missing.png", "missing.png does not exist"),
        ("-m negative --strength 3", "strength must be 0 to 2, not 3"),
        ("-m negative --strength much", "'much' is not a valid float"),
        ("-m negative --detail 0.5", "give a size too"),
        ("-m negative --size 8", "size must be at least 16 pixels, not 8"),
        ("-m negative --input-range 0-1", "input_range must be one of 0..255, 0..1, -1..1, imagenet, caffe"),
        ("-m negative --size 30000", "photo.png: at size 30000 this photo would have 30000x22500 pixels"),
    ],
)
def test_mistakes_are_one_line(fails: Fails, folder: Path, options: str, says: str) -> None:
    before = sorted(folder.iterdir())
    assert says in fails("stylize", *options.split(), "photo.png")
    assert sorted(folder.iterdir()) == before


def test_a_stretched_mask_is_said_once(run: Run, folder: Path) -> None:
    Image.new("L", (10, 40), 255).save("tall.png")
    Path("other.png").write_bytes(Path("photo.png").read_bytes())
    result = run("stylize", "-m", "negative", "--mask", "tall.png", "photo.png", "other.png")
    assert result.exit_code == 0
    warning, summary = result.stderr.splitlines()
    assert (
        warning == "fastnst: warning: tall.png (10x40) has other proportions than the photo: it is stretched"
    )
    assert summary.startswith("fastnst: 2 painted")


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("wave", {"wave": 1}),
        ("kandinsky:0.7,wave:0.3", {"kandinsky": 0.7, "wave": 0.3}),
        (" kandinsky , wave ", {"kandinsky": 1, "wave": 1}),
        ("wave:7", {"wave": 7}),
        (r"C:\styles\wave.onnx,a/b.onnx", {r"C:\styles\wave.onnx": 1, "a/b.onnx": 1}),
        (r"C:\styles\wave.onnx:2,b:1e-1", {r"C:\styles\wave.onnx": 2, "b": 0.1}),
    ],
)
def test_blends_as_they_are_typed(text: str, weights: dict[str, float]) -> None:
    assert parse_blend(text) == weights


def test_an_empty_blend() -> None:
    with pytest.raises(FastnstError, match="a blend is"):
        parse_blend("")


def test_every_option_is_one_line_of_help(run: Run) -> None:
    text = run("stylize", "-h").output
    for option in (
        "--blend",
        "--region",
        "--mask",
        "--strength",
        "--preserve-color",
        "--size",
        "--detail",
        "--input-range",
        "--bgr / --rgb",
    ):
        (line,) = [line for line in text.splitlines() if line.startswith(f"  {option} ")]
        assert len(line) <= 80
        following = text.splitlines()[text.splitlines().index(line) + 1]
        assert following.lstrip().startswith("-"), f"{option} goes on in {following!r}"
