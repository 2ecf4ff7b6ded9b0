import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from fastnst.errors import FastnstError
from train.run.lock import run_lock

ROOT = Path(__file__).parents[3]

pytest.importorskip("fcntl", reason="Windows has no such lock")

HOLD = """
import sys
from pathlib import Path
from train.run.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another_process_trains(checkpoint):
    command = [sys.executable, "-c", HOLD, str(checkpoint)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        yield other
        other.kill()


def test_two_processes_do_not_train_one_checkpoint(tmp_path):
    with another_process_trains(tmp_path / "wave.ckpt"):
        with (
            pytest.raises(FastnstError, match="being trained by another process"),
            run_lock(tmp_path / "wave.ckpt"),
        ):
            pytest.fail("held by two")
        with run_lock(tmp_path / "kandinsky.ckpt"):
            pass


@pytest.mark.slow
def test_a_killed_process_holds_nothing(tmp_path):
    with another_process_trains(tmp_path / "wave.ckpt") as other:
        other.kill()
        other.wait()
        with run_lock(tmp_path / "wave.ckpt"):
            pass


def test_a_finished_run_holds_nothing_and_leaves_nothing(tmp_path):
    for _ in range(2):
        with run_lock(tmp_path / "wave.ckpt"):
            pass
    assert list(tmp_path.iterdir()) == []
