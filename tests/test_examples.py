"""Every example runs as its first line says, on small pictures that are made here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]
from PIL import Image

from fastnst import Painter, Stylizer
from fastnst.files.shard import Shard

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


@pytest.fixture
def on_a_node(tmp_path: Path) -> Callable[..., set[str]]:
    """Run a command as a node of a cluster does, and return the names of what it painted."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "fastnst").write_text(f'#!/bin/sh\nexec {sys.executable} -m fastnst "$@"\n')
    (programs / "fastnst").chmod(0o755)
    for number in range(24):
        path = tmp_path / "photos" / f"{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)

    def invoke(*command: object, **variables: object) -> set[str]:
        before = set(tmp_path.glob("painted/*/*.png"))
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        given = {name: str(value) for name, value in variables.items()}
        environment = {"PYTHONPATH": str(ROOT), "PATH": path, **given}
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return {str(file.name) for file in set(tmp_path.glob("painted/*/*.png")) - before}

    return invoke


def part(number: int, folder: Path) -> set[str]:
    """Return the names of the results of one part of 64."""
    shard = Shard(number, 64)
    photos = [path for path in folder.glob("photos/*/*.png") if shard.holds(path)]
    return {f"{path.stem}.wave.png" for path in photos}


def fullest_part(folder: Path) -> int:
    photos = [*folder.glob("photos/*/*.png")]
    return max(range(1, 65), key=lambda number: sum(map(Shard(number, 64).holds, photos)))


@pytest.mark.skipif(os.name == "nt", reason="Slurm and containers are no Windows")
def test_an_array_of_slurm(on_a_node: Callable[..., set[str]], tmp_path: Path) -> None:
    script = EXAMPLES / "cluster" / "slurm.sh"
    tasks = re.search(r"#SBATCH --array=0-(\d+)\n", script.read_text())
    assert tasks is not None
    assert f"parts={int(tasks[1]) + 1}\n" in script.read_text()
    number = fullest_part(tmp_path)
    painted = on_a_node(
        "bash",
        script,
        STYLE,
        tmp_path / "photos",
        tmp_path / "painted",
        SLURM_ARRAY_TASK_ID=number - 1,
        SLURM_CPUS_PER_TASK=1,
    )
    assert painted == part(number, tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Slurm and containers are no Windows")
def test_a_job_of_kubernetes(on_a_node: Callable[..., set[str]], tmp_path: Path) -> None:
    job = yaml.safe_load((EXAMPLES / "cluster" / "kubernetes.yaml").read_text())
    assert (job["kind"], job["spec"]["completionMode"], job["spec"]["completions"]) == ("Job", "Indexed", 64)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (command,) = container["args"]
    assert f"--threads {container['resources']['limits']['cpu']}" in command
    (mount,) = container["volumeMounts"]
    assert command.count(mount["mountPath"]) == 2
    number = fullest_part(tmp_path)
    command = command.replace(mount["mountPath"], str(tmp_path))
    assert on_a_node(*container["command"], command, JOB_COMPLETION_INDEX=number - 1) == part(
        number, tmp_path
    )


def test_every_example_is_short_and_tested() -> None:
    examples = {path.name: path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.py")}
    # ray_batch.py has a test of its own, in fastnst/distributed/.
    assert examples.keys() == {"photo.py", "folder.py", "video.py", "onnx_runtime.py", "ray_batch.py"}
    assert all(len(text.splitlines()) < 30 for name, text in examples.items() if name != "ray_batch.py")
