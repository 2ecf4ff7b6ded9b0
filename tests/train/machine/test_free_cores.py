import os

import pytest
import torch

from train.machine import free_cores
from train.machine.free_cores import FreeCores, ThreadBalance

TICKS = os.sysconf("SC_CLK_TCK")


class Machine:
    """Two cores, of which this process may use both; a third that it may not use is always idle."""

    def __init__(self, folder, monkeypatch):
        self.seconds = self.ours = 0.0
        self.idle = [0.0, 0.0]
        self.stat = folder / "stat"
        monkeypatch.setattr(free_cores, "_STAT", self.stat)
        monkeypatch.setattr(free_cores, "_MOST", 2)
        monkeypatch.setattr(free_cores.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
        monkeypatch.setattr(free_cores.time, "monotonic", lambda: self.seconds)
        monkeypatch.setattr(free_cores.time, "process_time", lambda: self.ours)
        monkeypatch.setattr(free_cores.time, "sleep", lambda seconds: self.passes(seconds, ours=0))
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        self.others = 0.0
        self.passes(0, ours=0)

    def passes(self, seconds, ours):
        """Let time pass, in which this process computes on so many cores and other programs on theirs."""
        idle = max(0.0, 2 - ours - self.others) * seconds
        self.seconds += seconds
        self.ours += ours * seconds
        self.idle = [self.idle[0] + 0.75 * idle, self.idle[1] + 0.25 * idle]
        first, second = (round(TICKS * idle) for idle in self.idle)
        third = round(TICKS * self.seconds)
        self.stat.write_text(
            f"cpu  9 9 9 {first + second + third} 0 0 0\ncpu0 9 9 9 {first} 0 0\ncpu1 9 9 9 0 {second} 0\n"
            f"cpu2 9 9 9 {third} 0 0\nintr 99\n"
        )


@pytest.fixture
def machine(tmp_path, monkeypatch):
    threads = torch.get_num_threads()
    yield Machine(tmp_path, monkeypatch)
    torch.set_num_threads(threads)


def test_cores_that_are_idle_or_used_by_this_process_are_free(machine):
    cores = FreeCores()
    machine.passes(1, ours=0.5)
    assert cores.measure() == pytest.approx(2, abs=0.05)
    machine.others = 0.8
    machine.passes(4, ours=1.1)
    assert cores.measure() == pytest.approx(1.2, abs=0.05)


def test_a_busy_neighbour_takes_a_thread_until_it_is_gone(machine):
    torch.set_num_threads(2)
    balance = ThreadBalance()
    machine.passes(2, ours=2)
    assert balance.adapt() == (2, 2)
    machine.others = 1
    machine.passes(2, ours=1)
    assert balance.adapt() == (1, 2)
    assert torch.get_num_threads() == 1
    machine.passes(2, ours=1)
    assert balance.adapt() == (1, 1)
    machine.others = 0.2  # which costs less than a thread
    machine.passes(2, ours=1)
    assert balance.adapt() == (2, 1)
    assert torch.get_num_threads() == 2


def test_one_thread_is_left_beside_any_load_and_no_more_than_at_first_without(machine):
    torch.set_num_threads(2)
    balance = ThreadBalance()
    machine.others = 2
    machine.passes(2, ours=0.1)
    assert balance.adapt() == (1, 2)
    machine.others = 0
    machine.passes(2, ours=1)
    machine.idle[0] += 10  # a machine that gives more than it shows
    machine.passes(2, ours=1)
    assert balance.adapt() == (2, 1)


def test_the_machine_is_watched_before_the_first_step(machine):
    torch.set_num_threads(2)
    machine.others = 1
    ThreadBalance().sample()
    assert torch.get_num_threads() == 1


def test_a_number_that_the_user_has_set_stays(machine, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    torch.set_num_threads(2)
    balance = ThreadBalance()
    machine.others = 1
    machine.passes(2, ours=1)
    assert balance.adapt() == (2, 2)


def test_where_nothing_is_known_of_the_cores_nothing_changes(machine):
    machine.stat.unlink()
    torch.set_num_threads(2)
    balance = ThreadBalance()
    assert FreeCores().measure() is None
    balance.sample()
    assert balance.adapt() == (2, 2)
