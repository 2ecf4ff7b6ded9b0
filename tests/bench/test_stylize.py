"""What the benchmark of inference says of files and pictures, and that it measures every file it is given."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from bench import stylize
from tests.fastnst import tiny_models


def test_psnr_is_that_of_its_definition():
    black = np.zeros((4, 5, 3), np.uint8)
    assert stylize.psnr(black, black) == math.inf
    assert stylize.psnr(black, black + 255) == 0
    assert (
        stylize.psnr(black, black + 1) == stylize.psnr(black + 1, black) == pytest.approx(48.1308, abs=1e-4)
    )


def test_a_label_tells_the_forms_of_one_style_apart():
    labels = [stylize.label("wave", {"export.weights": form}) for form in ("float32", "float16", "int8")]
    assert labels == ["wave (float32)", "wave (float16)", "wave (int8)"]
    assert stylize.label("mosaic", {"producer": "someone else"}) == "mosaic"


def test_scenes_have_the_size_asked_for_and_are_always_the_same():
    picture = stylize.scene("40x24")
    assert (picture.shape, picture.dtype) == ((24, 40, 3), np.uint8)
    assert picture.std() > 5
    np.testing.assert_array_equal(stylize.scene("40x24"), picture)


@pytest.mark.slow
def test_every_file_is_measured_and_started_cold(tmp_path, monkeypatch, capsys):
    first = tiny_models.invert(tmp_path / "one.onnx", {"export.weights": "int8"})
    second = tiny_models.invert(tmp_path / "two.onnx", {})
    arguments = ["--model", str(first), str(second), "--device", "cpu", "--size", "40x24"]
    monkeypatch.setattr(sys, "argv", ["stylize", *arguments, "--rounds", "1", "--baseline", "tiny"])
    stylize.main()
    lines = capsys.readouterr().out.splitlines()
    rows = [line.rsplit(maxsplit=7) for line in lines[1:3]]
    assert [row[:3] for row in rows] == [["one (int8)", "cpu", "40x24"], ["two", "cpu", "40x24"]]
    for row in rows:
        theirs, ours, ratio, gigabytes = map(float, row[3:7])
        least, most = (theirs - 0.05) / (ours + 0.05), (theirs + 0.05) / max(ours - 0.05, 1e-9)
        assert least - 0.01 <= ratio <= most + 0.01  # the times are shown to a tenth of a millisecond
        assert 0.01 < gigabytes < 10
        assert row[7] == "-"
    assert [line.partition(": ")[0] for line in lines[3:]] == [
        "cold start of one (int8) on cpu",
        "cold start of two on cpu",
    ]
