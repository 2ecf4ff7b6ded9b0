"""`fastnst video` as a process: kills, two at once, closed and full streams."""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fastnst.video.partial import partial_path
from tests.fastnst.make_videos import decoded, make_video, moving, packets_of, times_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9, no such locks and no sh"),
]

FASTNST = [sys.executable, "-m", "fastnst", "video"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [np.random.default_rng(i).integers(0, 256, (120, 160, 3), dtype=np.uint8) for i in range(8)]
    return make_video(tmp_path_factory.mktemp("clip") / "clip.mp4", frames * 25, crf="30", preset="ultrafast")


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [*FASTNST, *map(str, arguments), "--threads", "1"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_killed_several_times_becomes_the_same(
    invert: Path, clip: Path, tmp_path: Path, suffix: str
) -> None:
    whole, result = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    painted = start("-m", invert, clip, "-o", whole)
    painted.communicate(timeout=100)
    assert painted.returncode == 0
    chance = random.Random(suffix)
    partial = partial_path(result)
    for share in (0.0, chance.uniform(0, 0.5), chance.uniform(0.5, 1)):
        least = share * whole.stat().st_size
        process = start("-m", invert, clip, "-o", result)
        # The file that the last kill left is there from the beginning.
        began = partial.stat().st_mtime_ns if partial.exists() else 0
        while process.poll() is None:
            if partial.exists():
                now = partial.stat()
                if now.st_mtime_ns != began and now.st_size >= least:
                    break
            time.sleep(0.001)
        process.kill()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert not result.exists()
        if share:
            assert times_of(partial) == times_of(clip)[: len(decoded(partial))]
    again = start("-m", invert, clip, "-o", result)
    _, err = again.communicate(timeout=100)
    assert (again.returncode, err) == (0, "")
    assert packets_of(result, "video") == packets_of(whole, "video")
    assert sorted(file.name for file in tmp_path.iterdir()) == [result.name, whole.name]


def test_two_at_once_write_one_result(invert: Path, clip: Path, tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv"):
        result = tmp_path / f"out{suffix}"
        runs = [start("-m", invert, clip, "-o", result) for _ in range(2)]
        errors = {}
        for process in runs:
            _, errors[process] = process.communicate(timeout=100)
        done, refused = sorted(runs, key=lambda process: process.returncode)
        assert (done.returncode, refused.returncode) == (0, 2), errors
        assert errors[done] == ""
        assert errors[refused] in (
            f"fastnst: error: {result} is being written by another process: wait for it, or give another "
            "name to -o\n",
            f"fastnst: error: {result} exists: --overwrite replaces it, -o writes elsewhere\n",
        )
        assert times_of(result) == times_of(clip)
        assert [file.name for file in tmp_path.iterdir()] == [result.name]
        result.unlink()


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full"])
def test_streams_that_are_closed_or_full(invert: Path, tmp_path: Path, redirection: str) -> None:
    videos = [make_video(tmp_path / f"{name}.mp4", moving(4)) for name in ("a", "b")]

    def paint(*arguments: object) -> subprocess.CompletedProcess[bytes]:
        command = shlex.join([*FASTNST, "-m", *map(str, (invert, *arguments))])
        return subprocess.run(
            ["/bin/sh", "-c", f"{command} {redirection}"], check=False, capture_output=True, timeout=120
        )

    done = paint(*videos)
    assert done.returncode == 0, done.stderr
    for video in videos:
        assert len(decoded(video)) == len(decoded(video.with_suffix(".invert.mp4"))) == 4
    assert len(list(tmp_path.iterdir())) == 4
    assert b"Traceback" not in done.stderr
    is_lost = ">/dev/full" in redirection and "2>" not in redirection
    assert done.stderr.count(b"is written, but standard output cannot be: No space left") == 2 * is_lost
    (tmp_path / "c.mp4").write_bytes(b"no video")
    refused = paint(*videos, tmp_path / "c.mp4", "--overwrite")
    assert refused.returncode == 2
    assert b"Traceback" not in refused.stderr
    assert len(list(tmp_path.iterdir())) == 5
