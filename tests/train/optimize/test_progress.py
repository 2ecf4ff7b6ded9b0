import re
import sys

import pytest
import torch

from tests.train.report.test_progress import Terminal
from train.loss.perceptual_loss import PerceptualLosses
from train.optimize import progress as optimization_progress
from train.optimize.progress import OptimizationProgress


@pytest.fixture
def show(monkeypatch):
    """Show steps that take `seconds` each, the first four times as long; return what is on the terminal."""

    def run(*, tty, steps, seconds):
        terminal = Terminal(tty=tty)
        now = [100.0]
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr(optimization_progress.time, "monotonic", lambda: now[0])
        progress = OptimizationProgress(steps)
        for step in range(steps + 1):
            content, style = torch.tensor(step / 100), torch.tensor(1 / (step + 1))
            losses = PerceptualLosses(*(style, content, style, style, style, style), {}, {}, {})
            progress.show(step, losses, torch.ones(1))
            assert progress.last.number == step
            now[0] += 4 * seconds if step == 0 else seconds
        progress.close()
        return terminal.getvalue()

    return run


def test_without_a_terminal_a_line_comes_every_few_seconds_and_at_both_ends(show):
    assert show(tty=False, steps=16, seconds=1).splitlines() == [
        "step 0/16: content 0.000, style 1.0000",
        "step 2/16: content 0.020, style 0.3333, 0:14 left",
        "step 7/16: content 0.070, style 0.1250, 0:09 left",
        "step 12/16: content 0.120, style 0.0769, 0:04 left",
        "step 16/16: content 0.160, style 0.0588, 0:00 left",
    ]


def test_the_first_step_does_not_foretell_the_others(show):
    lines = show(tty=False, steps=4, seconds=30).splitlines()
    assert len(lines) == 5
    assert "left" not in lines[1]
    assert lines[2].endswith("1:00 left")


def test_on_a_terminal_there_is_a_bar_with_the_losses_and_the_time_left(show):
    drawn = show(tty=True, steps=10, seconds=1)
    assert re.search(r" 50%.*5/10 steps.* left, content 0\.050, style 0\.1667", drawn)
    assert "10/10 steps" in drawn
    assert drawn.endswith("\n")
