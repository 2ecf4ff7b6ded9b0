"""What the benchmark of inference says of files and pictures, and that it measures every file it is given."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from bench import stylize


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


def test_every_file_is_compared_with_the_cpu_and_started_cold(monkeypatch, capsys):
    """Two files of one style on two devices at two sizes, one of the devices off by one level."""
    started = []

    class Style:
        def __init__(self, model, *, device, threads):
            self.name, self.device = "wave", device
            self.metadata = {"export.weights": model.removesuffix(".onnx")}

        def __call__(self, image):
            return image // 2 + (self.device == "openvino")

    monkeypatch.setattr(stylize, "Stylizer", Style)
    monkeypatch.setattr(stylize, "_eager", lambda *_: None)
    monkeypatch.setattr(
        stylize, "time_in_turn", lambda *_: SimpleNamespace(baseline=(2.0,), ours=(1.0,), speedup=2.0)
    )
    monkeypatch.setattr(stylize.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="0.5"))
    monkeypatch.setattr(stylize, "_measure_cold_start", lambda model, _: started.append(model))
    arguments = [
        "--model",
        "int8.onnx",
        "float32.onnx",
        "--device",
        "cpu",
        "openvino",
        "--size",
        "40x24",
        "32x32",
    ]
    monkeypatch.setattr(sys, "argv", ["stylize", *arguments])
    stylize.main()
    rows = [line.rsplit(maxsplit=7) for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(row[0], row[1], row[2], row[-1]) for row in rows] == [
        (f"wave ({form})", device, size, decibels)
        for form in ("int8", "float32")
        for device, decibels in (("cpu", "-"), ("openvino", "48.1"))
        for size in ("40x24", "32x32")
    ]
    assert started == ["int8.onnx", "float32.onnx"]
