"""Every command that the documents show runs here, or is read by the command that it calls."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import export.any_painting
import export.cli
import export.demo.__main__
import train.arbitrary.__main__
import train.cli
import train.evaluate.__main__
import train.optimize.__main__
from fastnst.cli import cli

ROOT = Path(__file__).parent.parent
PAGES = ("index", "using", "control", "any-painting", "video", "page", "training", "quality", "comparison")
DOCUMENTS = ("README.md", "checkpoints/README.md", *(f"docs/{page}.md" for page in PAGES))


def blocks(language: str) -> list[str]:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS]
    return [block for text in texts for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


def shown_commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    return sorted({re.sub(r"\s+#.*", "", line).replace(".venv/bin/", "") for line in lines if line.strip()})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pictures that the documents speak of, and the programs that they call."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "photo.jpg",
        "photos/a.jpg",
        "more/b.png",
        "albums/c/d.jpg",
        "sky.png",
        "city.png",
        "portrait.png",
        "painting.jpg",
        "other.jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        size = (72, 96) if name in ("painting.jpg", "other.jpg") else (18, 24)
        values = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(values).save(tmp_path / name)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, command in (("python", ""), ("python3", ""), ("fastnst", "-m fastnst")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("FASTNST_STYLES", str(tmp_path / "styles"))
    (tmp_path / "styles").mkdir()
    shutil.copy(ROOT / "checkpoints" / "wave.onnx", tmp_path / "styles" / "painting.onnx")
    return tmp_path


@pytest.mark.parametrize("command", shown_commands(), ids=lambda command: " ".join(command.split()))
def test_a_shown_command_works(command: str, folder: Path) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        for arguments in called_by_make(words, folder):
            read(arguments)
    elif words[:2] == ["pip", "install"]:
        extras = re.fullmatch(r"\.\[(.+)\]", words[2])
        assert extras is not None
        assert set(extras[1].split(",")) <= set(metadata.metadata("fastnst").get_all("Provides-Extra") or ())
    elif words[:2] in (["fastnst", "webcam"], ["fastnst", "web"], ["fastnst", "serve"]):
        # They need a camera, npm, or an end.
        cli.commands[words[1]].make_context(words[1], words[2:])
    elif words[:2] == ["python", "-m"] and "--help" not in words:
        read(words[1:])
    else:
        run(command, words, folder)


def run(command: str, words: list[str], folder: Path) -> None:
    """Run a command on small pictures, and find what it makes."""
    if words[1] == "video":
        pytest.importorskip("av", minversion="18", reason="PyAV 18 needs Python 3.11")
        from tests.fastnst.make_videos import make_video, moving

        for clip in ("clip.mp4", "clip.mov"):
            make_video(folder / clip, moving(3))
    before = set(folder.rglob("*"))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout or set(folder.rglob("*")) - before
    results = [line.partition("\t")[0] for line in done.stdout.splitlines() if "\t" in line]
    if words[1] in ("stylize", "video") and ">" not in words:
        assert results
        assert all((folder / result).is_file() for result in results)


def called_by_make(words: list[str], folder: Path) -> list[list[str]]:
    """Run make where Python only notes what it is asked for; return what it noted."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    note = "printf '%s\\0' \"$@\" '' >> called"
    python.write_text(f'#!/bin/sh\n{note}\nif [ "$2" = train ]; then echo name.ckpt; fi\n')
    python.chmod(0o755)
    (folder / ".venv" / ".installed-cpu").touch()
    subprocess.run(words, check=True, capture_output=True)
    called = (folder / "called").read_text(encoding="utf-8").split("\0\0")
    return [call.split("\0") for call in called if call]


def read(arguments: list[str]) -> None:
    """Let the module that is called read its arguments."""
    option, module, *rest = arguments
    assert option == "-m"
    if module == "train":
        train.cli.parse_arguments(rest)
    elif module == "export":
        export.cli._parser().parse_args(rest)
    elif module == "export.demo":
        export.demo.__main__._parser().parse_args(rest)
    elif module == "export.any_painting":
        export.any_painting._parser().parse_args(rest)
    elif module == "train.arbitrary":
        train.arbitrary.__main__._parser().parse_args(rest)
    elif module == "train.evaluate":
        train.evaluate.__main__._parser().parse_args(rest)
    elif module == "train.optimize":
        train.optimize.__main__._parser().parse_args(rest)
    elif module == "fastnst":
        cli.commands[rest[0]].make_context(rest[0], rest[1:])
    else:
        assert module in ("pytest", "http.server")


def test_the_python_that_is_shown_runs(folder: Path) -> None:
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(block, names)
    painted = names["painted"]
    assert isinstance(painted, np.ndarray)
    assert painted.shape == (18, 24, 3)
