"""Optical flow, cuts, stabilisation and the measure of flicker, on scenes whose motion is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.instruments.flicker_meter import FlickerMeter
from fastnst.video.optical_flow import OpticalFlow, is_cut
from fastnst.video.stabilizer import Motion, Stabilizer
from tests.fastnst.make_videos import moving, scene

HEIGHT, WIDTH = 96, 128


def texture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A picture with detail for the flow to hold on to."""
    import cv2

    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.5), None, 20, 235, cv2.NORM_MINMAX)


def square_over(background: np.ndarray, left: int) -> np.ndarray:
    """A square of another texture in front of a background."""
    picture = background.copy()
    picture[30:66, left : left + 36] = texture(99, 36, 36)
    return picture


def flickering(frames: list[np.ndarray], amount: float = 30) -> list[np.ndarray]:
    """Frames painted with a texture that changes from one to the next."""
    painted = []
    for index, frame in enumerate(frames):
        change = amount * (texture(1000 + index).astype(float) / 127.5 - 1)
        painted.append(np.clip(frame.astype(float) + change, 0, 255).astype(np.uint8))
    return painted


def stabilized(sources: list[np.ndarray], painted: list[np.ndarray], **options: float) -> list[np.ndarray]:
    stabilizer = Stabilizer(**options)
    return [stabilizer.blend(p, stabilizer.track(s)) for s, p in zip(sources, painted, strict=True)]


def flicker_of(sources: list[np.ndarray], frames: list[np.ndarray]) -> FlickerMeter:
    meter = FlickerMeter()
    for source, frame in zip(sources, frames, strict=True):
        meter.update(source, frame)
    return meter


def pan(count: int, step: int = 3) -> list[np.ndarray]:
    wide = texture(1, HEIGHT, WIDTH + step * count)
    return [np.ascontiguousarray(wide[:, step * i : step * i + WIDTH]) for i in range(count)]


def test_flow_finds_a_known_motion() -> None:
    flow = OpticalFlow()
    before, after = pan(2, step=4)
    found = flow(after, before)  # what was 4 px to the right
    inner = found[10:-10, 10:-14]
    assert np.abs(np.median(inner, axis=(0, 1)) - [4, 0]).max() < 0.2
    warped = flow.warp(before, found)
    assert np.abs(warped.astype(int) - after)[10:-10, 10:-14].mean() < 3
    assert flow.visible(found, flow(before, after))[10:-10, 10:-14].mean() > 0.95


def test_flow_tells_what_is_hidden() -> None:
    background = texture(1)
    before, after = square_over(background, 40), square_over(background, 50)
    flow = OpticalFlow()
    visible = flow.visible(flow(after, before), flow(before, after))
    assert visible[36:60, 40:48].mean() < 0.5  # the square has uncovered it
    assert visible[:20].mean() > 0.95


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 100), (7, 5), (33, 31)])
def test_frames_of_any_size(shape: tuple[int, int]) -> None:
    sources = [scene(*shape, shift=i) for i in range(3)]
    for frame in stabilized(sources, sources):
        assert (frame.shape, frame.dtype) == ((*shape, 3), np.uint8)


def test_cuts_are_found_and_motion_is_none() -> None:
    stabilizer = Stabilizer()
    shots = [pan(5), moving(5, HEIGHT, WIDTH, seed=3), flickering([texture(8)] * 5, 12)]
    motions = [stabilizer.track(frame) for shot in shots for frame in shot]
    assert [index for index, motion in enumerate(motions) if motion is None] == [0, 5, 10]


def test_a_change_of_size_begins_anew() -> None:
    stabilizer = Stabilizer()
    for size in ((40, 60), (40, 60), (60, 40)):
        motion = stabilizer.track(scene(*size))
        frame = scene(*size, seed=5)
        result = stabilizer.blend(frame, motion)
    assert motion is None
    np.testing.assert_array_equal(result, frame)


def test_is_cut_wants_both_signs() -> None:
    seen, hidden = np.ones((8, 8), bool), np.zeros((8, 8), bool)
    same, other = np.zeros((8, 8), np.float32), np.full((8, 8), 90, np.float32)
    assert not is_cut(same, seen)
    assert is_cut(other, seen)
    assert is_cut(same, hidden)
    half = np.where(np.arange(8) < 4, same, other)
    assert not is_cut(half, seen)


def test_it_takes_out_flicker_and_keeps_what_moves() -> None:
    sources = pan(16)
    painted = flickering(sources)
    results = stabilized(sources, painted)
    before, after = flicker_of(sources, painted), flicker_of(sources, results)
    assert before.pairs == after.pairs == 15
    assert after.flicker < 0.5 * before.flicker
    # Against the truth, which is the source: nearer than what was painted, and not dragged behind.
    errors = [
        np.mean(
            [np.abs(f.astype(float) - s)[:, :-8].mean() for f, s in zip(frames[5:], sources[5:], strict=True)]
        )
        for frames in (painted, results)
    ]
    assert errors[1] < 0.6 * errors[0]


