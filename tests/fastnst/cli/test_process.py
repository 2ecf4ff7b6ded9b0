"""The command as a process: pipes, full disks, interruption."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.fastnst.make_images import encoded, pixels

pytestmark = pytest.mark.slow

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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this platform has no /dev/full")
@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full"])
def test_streams_that_are_closed_or_full(models: Path, tmp_path: Path, redirection: str) -> None:
    def stylize(*arguments: object) -> subprocess.CompletedProcess[bytes]:
        command = shlex.join([*FASTNST, "stylize", "-m", *map(str, (models / "invert.onnx", *arguments))])
        return subprocess.run(
            ["/bin/sh", "-c", f"{command} {redirection}"], check=False, capture_output=True, timeout=120
        )

    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(pixels(4, 5)).save(folder / f"{index}.png")
    done = stylize(folder)
    assert done.returncode == 0, done.stderr
    results = sorted(path.name for path in folder.glob("*.invert.png"))
    assert results == ["0.invert.png", "1.invert.png", "2.invert.png"]
    for path in folder.iterdir():
        with Image.open(path) as image:
            image.load()  # nobody wrote messages into it
    assert b"Traceback" not in done.stderr
    is_lost = ">/dev/full" in redirection and "2>" not in redirection
    assert done.stderr.count(b"is written, but standard output cannot be: No space left") == 3 * is_lost
    (folder / "3.png").write_bytes(b"no image")
    assert stylize(folder).returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this platform has no /dev/full")
@pytest.mark.parametrize("arguments", [["styles"], ["info", "MODEL", "--json"], ["--help"]])
def test_lists_for_streams_that_are_closed_or_full(models: Path, arguments: list[str]) -> None:
    for redirection, code, errors in (
        ("<&- 2>&-", 0, b""),
        (">&- 2>/dev/full", 0, b""),
        (">/dev/full", 2, b"fastnst: error: the output cannot be written: No space left on device\n"),
    ):
        named = [str(models / "invert.onnx") if word == "MODEL" else word for word in arguments]
        command = ["/bin/sh", "-c", f"{shlex.join([*FASTNST, *named])} {redirection}"]
        result = subprocess.run(command, check=False, capture_output=True, timeout=120)
        assert (result.returncode, result.stderr) == (code, errors)
        assert bool(result.stdout) == (">" not in redirection.removesuffix(" 2>&-"))


def test_an_image_for_standard_output_that_is_closed(models: Path, photo: Path) -> None:
    command = shlex.join([*FASTNST, "stylize", "-m", str(models / "invert.onnx"), str(photo), "-o", "-"])
    result = subprocess.run(
        ["/bin/sh", "-c", f"{command} >&-"], check=False, stderr=subprocess.PIPE, timeout=120
    )
    assert result.returncode == 2
    assert result.stderr == b"fastnst: error: standard output is closed: give -o FILE\n"


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
    out = process.stdout.read()  # communicate() would leave out what is in the reader's buffer
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    done = list(output.iterdir())
    assert 0 < len(done) < 400
    assert out.count("\n") + 1 == len(done)
    assert (
        f"fastnst: {len(done)} painted, 0 skipped (done before), 0 failed, {400 - len(done)} not done in"
        in err
    )
    for path in done:
        assert not path.name.startswith(".")
        with Image.open(path) as image:
            image.load()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_a_signal_ends_the_wait_for_a_pipe_that_nobody_writes_to(
    models: Path, tmp_path: Path, photo: Path
) -> None:
    os.mkfifo(tmp_path / "a.png")
    process = subprocess.Popen(
        [*FASTNST, "stylize", "-m", str(models / "invert.onnx"), str(photo), str(tmp_path / "a.png")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not photo.with_suffix(".invert.png").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert err.splitlines() == [err.rstrip("\n")]
    assert err.startswith("fastnst: 1 painted, 0 skipped (done before), 0 failed, 1 not done in")


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes in another way")
def test_a_signal_ends_the_command_though_a_library_swallows_its_exception(
    models: Path, tmp_path: Path
) -> None:
    script = (
        "import os, signal, fastnst.video.reader as reader\n"
        "from fastnst import FastnstError\n"
        "from fastnst.cli import main\n"
        "def swallow(*_, **__):\n"
        "    try: os.kill(os.getpid(), signal.SIGTERM)\n"
        "    except BaseException: raise FastnstError('is no video')\n"
        "reader.VideoReader.__init__ = swallow\n"
        "main()\n"
    )
    videos = [tmp_path / name for name in ("a.mp4", "b.mp4")]
    for video in videos:
        video.touch()
    command = ["video", "-m", models / "invert.onnx", *videos]
    result = subprocess.run(
        [sys.executable, "-c", script, *map(str, command)], capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stderr) == (143, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes in another way")
def test_a_second_signal_ends_the_process_whatever_it_does(models: Path, tmp_path: Path, photo: Path) -> None:
    script = (
        "import time, fastnst.files.plan as plan\n"
        "from fastnst.cli import main\n"
        "def hang(*_, **__):\n"
        "    while True:\n"
        "        try:\n"
        "            print('hangs', flush=True)\n"
        "            time.sleep(60)\n"
        "        except BaseException: print('first', flush=True)\n"
        "plan.plan_results = hang\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, "stylize", "-m", str(models / "invert.onnx"), str(photo)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "hangs\n"
    process.terminate()
    process.terminate()  # as `timeout` does, which counts as one
    assert process.stdout.readline() == "first\n"
    time.sleep(0.6)
    assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=60) == 143
    process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGKILL")
def test_a_killed_run_leaves_whole_results_and_goes_on(models: Path, tmp_path: Path) -> None:
    tree, output = tmp_path / "tree", tmp_path / "out"
    for index in range(30):
        path = tree / str(index % 3) / f"{index:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(150, 200, seed=index)).save(path)
    command = [*FASTNST, "stylize", "-m", str(models / "invert.onnx"), "-r", str(tree), "-o", str(output)]
    done = 0
    for lines in (1, 4, 9):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.kill()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        whole = results(output)
        assert done + lines <= len(whole) < 30
        done = len(whole)
    # As a kill in the middle of writing leaves it, which the moments above may all have missed.
    left = output / "0" / ".00.invert.k1ll3d_0.partial.png"
    left.write_bytes(b"half")
    result = run(*command[3:])
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(b"\n") == 30 - done
    assert f"fastnst: {30 - done} painted, {done} skipped (done before), 0 failed".encode() in result.stderr
    assert len(results(output)) == 30
    assert list(output.rglob(".*")) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
def test_two_runs_over_one_tree_share_the_work(models: Path, tmp_path: Path) -> None:
    tree, output = tmp_path / "tree", tmp_path / "out"
    tree.mkdir()
    for index in range(60):
        Image.fromarray(pixels(150, 200, seed=index)).save(tree / f"{index:02}.png")
    command = [*FASTNST, "stylize", "-m", str(models / "invert.onnx"), "-r", str(tree), "-o", str(output)]
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert runs[2].stdout is not None
    lines = [runs[2].stdout.readline().split("\t")[0]]
    runs[2].kill()  # which ends its claims
    for process in runs:
        out, err = process.communicate(timeout=60)
        lines += [line.split("\t")[0] for line in out.splitlines()]
        assert process.returncode in (0, -signal.SIGKILL), err
    assert sorted(lines) == sorted(set(lines))
    assert len(results(output)) == 60


def results(folder: Path) -> list[Path]:
    """The files under final names, each of which holds its whole picture."""
    found = [path for path in folder.rglob("*.png") if not path.name.startswith(".")]
    for path in found:
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image), 255 - pixels(150, 200, seed=int(path.name[:2])))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every file's name is text")
def test_a_name_that_is_no_text_comes_out_as_it_is(models: Path, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    for name, data in (
        (b"caf\xe9.png", encoded(pixels(4, 5))),
        (b"na\xefve.png", b"no image"),
        (b"plain.png", encoded(pixels(4, 5))),
    ):
        (tmp_path / os.fsdecode(name)).write_bytes(data)
    result = run(
        "stylize",
        "-m",
        models / "invert.onnx",
        tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )
    assert [line.split(b"\t")[0] for line in result.stdout.splitlines()] == [
        folder + b"/caf\xe9.invert.png",
        folder + b"/plain.invert.png",
    ]
    assert b"\nfastnst: 2 painted, 0 skipped (done before), 1 failed" in result.stderr
    assert b"Traceback" not in result.stderr
