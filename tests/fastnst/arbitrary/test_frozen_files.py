"""Paintings in the place of styles: temporary files, made once and gone at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fastnst import FastnstError, Painter, Stylizer
from fastnst.arbitrary import measure
from fastnst.arbitrary.frozen_files import find_or_freeze, frozen_file


def test_a_painting_is_measured_once_and_again_when_it_changes(
    paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painting = tmp_path / "mine.png"
    shutil.copy(paintings / "blue.png", painting)
    measured = []
    run = measure._run
    monkeypatch.setattr(measure, "_run", lambda *arguments: measured.append(1) or run(*arguments))
    first = find_or_freeze(painting)
    assert first.name == "mine.onnx"
    assert find_or_freeze(str(painting)) == first
    mixed = frozen_file({painting: 1, paintings / "red.png": 1})
    assert mixed.name == "mine+red.onnx"
    measured_before = len(measured)
    assert measured_before <= 2
    shutil.copy(paintings / "red.png", painting)
    os.utime(painting, (1, 1))
    assert find_or_freeze(painting).read_bytes() != first.read_bytes()
    assert len(measured) == measured_before + 1


def test_two_paintings_of_one_name_are_two_styles(paintings: Path, tmp_path: Path) -> None:
    other = tmp_path / "blue.png"
    shutil.copy(paintings / "red.png", other)
    painter = Painter({paintings / "blue.png": 1, other: 1})
    assert len(painter.stylizers) == 2
    assert painter.name == "blue"


def test_styles_are_found_as_before(models: Path, styles: Path) -> None:
    shutil.copy(models / "invert.onnx", styles / "negative.onnx")
    assert find_or_freeze("negative") == styles / "negative.onnx"
    with pytest.raises(FastnstError, match=r"there is no painting absent\.png"):
        find_or_freeze("absent.png")


def test_a_damaged_painting_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff no picture")
    with pytest.raises(FastnstError, match=r"the painting .*a\.jpg "):
        Stylizer(tmp_path / "a.jpg")


@pytest.mark.parametrize("end", ["pass", "import os, signal; os.kill(os.getpid(), signal.SIGTERM); input()"])
def test_the_files_end_with_the_process(paintings: Path, tmp_path: Path, end: str) -> None:
    code = (
        "import fastnst.cli, fastnst.arbitrary.freeze as freezing, sys, click\n"
        "freezing.painting_size = lambda: 96\n"
        "from fastnst.arbitrary.frozen_files import frozen_file\n"
        "@fastnst.cli.cli.command()\n"
        "def work():\n"
        f"    print(frozen_file({str(paintings / 'red.png')!r}).exists(), flush=True)\n"
        f"    {end}\n"
        "sys.argv = ['fastnst', 'work']\n"
        "fastnst.cli.main()\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout == "True\n", done.stderr
    assert not list(tmp_path.glob("fastnst-*"))
