import numpy as np
import pytest
from onnx import TensorProto

from fastnst import FastnstError, FastnstWarning, Painter, Stylizer
from fastnst.model.running_norms import TemporalNormSession
from tests.fastnst import tiny_models
from tests.fastnst.make_images import pixels


@pytest.fixture(scope="module")
def stylizer(tmp_path_factory):
    return Stylizer(tiny_models.network(tmp_path_factory.mktemp("video") / "network.onnx"))


def mean_difference(one, other):
    return np.abs(one.astype(int) - other).mean()


def test_the_first_frame_of_a_shot_is_the_pictures_own(stylizer):
    frame, other = pixels(40, 60), 255 - pixels(40, 60) // 3
    video = stylizer.for_video()
    for _ in range(2):
        assert np.abs(video(frame).astype(int) - stylizer(frame)).max() <= 1
        video(other)
        video.begin_shot()


def test_a_still_stays_as_it_is(stylizer):
    frame = pixels(40, 60)
    video = stylizer.for_video(0.3)
    first = video(frame)
    for _ in range(3):
        assert np.abs(video(frame).astype(int) - first).max() <= 1


def test_a_change_elsewhere_moves_the_rest_less(stylizer):
    before = pixels(64, 96)
    after = before.copy()
    after[:, 48:] = 255  # something large and bright enters on the right
    alone = mean_difference(stylizer(before)[:, :32], stylizer(after)[:, :32])
    video = stylizer.for_video(0.1)
    smoothed = mean_difference(video(before)[:, :32], video(after)[:, :32])
    assert alone > 5
    assert smoothed < 0.5 * alone
    for _ in range(60):
        last = video(after)
    assert np.abs(last.astype(int) - stylizer(after)).max() <= 2


def test_the_running_mean_is_that_of_the_rate(stylizer):
    one, other = pixels(40, 60), 255 - pixels(40, 60)
    video = stylizer.for_video(1.0)
    video(one)
    assert np.abs(video(other).astype(int) - stylizer(other)).max() <= 1


def test_the_stylizer_itself_is_left_as_it_is(stylizer):
    frame = pixels(40, 60)
    expected = stylizer(frame)
    stylizer.for_video()(255 - frame)
    np.testing.assert_array_equal(stylizer(frame), expected)


def test_models_from_elsewhere_of_an_older_opset(tmp_path):
    path = tiny_models.normalized(tmp_path / "normalized.onnx", output_scale=255, output_offset=0)
    stylizer = Stylizer(path)
    frame = pixels(40, 60)
    assert np.abs(stylizer.for_video()(frame).astype(int) - stylizer(frame)).max() <= 1


def test_a_model_of_float16(tmp_path):
    path = tiny_models.normalized(
        tmp_path / "half.onnx", output_scale=255, output_offset=0, dtype=TensorProto.FLOAT16
    )
    stylizer = Stylizer(path, threads=1)
    frame = pixels(40, 60)
    assert np.abs(stylizer.for_video()(frame).astype(int) - stylizer(frame)).max() <= 1


def test_a_model_without_norms_is_what_it_was(tmp_path):
    stylizer = Stylizer(tiny_models.invert(tmp_path / "invert.onnx"))
    video = stylizer.for_video()
    for frame in (pixels(8, 9), pixels(8, 9) // 2):
        np.testing.assert_array_equal(video(frame), 255 - frame)


@pytest.mark.parametrize("rate", [0, -1, 1.5, float("nan")])
def test_rates_out_of_range_are_told(rate):
    with pytest.raises(ValueError, match="rate must be above 0 and at most 1"):
        TemporalNormSession(b"", lambda data: None, rate=rate)


def test_a_painter_for_video_smooths_every_style_it_has(stylizer, tmp_path):
    other = Stylizer(tiny_models.network(tmp_path / "other.onnx", seed=5))
    before = pixels(64, 96)
    after = before.copy()
    after[:, 48:] = 255
    mask = np.zeros((64, 96), np.uint8)
    mask[32:] = 255
    painter = Painter(stylizer, regions=[(other, mask)], strength=0.9)
    video = painter.for_video()
    assert video.name == painter.name
    alone = mean_difference(painter(before)[:, :32], painter(after)[:, :32])
    smoothed = mean_difference(video(before)[:, :32], video(after)[:, :32])
    assert smoothed < 0.5 * alone
    video.begin_shot()
    assert np.abs(video(after).astype(int) - painter(after)).max() <= 1
    painter.begin_shot()  # which remembers nothing


@pytest.mark.parametrize("shape", [(1, 3, 24, 32), (2, 3, 24, 32)])
def test_more_frames_than_a_fixed_batch_holds_are_painted_in_turn(tmp_path, shape):
    stylizer = Stylizer(tiny_models.invert_float(tmp_path / "fixed.onnx", shape=shape))
    frames = np.stack([pixels(24, 32), 255 - pixels(24, 32), pixels(24, 32) // 2])
    assert (stylizer.for_video()(frames) == stylizer(frames)).all()


def test_the_style_for_a_video_says_what_it_is(stylizer):
    video = stylizer.for_video()
    for attribute in ("name", "path", "metadata", "providers"):
        assert getattr(video, attribute) == getattr(stylizer, attribute)


def test_a_painter_refuses_the_style_for_a_video_in_one_line(stylizer):
    with pytest.raises(FastnstError, match=r"not a VideoStylizer; for a video, Painter\.for_video\(\)"):
        Painter(stylizer.for_video())


def test_a_warning_of_a_fixed_size_names_the_callers_line(tmp_path):
    video = Stylizer(tiny_models.invert_float(tmp_path / "small.onnx", shape=(1, 3, 24, 32))).for_video()
    with pytest.warns(FastnstWarning, match="only works at 32x24 pixels") as caught:
        video(pixels(100, 120))
    assert caught[0].filename == __file__
