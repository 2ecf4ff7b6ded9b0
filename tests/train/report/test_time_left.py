"""The forecasts, on steps that take what steps of each size took when they were measured."""

from itertools import accumulate

import pytest

from train.photos.crop_schedule import CropSchedule
from train.report import time_left
from train.report.time_left import TimeLeft

SCHEDULE = CropSchedule(512, 2, 200)  # 160 steps of 256 px, then 40 of 512 px


@pytest.fixture
def forecasts(monkeypatch):
    """Replay steps, (seconds, processor seconds) each; return each forecast divided by what was left."""

    def replay(steps, *, schedule=SCHEDULE, first=0, tried=None):
        clocks = {"monotonic": 1000.0, "process_time": 10.0}
        for name in clocks:
            monkeypatch.setattr(time_left.time, name, lambda name=name: clocks[name])
        forecast = TimeLeft(schedule, first, tried)
        left = list(accumulate((seconds for seconds, _ in reversed(steps)), initial=0.0))[::-1]
        ratios = []
        for step, (seconds, busy) in enumerate(steps, first + 1):
            clocks["monotonic"] += seconds
            clocks["process_time"] += busy
            forecast.done(step)
            found, truth = forecast.seconds(), left[step - first]
            ratios.append(None if found is None else found / truth if truth else 1.0 + found)
        return ratios

    return replay


def recorded(*, load=1.0, first=2.2):
    """A run on one thread of an AMD EPYC (Zen 4); `load` is how much longer its steps take beside others."""
    # The network also paints a changed crop at every other step. A step of a new size prepares kernels.
    small, large = (0.283, 0.229), (0.933, 0.721)
    busy = [first, *(small[step % 2] for step in range(1, 160)), 2.17]
    busy += [large[step % 2] for step in range(161, 200)]
    return [(load * seconds, seconds) for seconds in busy]


TRIED = (128, 0.098)


def test_every_forecast_from_the_second_step_on_is_near(forecasts):
    first, *others = forecasts(recorded(), tried=TRIED)
    assert first is None
    assert min(others) > 0.85
    assert max(others) < 1.15


def test_the_first_step_waits_for_photos_and_changes_nothing(forecasts):
    assert forecasts(recorded(first=30.0), tried=TRIED)[1:] == pytest.approx(
        forecasts(recorded(), tried=TRIED)[1:]
    )


def test_the_load_while_the_small_step_was_tried_changes_nothing(forecasts):
    assert forecasts(recorded(load=4.0), tried=TRIED)[1:] == pytest.approx(
        forecasts(recorded(), tried=TRIED)[1:]
    )


def test_without_a_trial_the_cost_is_the_number_of_pixels(forecasts):
    schedule = CropSchedule(64, 2, 100)  # 80 and 20 steps
    steps = [(1.0, 1.0)] * 80 + [(4.0, 4.0)] * 20
    assert forecasts(steps, schedule=schedule)[1:] == pytest.approx([1.0] * 99)


def test_a_trial_that_cannot_be_stays_within_the_possible(forecasts):
    steps = [(1.0, 1.0)] * 80 + [(1.0, 1.0)] * 20
    schedule = CropSchedule(64, 2, 100)
    assert forecasts(steps, schedule=schedule, tried=(16, 5.0))[1:] == pytest.approx([1.0] * 99)
    assert max(forecasts(steps, schedule=schedule, tried=(16, 0.0))[1:]) == pytest.approx(4.0)


def test_a_resumed_part_counts_its_own_steps(forecasts):
    steps = [(9.0, 1.0), *[(2.0, 1.0)] * 29]
    first, *others = forecasts(steps, first=170)
    assert first is None
    assert others == pytest.approx([1.0] * 29)
