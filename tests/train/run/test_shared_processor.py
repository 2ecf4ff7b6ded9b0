"""The number of threads while other programs, or other processes of the run, use the processor."""

from types import SimpleNamespace

import pytest

from train.run import shared_processor
from train.run.shared_processor import SharedProcessor


class Balance:
    def __init__(self, *numbers):
        self.numbers = list(numbers)

    def adapt(self):
        before, now = self.numbers[:2]
        del self.numbers[0]
        return now, before


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(shared_processor.time, "monotonic", lambda: now.seconds)
    return now


@pytest.mark.parametrize("processes", [1, 2])
def test_threads_follow_the_free_cores_every_two_seconds_also_where_processes_train_together(
    clock, capsys, processes
):
    balance = Balance(4, 2, 1, 4)
    callback = SharedProcessor(balance)
    trainer = SimpleNamespace(world_size=processes)
    for seconds, left in ((0, 3), (1.9, 3), (2.1, 2), (4.2, 1)):
        clock.seconds = 100 + seconds
        callback.on_train_batch_start(trainer, None, None, 0)
        assert len(balance.numbers) == left
    assert capsys.readouterr().err == (
        "other programs use the processor: training on 2 of 4 threads while they do\n"
    )
