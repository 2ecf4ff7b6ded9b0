"""A process that is killed, and what it has started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from fastnst.parent_process import STOPS_WITH_PARENT

ROOT = Path(__file__).parents[2]

# Its main thread waits for something that no other thread's signal would end.
CHILD = """
import signal, sys, time
from fastnst.parent_process import stop_with_parent
def save(number, frame):
    print("saved", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, save)
signal.signal(signal.SIGINT, save)  # on Windows
stop_with_parent()
print("begun", flush=True)
time.sleep(float(sys.argv[1]))
print("done", flush=True)
"""

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], stdin=subprocess.PIPE)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("asked", "seconds", "told"), [(STOPS_WITH_PARENT, "60", "saved\n"), ({}, "0.3", "done\n")]
)
def test_a_child_stops_when_its_parent_is_killed_if_that_asks(
    asked: Mapping[str, str], seconds: str, told: str
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **asked}
    command = [sys.executable, "-c", PARENT, CHILD, seconds]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "begun\n"
        parent.kill()
        assert parent.stdout.read() == told
