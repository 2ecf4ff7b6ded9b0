"""The styles that come with fastnst: whole, and with a card."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from fastnst import Stylizer
from fastnst.model.metadata import read_metadata
from fastnst.style_library import BUNDLED_STYLES

ROOT = Path(__file__).parent.parent


@pytest.fixture(params=BUNDLED_STYLES)
def style(request) -> Path:
    path = ROOT / "checkpoints" / f"{request.param}.onnx"
    if subprocess.run(["git", "diff", "--quiet", "HEAD", "--", path], cwd=ROOT).returncode == 1:
        pytest.skip(f"{path.name} is a style of your own in the place of fastnst's")
    return path


def test_a_style_is_small_and_says_what_it_is(style):
    metadata = read_metadata(style)
    assert style.stat().st_size < 1_000_000
    assert metadata["fastnst.format"] == "1"
    assert metadata["style.name"] == style.stem
    assert metadata["style.licence"] == "public domain"
    assert len(metadata["style.author"]) > 10
    assert len(metadata["style.sha256"]) == 64
    assert metadata["training.finished"] == "true"
    assert int(metadata["export.max_abs_error"]) <= 2


def test_a_style_is_good_enough_to_be_shown(style):
    metadata = read_metadata(style)
    assert int(metadata["quality.size"]) == 512
    # An unpainted photo misses 0.5 and more; a picture that kept nothing of the photo loses more than 1.
    assert 0 < float(metadata["quality.style_missed_3_scales"]) < 0.06
    # The boldest style keeps less of the photo, and its card says that it is restless.
    most_lost, most_flicker = (0.77, 16) if style.stem == "starry_night" else (0.7, 15)
    assert 0 < float(metadata["quality.content_lost"]) < most_lost
    assert 0 < float(metadata["quality.flicker"]) < most_flicker


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (64, 97)])
def test_a_style_paints_any_size(style, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    painted = Stylizer(style, device="cpu", threads=1)(image)
    assert painted.shape == image.shape
    assert painted.dtype == np.uint8


def test_a_style_has_a_card_with_its_measure(style):
    catalogue = (ROOT / "checkpoints" / "README.md").read_text(encoding="utf-8")
    metadata = read_metadata(style)
    (row,) = [line for line in catalogue.splitlines() if line.startswith(f"| `{style.stem}`")]
    assert f" {float(metadata['quality.content_lost']):.2f} " in row
    assert f" {float(metadata['quality.style_missed_3_scales']):.3f} " in row
    assert f" {float(metadata['quality.flicker']):.1f} " in row
    assert metadata["style.author"] in catalogue
    assert f"(gallery/{style.stem}.jpg)" in catalogue
    assert (ROOT / "checkpoints" / "gallery" / f"{style.stem}.jpg").is_file()
