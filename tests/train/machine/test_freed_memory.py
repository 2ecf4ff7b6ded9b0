import subprocess
import sys

import pytest

from train.machine import freed_memory as memory
from train.machine.freed_memory import keep_freed_memory

# Page faults of allocating, filling and freeing 64 MB ten times over, once the heap has found its size. In a
# process of its own: the setting stays for as long as a process lives.
COUNT_FAULTS = """
import resource, sys, torch
from train.machine.freed_memory import keep_freed_memory
if "keep" in sys.argv:
    assert keep_freed_memory()
for _ in range(8):
    torch.ones(16_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(16_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS, *arguments], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(memory.platform.libc_ver()[0] != "glibc", reason="glibc alone gives memory back so soon")
def test_memory_is_not_given_back_between_steps():
    assert faults("keep") < 0.1 * faults()


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
