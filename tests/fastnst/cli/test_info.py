"""`fastnst info` as it is documented, in this process."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from fastnst.model.values import CAFFE, UNIT
from tests.fastnst import tiny_models

Run = Callable[..., Result]
Fails = Callable[..., str]


def test_info_of_a_fastnst_style(run: Run, invert: Path) -> None:
    result = run("info", invert)
    assert result.exit_code == 0
    for line in (
        r"kind +a fastnst style",
        r"style +Inversion",
        r"author +A. Painter",
        r"licence +CC0-1.0",
        r"network width +32",
        r"training.images +288",
        r"training.init +wave",
        r"C, content lost +0.3612 \(0 is the photo itself",
        r"S3, style missed +0.03271 \(",
        r"S, style missed +0.01812 \(one scale",
        r"greatest export error +1",
        r"input +image: uint8 \(N, H, W, 3\)",
        r"size +0.00 MB",
        r"runs on +.*cpu",
    ):
        assert re.search(f"^{line}", result.stdout, re.MULTILINE), line


def test_info_says_what_was_measured_on_generated_photos(run: Run, tmp_path: Path) -> None:
    path = tiny_models.invert(
        tmp_path / "style.onnx", metadata=tiny_models.CONTRACT | {"quality.data": "generated"}
    )
    told = run("info", path).stdout
    assert re.search(
        r"^C, content lost +0.3612 \(on generated photos: not to be compared", told, re.MULTILINE
    )
    assert re.search(
        r"^S3, style missed +0.03271 \(on generated photos: not to be compared", told, re.MULTILINE
    )
    assert re.search(r"^quality data +generated", told, re.MULTILINE)


def test_info_of_other_models(run: Run, models: Path, tmp_path: Path) -> None:
    unit = tiny_models.invert_float(tmp_path / "unit.onnx", white=1)
    for path, found in (
        (unit, "values 0 to 1, RGB, any size"),
        (models / "strided.onnx", "values 0 to 255, RGB, any size: images are padded to multiples of 4"),
        (models / "doubling.onnx", "any size: the result is resized"),
        (models / "fixed.onnx", "fixed size: images are scaled to fit"),
        (
            tiny_models.coded(tmp_path / "caffe.onnx", CAFFE, UNIT, input_bgr=True),
            "takes values -124 to 151 (0 to 255 less ImageNet's mean), BGR; gives values 0 to 1, RGB",
        ),
        (
            tiny_models.cropping(tmp_path / "crop.onnx", by=12),
            "any size, crops, so images are extended by 12 rows and 12 columns",
        ),
    ):
        result = run("info", path)
        assert result.exit_code == 0
        assert "a style model that fastnst did not make" in result.stdout
        assert found in result.stdout


def test_info_shows_what_it_is_told_of_a_model(run: Run, tmp_path: Path) -> None:
    path = tiny_models.coded(tmp_path / "coded.onnx", UNIT, UNIT)
    told = json.loads(run("info", path, "--json", "--input-range", "0..255", "--bgr").stdout)
    assert (told["range"], told["channels"]) == ([0, 255], "BGR")
    assert json.loads(run("info", path, "--json", "--rgb").stdout)["channels"] == "RGB"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", ["pipe", "pipe.onnx"])
def test_a_style_from_a_pipe_is_not_called_a_folder(
    fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(name)
    line = f"{name} is a pipe, but a style is read more than once: save it as a file first"
    assert fails("info", name) == line
    assert fails("info", tmp_path / name) == f"{tmp_path}{os.sep}{line}"
    assert "is a device, not an ONNX file" in fails("info", os.devnull)


def test_info_as_json(run: Run, invert: Path) -> None:
    told = json.loads(run("info", invert, "--json").stdout)
    assert told["metadata"] == tiny_models.CONTRACT
    assert told["made_by_fastnst"] is True
    assert told["input"] == "image: uint8 (N, H, W, 3)"
    assert told["bytes"] == invert.stat().st_size
    assert (told["range"], told["output_range"]) == ([0, 255], [0, 255])
    assert (told["channels"], told["output_channels"]) == ("RGB", "RGB")
