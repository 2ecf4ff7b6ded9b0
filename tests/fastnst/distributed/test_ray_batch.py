"""The example for a cluster, on a cluster of this machine alone, of which a part is lost."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

from tests.fastnst.make_images import pixels

pytest.importorskip("ray", reason="Ray comes with fastnst[ray]")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]
PHOTOS = 64
PATIENCE = 600
MARK = "FASTNST_TEST_OF_RAY"


def actors(mark: str) -> list[int]:
    """Return the processes of this test's actors."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            is_actor = b"MapWorker" in (process / "cmdline").read_bytes()
            if is_actor and f"{MARK}={mark}".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # noqa: PERF203 - no process, or no longer
            continue
    return found


def ray_batch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "examples" / "ray_batch.py", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
    return subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True)


def test_a_column_is_painted_with_a_core_for_each_actor_and_goes_on(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    def photos(count: int) -> None:
        images = []
        for number in range(count):
            Image.fromarray(pixels(40, 60, number)).save(tmp_path / "photo.png")
            images.append((tmp_path / "photo.png").read_bytes())
        table = pyarrow.table({"key": [*range(count)], "image": images})
        pyarrow.parquet.write_table(table, tmp_path / "photos.parquet")

    results = tmp_path / "painted"
    # As many as there are cores: one must be left for reading.
    options = [
        "-m",
        ROOT / "checkpoints" / "wave.onnx",
        "-o",
        results,
        "--actors",
        max(2, os.cpu_count() or 1),
    ]
    for count in (3, 5):
        photos(count)
        done = ray_batch(tmp_path / "photos.parquet", *options, "--image-column", "image", "--key", "key")
        assert done.returncode == 0, done.stderr
        found = pyarrow.parquet.read_table(results)
        assert sorted(found["key"].to_pylist()) == [*range(count)]
        assert found["error"].null_count == count
    for image in found["painted"].to_pylist():
        assert Image.open(io.BytesIO(image)).size == (60, 40)


@pytest.mark.skipif(sys.platform != "linux", reason="actors are found in /proc")
def test_what_a_lost_actor_had_begun_is_painted_by_another(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    for number in range(PHOTOS):
        path = tmp_path / "photos" / f"{number % 3}" / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(120, 160, number)).save(path)
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no image")
    style = ROOT / "checkpoints" / "wave.onnx"
    command = [sys.executable, ROOT / "examples" / "ray_batch.py", tmp_path / "photos", "-m", style]
    command += ["-o", tmp_path / "painted", "--actors", "2", "--cpus", "0.5"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), MARK: str(tmp_path), "RAY_AUTH_MODE": "disabled"}
    process = subprocess.Popen(
        [*map(str, command)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        end = time.monotonic() + PATIENCE
        while len(found := [*tmp_path.glob("painted/*/*.jpg")]) < 8:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.002)
        lost = actors(str(tmp_path))
        assert len(lost) == 2
        os.kill(lost[0], signal.SIGKILL)
        assert len(found) < PHOTOS
        output, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 2, errors  # for bad.jpg
    assert f"{tmp_path / 'photos' / 'bad.jpg'} is no image that fastnst reads" in errors
    assert " 1 failed in " in errors
    run("stylize", "-m", style, "-r", tmp_path / "photos", "-o", tmp_path / "expected")
    expected = {path.relative_to(tmp_path / "expected"): path for path in tmp_path.glob("expected/*/*.jpg")}
    assert len(expected) == PHOTOS
    for name, path in expected.items():
        assert (tmp_path / "painted" / name).read_bytes() == path.read_bytes()
    told = [line for line in output.splitlines() if line.startswith(str(tmp_path))]  # Ray tells of the loss
    assert sorted(told) == sorted(str(tmp_path / "painted" / name) for name in expected)
