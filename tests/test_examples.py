"""Every example runs as its first line says, on small pictures that are made here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import Painter, Stylizer

ROOT = Path(__file__).parent.parent
STYLE = ROOT / "checkpoints" / "wave.onnx"
EXAMPLES = ROOT / "examples"


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, EXAMPLES / name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT), "PATH": ""})
    assert done.returncode == 0, done.stderr
    return done.stdout


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as file:
        return np.asarray(file.convert("RGB"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(values).resize((56, 40)).save(path)
    return path


def test_a_photo(photo: Path) -> None:
    result = photo.with_name("painted.png")
    run("photo.py", STYLE, photo, result)
    np.testing.assert_array_equal(pixels(result), Painter(STYLE, strength=0.8)(pixels(photo)))


def test_a_folder(photo: Path, tmp_path: Path) -> None:
    results = tmp_path / "painted" / "here"
    assert run("folder.py", STYLE, tmp_path, results) == f"{results / 'photo.jpg'}\n"
    with Image.open(results / "photo.jpg") as result:
        assert result.size == (56, 40)


def test_a_video(tmp_path: Path) -> None:
    pytest.importorskip("av", minversion="18", reason="PyAV 18 needs Python 3.11")
    from fastnst.video.reader import VideoReader
    from tests.fastnst.make_videos import make_video, moving

    clip, result = make_video(tmp_path / "clip.mp4", moving(3)), tmp_path / "painted.mp4"
    assert run("video.py", STYLE, clip, result) == f"3 frames in {result}\n"
    with VideoReader(result) as painted:
        assert (painted.width, painted.height) == (64, 48)


def test_onnx_runtime_without_fastnst(photo: Path) -> None:
    result = photo.with_name("painted.png")
    run("onnx_runtime.py", STYLE, photo, result)
    assert "fastnst" not in (EXAMPLES / "onnx_runtime.py").read_text(encoding="utf-8").split('"""', 2)[2]
    np.testing.assert_array_equal(pixels(result), Stylizer(STYLE, device="cpu")(pixels(photo)))


def test_every_example_is_short_and_tested() -> None:
    examples = {path.name: path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.py")}
    assert set(examples) == {"photo.py", "folder.py", "video.py", "onnx_runtime.py"}
    assert all(len(text.splitlines()) < 30 for text in examples.values())
