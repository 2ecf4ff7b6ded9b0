"""One process at a time holds a file, and what is no file of fastnst's is left alone."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fastnst import FastnstError
from fastnst.file_lock import FileLock, LockedError

pytest.importorskip("fcntl", reason="Windows has no such locks")

HOLD_AND_FORK = """
import os, sys, time
from pathlib import Path
from fastnst.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
if not os.fork():
    print(os.getpid(), flush=True)
    os.close(1)
    lock.release(delete=True)  # which is not the fork's to do
time.sleep(60)
"""


def test_a_lock_is_held_once_and_deletes_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    lock = FileLock(path)
    with pytest.raises(LockedError):
        FileLock(path)
    lock.release(delete=True)
    assert not path.exists()
    path.write_bytes(b"content")
    FileLock(path).release(delete=False)
    assert path.read_bytes() == b"content"


def test_only_the_file_that_was_locked_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    lock = FileLock(path)
    path.rename(tmp_path / "final")
    path.write_bytes(b"another process's")
    lock.release(delete=True)
    assert path.read_bytes() == b"another process's"
    assert (tmp_path / "final").exists()


def test_a_fork_that_outlives_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    command = [sys.executable, "-c", HOLD_AND_FORK, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        fork = int(process.stdout.readline())
        try:
            with pytest.raises(LockedError):
                FileLock(path)
            process.kill()
            process.wait()
            FileLock(path).release(delete=True)
        finally:
            os.kill(fork, signal.SIGKILL)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_is_one_line(tmp_path: Path, make) -> None:
    make(tmp_path / "a.lock")
    with pytest.raises(FastnstError, match=r"a.lock is not a file that fastnst left: delete it"):
        FileLock(tmp_path / "a.lock")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_system_without_locks_gives_every_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_locks)
    locks = [FileLock(tmp_path / "a.lock") for _ in range(2)]
    for lock in locks:
        lock.release(delete=True)
    assert list(tmp_path.iterdir()) == []
