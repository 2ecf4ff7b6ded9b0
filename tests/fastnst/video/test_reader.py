"""Frames upright, in the right colours, at their exact times; bad files in one line."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from fastnst import FastnstError, FastnstWarning
from fastnst.video.color import ColorTags, VideoColor
from fastnst.video.reader import Frame, VideoReader
from tests.fastnst.make_videos import TIME_BASE, av, make_video, moving, scene

UNEVEN = [0, 3000, 9000, 10_000, 20_000, 21_000, 30_000, 45_000, 48_000, 60_000]


def frames_of(path: Path, **options: int) -> list[Frame]:
    with VideoReader(path, **options) as reader:
        return [item for item in reader if isinstance(item, Frame)]


def test_frames_come_in_order_with_their_times(tmp_path: Path) -> None:
    pictures = moving(10)
    path = make_video(tmp_path / "uneven.mp4", pictures, times=UNEVEN)
    frames = frames_of(path)
    assert [frame.pts for frame in frames] == UNEVEN
    for frame, picture in zip(frames, pictures, strict=True):
        assert np.abs(frame.pixels.astype(int) - picture).mean() < 3
    with VideoReader(path) as reader:
        assert (reader.time_base, reader.frame_count) == (TIME_BASE, 10)


# By hand from H.273: what red 200, green 60, blue 30 are in each matrix and range.
@pytest.mark.parametrize(
    ("matrix", "full_range", "yuv"),
    [
        (1, False, (91, 101, 191)),
        (1, True, (88, 97, 199)),
        (6, False, (101, 94, 192)),
        (6, True, (98, 89, 200)),
        (9, False, (98, 98, 191)),
    ],
)
def test_colours_by_matrix_and_range(
    tmp_path: Path, matrix: int, full_range: bool, yuv: tuple[int, int, int]
) -> None:
    path = tmp_path / "plain.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "0"}
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 2 if full_range else 1
        planes = np.repeat(np.array(yuv, np.uint8), (32 * 32, 16 * 16, 16 * 16)).reshape(48, 32)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode(None))
    (frame,) = frames_of(path)
    assert np.abs(frame.pixels.astype(int) - [200, 60, 30]).max() <= 2


@pytest.mark.parametrize(
    ("rotation", "upright"),
    [
        ((90, False, False), lambda image: np.rot90(image, 1)),
        ((180, False, False), lambda image: np.rot90(image, 2)),
        ((-90, False, False), lambda image: np.rot90(image, -1)),
        ((0, True, False), lambda image: image[:, ::-1]),
        ((0, False, True), lambda image: image[::-1]),
    ],
)
def test_frames_are_upright(tmp_path: Path, rotation, upright) -> None:
    picture = scene(48, 64)
    path = make_video(tmp_path / "turned.mp4", [picture], rotation=rotation, aspect=Fraction(2))
    expected = upright(picture)
    with VideoReader(path) as reader:
        (frame,) = reader
        assert (reader.height, reader.width) == expected.shape[:2]
        assert reader.aspect == (Fraction(1, 2) if expected.shape[0] > expected.shape[1] else 2)
    assert np.abs(frame.pixels.astype(int) - expected).mean() < 3


def test_rotation_agrees_with_pyavs(tmp_path: Path) -> None:
    path = make_video(tmp_path / "turned.mp4", [scene(48, 64)], rotation=(90, False, False))
    with av.open(str(path)) as container:
        # FFmpeg's angle, counter-clockwise, is what np.rot90 turns by.
        assert next(container.decode(video=0)).rotation == 90


def test_size_reduces_and_never_enlarges(tmp_path: Path) -> None:
    path = make_video(tmp_path / "wide.mp4", moving(2, 48, 128))
    assert frames_of(path, size=64)[0].pixels.shape == (24, 64, 3)
    assert frames_of(path, size=70)[0].pixels.shape == (26, 70, 3)
    assert frames_of(path, size=500)[0].pixels.shape == (48, 128, 3)


def test_an_odd_size_loses_a_column_and_says_so(tmp_path: Path) -> None:
    picture = scene(47, 63)
    path = make_video(tmp_path / "odd.mkv", [picture], codec="ffv1", pix_fmt="bgr0")
    with pytest.warns(FastnstWarning, match="would be 63x47: the result is 62x46, as H.264 needs"):
        (frame,) = frames_of(path)
    np.testing.assert_array_equal(frame.pixels, picture[:46, :62])


def test_ten_bits_are_read_and_said(tmp_path: Path) -> None:
    picture = scene(48, 64)
    path = make_video(tmp_path / "deep.mkv", [picture], codec="ffv1", pix_fmt="yuv444p10le")
    with pytest.warns(FastnstWarning, match="has 10 bits a channel: the result has 8"):
        (frame,) = frames_of(path)
    assert np.abs(frame.pixels.astype(int) - picture).max() <= 2


def write_rgba(path: Path, *pictures: np.ndarray) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgba"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgba")))
        container.mux(stream.encode(None))
    return path


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    picture = np.dstack([scene(48, 64), np.full((48, 64), 255, np.uint8)])
    picture[:20, :, 3] = 0
    picture[20:30, :, 3] = 51
    path = write_rgba(tmp_path / "clear.mov", picture)
    with pytest.warns(FastnstWarning, match="has transparency: the result is laid on white"):
        (frame,) = frames_of(path)
    assert (frame.pixels[:20] == 255).all()
    np.testing.assert_array_equal(frame.pixels[30:], picture[30:, :, :3])
    assert np.abs(frame.pixels[20:30] - (0.2 * picture[20:30, :, :3] + 0.8 * 255)).max() < 1


def test_a_video_that_could_be_transparent_and_is_not_gets_no_line(tmp_path: Path) -> None:
    opaque = np.dstack([scene(48, 64), np.full((48, 64), 255, np.uint8)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = frames_of(write_rgba(tmp_path / "opaque.mov", opaque, opaque))
    np.testing.assert_array_equal(frames[1].pixels, opaque[..., :3])
    clear = opaque.copy()
    clear[5, 5, 3] = 254
    path = write_rgba(tmp_path / "later.mov", opaque, clear, clear)
    with pytest.warns(FastnstWarning) as lines:
        frames_of(path)
    assert [str(line.message) for line in lines] == [f"{path} has transparency: the result is laid on white"]


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow writes no AVIF")
def test_of_an_animated_avif_the_animation_is_read(tmp_path: Path) -> None:
    pictures = [Image.fromarray(picture) for picture in moving(4)]
    path = tmp_path / "in.avif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=200)
    with pytest.warns(FastnstWarning, match="also holds 1 more video track"):
        frames = frames_of(path)
    assert len(frames) == 4


def test_an_untagged_video_is_taken_for_what_players_take_it(tmp_path: Path) -> None:
    small = make_video(tmp_path / "small.mp4", [scene(48, 64)])
    large = make_video(tmp_path / "large.mp4", [scene(48, 1280)])
    with VideoReader(small) as reader:
        assert (reader.color.matrix, reader.color.swscale_matrix) == (2, 5)
    with VideoReader(large) as reader:
        assert (reader.color.matrix, reader.color.swscale_matrix) == (2, 1)
    # Players would take the reduced video for BT.601, so it says that it is not.
    with VideoReader(large, size=640) as reader:
        assert (reader.color.matrix, reader.color.swscale_matrix) == (1, 1)


def test_bad_files_have_one_line(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mp4", moving(5), audio="aac").read_bytes()
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    cases = {
        "missing.mp4": (None, "does not exist"),
        "empty.mp4": (b"", "is no video that can be read"),
        "text.mp4": (b"hello" * 100, "is no video that can be read"),
        "headless.mp4": (whole[: len(whole) // 2], "is no video that can be read"),
        "sound.mp4": (sound.read_bytes(), "holds no video that can be decoded"),
    }
    for name, (data, line) in cases.items():
        path = tmp_path / name
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(FastnstError, match=line) as caught:
            VideoReader(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(FastnstError, match="is a folder"):
        VideoReader(tmp_path)


def test_a_cut_off_file_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    path = make_video(tmp_path / "long.mkv", moving(100))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.warns(FastnstWarning, match=r"is damaged: what could be decoded, up to [\d.]+ s, is done"):
        frames = frames_of(path)
    assert 10 < len(frames) < 100


def test_a_cover_picture_is_not_the_video(tmp_path: Path) -> None:
    path = tmp_path / "covered.mp4"
    pictures = moving(3)
    make_video(tmp_path / "plain.mp4", pictures)
    with av.open(str(tmp_path / "plain.mp4")) as plain, av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 16
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        copy = container.add_stream_from_template(plain.streams.video[0])
        frame = av.VideoFrame.from_ndarray(scene(16, 16), format="rgb24").reformat(format="yuvj420p")
        container.mux(cover.encode(frame))
        container.mux(cover.encode(None))
        for packet in plain.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                container.mux(packet)
    assert [frame.pixels.shape for frame in frames_of(path)] == [(48, 64, 3)] * 3


@pytest.mark.parametrize(("tag", "expected"), [(2, 88), (1, 84), (0, 84)])
def test_the_range_is_the_tags_whatever_the_pixel_format(tag: int, expected: int) -> None:
    grey = np.full((24, 16), 88, np.uint8)
    grey[16:] = 128
    frame = av.VideoFrame.from_ndarray(grey, format="yuv420p")
    color = VideoColor.of(frame, ColorTags(range=tag))
    # 88 of 16 to 235 is (88 - 16) * 255 / 219.
    assert np.abs(color.to_rgb(frame, (16, 16)).astype(int) - expected).max() <= 1
    back = color.to_yuv(av.VideoFrame.from_ndarray(color.to_rgb(frame, (16, 16)), format="rgb24"))
    assert np.abs(back.to_ndarray().astype(int) - grey).max() <= 1
    assert back.color_range == tag


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile secret.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_playlist_paints_no_other_file(tmp_path: Path, text: str) -> None:
    for name in ("secret.mp4", "secret.ts"):
        make_video(tmp_path / name, moving(3))
    path = tmp_path / ("a.m3u8" if "EXTM3U" in text else "a.mp4")
    path.write_text(text)
    with pytest.raises(FastnstError, match="is a playlist, which names other files: give a video itself"):
        VideoReader(path)
