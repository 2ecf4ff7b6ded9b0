import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.errors import FastnstError
from train.generated.painting.__main__ import draw_abstract_painting, main

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def painting():
    return draw_abstract_painting(seed=3, size=160)


def test_a_painting_is_a_landscape_in_rgb(painting):
    assert painting.shape == (128, 160, 3)
    assert painting.dtype == np.uint8


def test_the_command_writes_the_same_bytes_in_another_process(painting, tmp_path):
    path = tmp_path / "mine.png"
    command = [sys.executable, "-m", "train.generated.painting", "--seed", "3", "--size", "160", "-o", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}\n"
    assert (np.asarray(Image.open(path)) == painting).all()


def test_another_seed_is_another_painting(painting):
    other = draw_abstract_painting(seed=4, size=160)
    assert np.abs(painting.astype(int) - other).mean() > 20


def test_the_picture_is_the_same_at_every_size(painting):
    large = Image.fromarray(draw_abstract_painting(seed=3, size=320)).resize((40, 32), Image.Resampling.BOX)
    small = Image.fromarray(painting).resize((40, 32), Image.Resampling.BOX)
    assert np.corrcoef(np.asarray(large).ravel(), np.asarray(small).ravel())[0, 1] > 0.9


def test_a_painting_is_rich_all_over(painting):
    """A style is learned from all parts of a picture: none is empty, and darks and lights are in most."""
    tiles = painting.mean(axis=2).reshape(4, 32, 4, 40).swapaxes(1, 2).reshape(16, -1)
    assert (tiles.std(axis=1) > 12).all()
    assert np.quantile(tiles, 0.05) < 70 < 190 < np.quantile(tiles, 0.95)
    saturation = np.ptp(painting.astype(int), axis=2)
    assert np.median(saturation) > 50


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--seed", "-1"], "--seed must be at least 0, got -1"),
        (["--size", "8"], "--size must be from 64 to 4096, got 8"),
        (["--seed", "red"], "argument --seed: invalid int value: 'red'"),
        (["-o", "nowhere/painting.png"], "there is no folder nowhere to write painting.png to"),
        (["-o", "painting.doc"], ".doc"),
    ],
)
def test_a_mistake_is_one_line(arguments, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert line in err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_mistakes_of_callers_are_errors():
    with pytest.raises(FastnstError, match="--size"):
        draw_abstract_painting(size=5000)
