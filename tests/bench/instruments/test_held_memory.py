import subprocess
import sys
from pathlib import Path

import pytest

from bench.instruments.held_memory import held_memory

# Holds 40 MB, and starts a process that shares them and holds 80 MB of its own.
PROGRAM = """
import os, sys
shared = b"x" * 40_000_000
if os.fork() == 0:
    own = b"y" * 80_000_000
    print("ready", flush=True)
sys.stdin.read()
"""


def test_the_processes_that_one_started_count_and_what_they_share_once():
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        held = held_memory(process.pid)
        process.stdin.close()
        process.wait()
    assert held > 120_000_000
    if Path("/proc/self/smaps_rollup").exists():
        assert held < 155_000_000
    assert held_memory(process.pid) == 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system has no /proc")
def test_where_shares_cannot_be_had_it_is_the_resident_size(monkeypatch):
    read_text = Path.read_text

    def without_shares(path, *args, **options):
        if path.name == "smaps_rollup":
            raise PermissionError(path)
        return read_text(path, *args, **options)

    monkeypatch.setattr(Path, "read_text", without_shares)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert held_memory(process.pid) > 1_000_000
        process.communicate(b"\n")
