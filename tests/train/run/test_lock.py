import contextlib
import os
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


TAKE_TURNS = """
import os, sys
from pathlib import Path
from fastnst.errors import FastnstError
from train.run.lock import run_lock
held, alone = 0, Path(sys.argv[1] + ".held")
while held < 40:
    try:
        with run_lock(Path(sys.argv[1])):
            alone.touch(exist_ok=False)
            os.sched_yield()
            alone.unlink()
            held += 1
    except FastnstError:
        pass
print(held)
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


def test_a_lock_opens_no_file_that_a_link_leads_to(tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_text("dear reader")
    with run_lock(tmp_path / "wave.ckpt"):
        (lock,) = set(tmp_path.iterdir()) - {letter}
        assert lock.stat().st_mode & 0o077 == 0
    for make in (Path.symlink_to, Path.hardlink_to):
        make(lock, letter)
        with contextlib.suppress(FastnstError), run_lock(tmp_path / "wave.ckpt"):
            pass
        lock.unlink(missing_ok=True)
        assert letter.read_text() == "dear reader"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_lock_is_one_line(tmp_path, make):
    with run_lock(tmp_path / "wave.ckpt"):
        (lock,) = tmp_path.iterdir()
    make(lock)
    with pytest.raises(FastnstError, match="is not a file that fastnst left: delete it"):
        run_lock(tmp_path / "wave.ckpt").__enter__()
    assert not (tmp_path / "nowhere").exists()


def test_a_run_that_waits_for_a_lock_that_is_deleted_takes_the_new_one(tmp_path, monkeypatch):
    """Another run ends between the opening of the lock and the locking of it."""
    with run_lock(tmp_path / "wave.ckpt"):
        (lock,) = tmp_path.iterdir()
    whole, opened = os.open, []

    def open_what_is_deleted_at_once(path, *arguments):
        opened.append(whole(path, *arguments))
        if len(opened) == 1:
            lock.unlink()
        return opened[-1]

    monkeypatch.setattr(os, "open", open_what_is_deleted_at_once)
    with run_lock(tmp_path / "wave.ckpt"):
        assert lock.exists()
        assert len(opened) == 2
    assert not lock.exists()


def test_many_processes_take_turns(tmp_path):
    """Each holds the lock alone, though each deletes it at its end."""
    command = [sys.executable, "-c", TAKE_TURNS, str(tmp_path / "wave.ckpt")]
    others = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [other.communicate()[0] for other in others] == ["40\n"] * 4
    assert list(tmp_path.iterdir()) == []
