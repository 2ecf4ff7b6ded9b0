"""`fastnst sheet` as it is documented, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from fastnst.image.sheet import compose_sheet
from tests.fastnst import tiny_models
from tests.fastnst.flat_style import flat
from tests.fastnst.make_images import encoded, pixels
from tests.fastnst.make_profiles import in_space

Run = Callable[..., Result]
Fails = Callable[..., str]


@pytest.fixture
def library(styles: Path) -> Path:
    tiny_models.invert(styles / "negative.onnx")
    flat(styles / "red.onnx", 255, 0, 0)
    return styles


def values(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_sheet_has_the_photo_and_every_style(run: Run, fails: Fails, library: Path, photo: Path) -> None:
    before = photo.read_bytes()
    result = run("sheet", photo)
    assert result.exit_code == 0, result.output
    written = photo.with_name("photo.sheet.jpg")
    assert result.stdout.startswith(f"{written}\t2 styles, ")
    assert result.stderr == ""
    assert f"{written} exists: --overwrite replaces it" in fails("sheet", photo)
    png = photo.with_name("all.png")
    assert run("sheet", photo, "-o", png).exit_code == 0
    image = values(photo)
    red = np.full_like(image, (255, 0, 0))
    expected = compose_sheet([("photo.png", image), ("negative", 255 - image), ("red", red)])
    np.testing.assert_array_equal(values(png), expected)
    assert values(written).shape == expected.shape
    assert run("sheet", photo, "-m", "red", "-o", png, "--overwrite").exit_code == 0
    np.testing.assert_array_equal(values(png), compose_sheet([("photo.png", image), ("red", red)]))
    assert "would be replaced by its own sheet" in fails("sheet", photo, "-o", photo, "--overwrite")
    assert photo.read_bytes() == before
    assert sorted(file.name for file in photo.parent.iterdir() if file.is_file()) == [
        "all.png",
        "photo.png",
        "photo.sheet.jpg",
    ]


def test_each_style_paints_at_the_size_of_a_cell(run: Run, library: Path, tmp_path: Path) -> None:
    image, profile = in_space(np.full((90, 60, 3), (150, 90, 40), np.uint8), "Adobe RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # the photo lies on its side
    source = tmp_path / "a.png"
    source.write_bytes(encoded(image, icc_profile=profile, exif=exif))
    output = tmp_path / "sheet.png"
    assert run("sheet", source, "-m", "negative", "--size", 30, "-o", output).exit_code == 0
    cell = np.full((20, 30, 3), (150, 90, 40), np.uint8)
    expected = compose_sheet([("a.png", cell), ("negative", 255 - cell)])
    assert values(output).shape == expected.shape
    assert np.abs(values(output).astype(int) - expected).max() <= 2


def test_a_cut_out_lies_on_white(run: Run, library: Path, tmp_path: Path) -> None:
    rgba = np.dstack([pixels(20, 30), np.zeros((20, 30), np.uint8)])
    (tmp_path / "a.png").write_bytes(encoded(rgba))
    assert run("sheet", tmp_path / "a.png", "-m", "red", "-o", tmp_path / "b.png").exit_code == 0
    white = np.full((20, 30, 3), 255, np.uint8)
    np.testing.assert_array_equal(
        values(tmp_path / "b.png"), compose_sheet([("a.png", white), ("red", white)])
    )


def test_a_style_that_does_not_open_does_not_stop_the_others(
    run: Run, fails: Fails, library: Path, photo: Path
) -> None:
    (library / "broken.onnx").write_bytes(b"no model")
    result = run("sheet", photo, "--json")
    assert result.exit_code == 2
    assert result.stderr.startswith("fastnst: error: ")
    assert result.stderr.count("\n") == 1
    told = json.loads(result.stdout)
    assert told.pop("milliseconds") > 0
    (failed,) = told.pop("failed")
    assert failed["style"] == "broken"
    assert "broken.onnx" in failed["reason"]
    written = photo.with_name("photo.sheet.jpg")
    assert told == {
        "status": "painted",
        "image": str(photo),
        "result": str(written),
        "styles": ["negative", "red"],
    }
    assert written.exists()
    written.unlink()
    assert "broken.onnx" in fails("sheet", photo, "-m", "broken", "--json")
    none = run("sheet", photo, "-m", "broken", "-m", "missing")
    assert (none.exit_code, none.stdout) == (2, "")
    *_, last = none.stderr.splitlines()
    assert last == "fastnst: error: none of the 2 styles could paint; the lines above say why"
    assert not written.exists()


def test_what_cannot_be_a_sheet(run: Run, fails: Fails, library: Path, photo: Path) -> None:
    assert fails("sheet", photo, "--size", 15) == "--size must be at least 16, not 15"
    assert "does not exist" in fails("sheet", photo.with_name("x.jpg"))
    assert "cannot write .gif" in fails("sheet", photo, "-o", "x.gif")
    for style in library.iterdir():
        style.unlink()
    assert str(library) in fails("sheet", photo)


def test_styles_of_one_name_are_told_apart(run: Run, tmp_path: Path, photo: Path) -> None:
    models = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        models += ["-m", tiny_models.invert(tmp_path / folder / "wave.onnx")]
    told = json.loads(run("sheet", photo, *models, "--json").stdout)
    assert told["styles"] == [str(tmp_path / "a" / "wave"), str(tmp_path / "b" / "wave")]


def test_a_sheet_is_no_photo_to_paint(run: Run, library: Path, tmp_path: Path) -> None:
    for name in ("a.jpg", "a.sheet.jpg"):
        Image.fromarray(pixels(4, 4)).save(tmp_path / name)
    result = run("stylize", "-m", "negative", tmp_path)
    assert result.exit_code == 0
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [str(tmp_path / "a.negative.jpg")]
