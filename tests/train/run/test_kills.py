"""Trainings that are killed at any moment, and two of them on one checkpoint."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.train.compare_states import assert_same_state
from train.network.checkpoint import load_checkpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9, and no such locks"),
]

ROOT = Path(__file__).parents[3]

# Trainings are killed one after the other, each some moments after its first checkpoint; one more wants the
# same checkpoint meanwhile. Then one goes on to the end. PyTorch is imported once for all of them.
KILL_AND_RESUME = """
import os, random, signal, sys, time
from pathlib import Path
from train.cli import main
from train.run import settle, run  # before the forks

settle.PREVIEW_SIZE = 32
checkpoint, log, *arguments = sys.argv[1:]
chance = random.Random(0)

def start(errors):
    child = os.fork()
    if child:
        return child
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    os.dup2(2, 1)
    os._exit(main(arguments))

def changed(before):
    return os.path.exists(checkpoint) and os.stat(checkpoint).st_ino != before

def killed(child):
    os.kill(child, signal.SIGKILL)
    return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL

for number in range(3):
    before = os.stat(checkpoint).st_ino if os.path.exists(checkpoint) else None
    first = start(f"{log}/first")
    while not changed(before):
        assert os.waitpid(first, os.WNOHANG) == (0, 0), Path(f"{log}/first").read_text()
        time.sleep(0.002)
    if number == 1:
        second = start(f"{log}/second")
        assert os.waitstatus_to_exitcode(os.waitpid(second, 0)[1]) == 2
    else:
        time.sleep(chance.uniform(0, 0.1))
    assert killed(first)
sys.exit(main(arguments))
"""


def test_a_training_killed_several_times_ends_as_if_it_had_not_been(tiny, environment, train, tmp_path):
    output, log = tmp_path / "out", tmp_path / "log"
    log.mkdir()
    # A checkpoint at every step, and a picture.
    arguments = tiny.arguments(output, images=40, checkpoint_seconds=0, preview_seconds=0, workers=1)
    process = subprocess.run(
        [sys.executable, "-c", KILL_AND_RESUME, output / "tiny.ckpt", log, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    _, *refused = (log / "second").read_text().splitlines()  # the first says that PyTorch is loaded
    assert refused == [
        f"train: error: {output / 'tiny.ckpt'} is being trained by another process: wait for it, or give "
        "this style another NAME (--name)"
    ]
    code, _, err = train(tiny.arguments(tmp_path / "whole", images=40))
    assert code == 0, err
    assert_same_state(output / "tiny.ckpt", tmp_path / "whole" / "tiny.ckpt")
    assert load_checkpoint(output / "tiny.ckpt").record.finished
    assert [path.name for path in output.iterdir() if path.name.startswith(".")] == []