def test_it_leaves_no_ghost_behind_a_moving_thing() -> None:
    background = texture(1)
    sources = [square_over(background, 10 + 6 * i) for i in range(10)]
    results = stabilized(sources, sources)
    error = np.abs(results[-1].astype(float) - sources[-1]).mean(axis=-1)
    left = 10 + 6 * 9
    assert error[32:64, left - 6 : left].mean() < 6  # just uncovered, where the square was a frame ago
    assert error[32:64, left - 60 : left].mean() < 4
    # A blend that trusts everything does leave one there, so that this test can fail.
    blind = Stabilizer()
    for source in sources:
        motion = blind.track(source)
        everywhere = None if motion is None else Motion(0 * motion.flow, np.ones_like(motion.trust))
        ghost = blind.blend(source, everywhere)
    assert np.abs(ghost.astype(float) - sources[-1]).mean(axis=-1)[32:64, left - 6 : left].mean() > 15


def test_what_is_uncovered_is_not_trusted_where_it_looks_alike() -> None:
    sources = [(128 + 0.12 * (square_over(texture(1), left) - 128.0)).astype(np.uint8) for left in (40, 48)]
    stabilizer = Stabilizer()
    assert stabilizer.track(sources[0]) is None
    motion = stabilizer.track(sources[1])
    assert motion is not None
    assert motion.trust[18:30, 20:24].mean() < 0.3  # at half the size: the square has uncovered it
    assert motion.trust[:12].mean() > 0.95


def test_what_changes_in_its_place_is_not_held_back() -> None:
    before = texture(1)
    after = before.copy()
    after[30:66, 40:80] = np.clip(after[30:66, 40:80].astype(int) + 60, 0, 255)  # a light goes on
    painted = [255 - before, 255 - after]
    result = stabilized([before, after], painted)[1]
    assert np.abs(result.astype(int) - painted[1])[36:60, 46:74].mean() < 2


def test_after_a_cut_nothing_of_the_past_is_left() -> None:
    sources = pan(4) + moving(4, HEIGHT, WIDTH, seed=3)
    painted = [255 - source for source in sources]
    np.testing.assert_array_equal(stabilized(sources, painted)[4], painted[4])


def test_strength_0_changes_nothing_and_more_takes_out_more() -> None:
    sources = pan(8)
    painted = flickering(sources)
    for result, frame in zip(stabilized(sources, painted, strength=0), painted, strict=True):
        np.testing.assert_array_equal(result, frame)
    flickers = [flicker_of(sources, stabilized(sources, painted, strength=s)).flicker for s in (0, 0.4, 0.8)]
    assert flickers[0] > flickers[1] > flickers[2]
    for strength in (-0.1, 1):
        with pytest.raises(ValueError, match="strength must be at least 0 and below 1"):
            Stabilizer(strength=strength)


def test_the_painted_frame_is_not_written_to() -> None:
    sources = pan(3)
    painted = flickering(sources)
    copies = [frame.copy() for frame in painted]
    stabilized(sources, painted)
    for frame, copy in zip(painted, copies, strict=True):
        np.testing.assert_array_equal(frame, copy)


def test_the_source_flickers_by_1() -> None:
    sources = flickering(pan(6), 4)
    meter = flicker_of(sources, sources)
    assert meter.flicker == pytest.approx(1)
    assert meter.pairs == 5


def test_flicker_is_the_change_that_is_no_motion() -> None:
    still = [texture(1)] * 6
    steps = [
        np.clip(frame.astype(int) + 10 * (i % 2), 0, 255).astype(np.uint8) for i, frame in enumerate(still)
    ]
    meter = flicker_of(still, steps)
    assert meter.stylized_error == pytest.approx(10, abs=0.01)
    assert meter.source_error == pytest.approx(0, abs=0.01)
    # A painting that moves with the scene does not flicker, one that stands still does.
    sources = pan(6)
    along = flicker_of(sources, [255 - source for source in sources])
    assert along.flicker == pytest.approx(1, rel=0.05)
    standing = flicker_of(sources, [texture(7)] * 6)
    assert standing.flicker > 3 * along.flicker


def test_what_is_uncovered_does_not_count() -> None:
    """White where the square has been: as a change of the painting it would be 255 levels in 6x36 pixels."""
    lefts = [10 + 6 * i for i in range(6)]
    sources = [square_over(texture(1), left) for left in lefts]
    painted = [np.zeros_like(source) for source in sources]
    for frame, left in zip(painted, lefts, strict=True):
        frame[30:66, lefts[0] : left] = 255
    assert flicker_of(sources, painted).stylized_error < 0.4 * 255 * 6 * 36 / (HEIGHT * WIDTH)


def test_pairs_across_cuts_do_not_count() -> None:
    sources = pan(4) + moving(3, HEIGHT, WIDTH, seed=3)
    meter = flicker_of(sources, sources)
    assert (meter.pairs, meter.cuts) == (5, 1)


def test_detail_tells_blur() -> None:
    import cv2

    sources = pan(3)
    sharp = flicker_of(sources, sources).detail
    blurred = flicker_of(sources, [cv2.blur(source, (7, 7)) for source in sources]).detail
    assert blurred < 0.6 * sharp


def test_a_meter_without_pairs_says_nan() -> None:
    meter = FlickerMeter()
    assert math.isnan(meter.flicker)
    meter.update(scene(20, 30), scene(40, 60))
    assert meter.pairs == 0
    assert math.isnan(meter.source_error)
