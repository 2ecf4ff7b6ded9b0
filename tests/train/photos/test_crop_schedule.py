import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.photos.crop_schedule import CropSchedule


def test_each_stage_has_crops_of_twice_the_side_and_the_same_arithmetic():
    schedule = CropSchedule(512, 3, 2100)
    assert schedule.sides == (128, 256, 512)
    assert schedule.starts == (0, 1600, 2000, 2100)
    assert [schedule.side(step) for step in (0, 1599, 1600, 1999, 2000, 2099)] == [
        128,
        128,
        256,
        256,
        512,
        512,
    ]
    assert [schedule.progress(step) for step in (1600, 2000, 2050)] == pytest.approx([1 / 3, 2 / 3, 5 / 6])


def test_one_stage_has_one_size():
    schedule = CropSchedule(250, 1, 10)
    assert schedule.sides == (250,)
    assert {schedule.side(step) for step in range(11)} == {250}
    assert schedule.progress(5) == 0.5


def test_crops_too_small_for_the_loss_network_are_left_out():
    assert CropSchedule(128, 9, 10).sides == (32, 64, 128)
    assert CropSchedule(16, 2, 10).sides == (16,)


@given(size=st.integers(16, 600), stages=st.integers(1, 6), steps=st.integers(1, 500))
def test_progress_rises_from_0_to_1_and_sides_never_shrink(size, stages, steps):
    schedule = CropSchedule(size, stages, steps)
    progress = [schedule.progress(step) for step in range(steps + 1)]
    assert progress[0] == 0
    assert progress[-1] == 1
    assert progress == sorted(progress)
    sides = [schedule.side(step) for step in range(steps)]
    assert sides == sorted(sides)
    assert sides[-1] == size
