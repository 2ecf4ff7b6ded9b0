import io
import re
import sys
from types import SimpleNamespace

import pytest
import torch

from train.photos.crop_schedule import CropSchedule
from train.report import progress
from train.report.progress import TrainingProgress
from train.step.style_transfer import StyleTransfer


class Terminal(io.StringIO):
    def __init__(self, *, tty):
        super().__init__()
        self.tty = tty

    def isatty(self):
        return self.tty


@pytest.fixture
def show(monkeypatch, tiny_module):
    """Run callbacks over steps that take `seconds` each; return what the terminal received."""

    def run(*, tty, steps, seconds, enabled=True, first=0, size=32, stages=1):
        terminal = Terminal(tty=tty)
        now = [100.0]
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
        tiny_module.schedule = CropSchedule(size, stages, steps)
        bar = TrainingProgress()
        if not enabled:
            bar.disable()
        trainer = SimpleNamespace(global_step=first, max_steps=steps, world_size=1, is_global_zero=True)
        bar.on_train_start(trainer, tiny_module)
        for step in range(first + 1, steps + 1):
            now[0] += seconds
            trainer.global_step = step
            bar.on_train_batch_end(trainer, tiny_module, None, None, 0)
            if step == 2:
                bar.print("preview:", "grid.png")
        bar.on_train_end(trainer, tiny_module)
        return terminal.getvalue()

    return run


def test_without_a_terminal_a_line_comes_every_few_seconds_and_at_the_end(show, tiny_module):
    lines = show(tty=False, steps=16, seconds=1).splitlines()
    losses = tiny_module.losses
    status = f"2 images/s, content {losses.content:.3f}, style {losses.style:.4f}"
    assert lines == [
        f"step 1/16: {status}",
        "preview: grid.png",
        f"step 6/16: {status}, 0:10 left",
        f"step 11/16: {status}, 0:05 left",
        f"step 16/16: {status}, 0:00 left",
    ]


def test_slow_steps_each_have_a_line(show):
    assert len(show(tty=False, steps=4, seconds=30).splitlines()) == 5


def test_on_a_terminal_there_is_a_bar_with_speed_losses_and_the_time_left(show):
    drawn = show(tty=True, steps=10, seconds=1)
    assert re.search(r" 50%.*step 5/10.*, 2 images/s, content \d\.\d+, style \d\.\d+, 0:05 left", drawn)
    assert "step 10/10" in drawn
    assert drawn.endswith("\n")
    # A message stands on a line of its own, above the bar.
    assert re.search(r"[\r\n]preview: grid.png\n", drawn)


def test_with_growing_crops_a_line_has_their_size(show):
    lines = show(tty=False, steps=100, seconds=1, size=64, stages=2).splitlines()
    assert "32 px, 2 images/s" in lines[0]
    (middle,) = [line for line in lines if line.startswith("step 81/100")]
    assert "64 px, 2 images/s" in middle


def test_a_resumed_run_counts_its_own_steps_for_the_speed_and_the_time_left(show):
    lines = show(tty=False, first=1000, steps=1011, seconds=1).splitlines()
    assert [re.sub(r", content.*\d{4}", "", line) for line in lines] == [
        "step 1001/1011: 2 images/s",
        "step 1006/1011: 2 images/s, 0:05 left",
        "step 1011/1011: 2 images/s, 0:00 left",
    ]


def test_a_small_step_is_tried_and_leaves_no_trace(tiny, tmp_path, train, monkeypatch):
    found = []
    original = StyleTransfer.try_small_step

    def keep(self, step):
        before = {name: value.clone() for name, value in self.state_dict().items()}
        found.append(original(self, step))
        assert all(parameter.grad is None for parameter in self.parameters())
        for name, value in self.state_dict().items():
            assert torch.equal(value, before[name])
        return found[-1]

    monkeypatch.setattr(StyleTransfer, "try_small_step", keep)
    assert train(tiny.arguments(tmp_path, image_size=128, crop_stages=2))[0] == 0
    ((side, seconds),) = found
    assert side == 32
    assert 0 < seconds < 60


def test_no_step_is_tried_where_one_size_is_left(tiny_module):
    tiny_module.schedule = CropSchedule(128, 2, 100)
    assert tiny_module.try_small_step(80) is None
    tiny_module.schedule = CropSchedule(128, 1, 100)
    assert tiny_module.try_small_step(0) is None


def test_processes_other_than_the_first_show_nothing(show):
    assert show(tty=False, steps=3, seconds=10, enabled=False) == ""
    assert show(tty=True, steps=3, seconds=10, enabled=False) == ""
