"""The command as a process: pipes, full disks, interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.fastnst.make_images import encoded, pixels

FASTNST = [sys.executable, "-m", "fastnst"]


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    settings = {"capture_output": True, "timeout": 120, **options}
    return subprocess.run([*FASTNST, *map(str, arguments)], check=False, **settings)


def test_a_pipe_carries_the_image_and_nothing_else(models: Path, tmp_path: Path) -> None:
    image = pixels(33, 47)
    result = run("stylize", "-m", models / "invert.onnx", "-", input=encoded(image))
    assert (result.returncode, result.stderr) == (0, b"")
    (tmp_path / "piped.png").write_bytes(result.stdout)
    with Image.open(tmp_path / "piped.png") as piped:
        np.testing.assert_array_equal(np.asarray(piped), 255 - image)


def test_no_traceback_for_a_bad_file(models: Path, tmp_path: Path) -> None:
    result = run("stylize", "-m", models / "invert.onnx", tmp_path / "missing.jpg")
    assert result.returncode == 2
    assert result.stderr.decode() == f"fastnst: error: {tmp_path / 'missing.jpg'} does not exist\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this platform has no /dev/full")
def test_a_full_disk_under_standard_output(models: Path, photo: Path) -> None:
    for arguments in (
        ["stylize", "-m", models / "invert.onnx", "-"],
        ["--help"],
        ["info", models / "invert.onnx"],
    ):
        with Path("/dev/full").open("wb") as full, photo.open("rb") as image:
            result = run(*arguments, stdin=image, stdout=full, stderr=subprocess.PIPE, capture_output=False)
        assert result.returncode == 2
        assert b"cannot be written: No space left on device" in result.stderr
        assert result.stderr.count(b"\n") == 1


def test_a_closed_pipe_is_quiet(models: Path, photo: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        result = run(
            "info", models / "invert.onnx", stdout=closed, stderr=subprocess.PIPE, capture_output=False
        )
    assert result.stderr == b""
    assert result.returncode != 0


@pytest.mark.skipif(os.name == "nt", reason="Windows interrupts process groups in another way")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_nothing_half_written(
    models: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(400):
        Image.fromarray(pixels(64, 64)).save(folder / f"{index:03}.png")
    output = tmp_path / "out"
    process = subprocess.Popen(
        [*FASTNST, "stylize", "-m", str(models / "invert.onnx"), str(folder), "-o", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore SIGINT, and so would their child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    process.stdout.readline()  # the first is done
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    done = list(output.iterdir())
    assert 0 < len(done) < 400
    for path in done:
        assert not path.name.startswith(".")
        with Image.open(path) as image:
            image.load()
