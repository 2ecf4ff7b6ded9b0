"""Videos in HDR, in wide primaries and with transparency: a player shows the painting's colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastnst import FastnstError, FastnstWarning
from fastnst.color.space import HLG, PQ, PRIMARIES, ColorSpace, ToSrgb
from fastnst.video.pipeline import stylize_video
from fastnst.video.reader import VideoReader
from tests.fastnst.make_profiles import in_hdr, in_space
from tests.fastnst.make_videos import av, decoded, make_video

BT709, BT2020, P3 = 1, 9, 12
EXACT = 0x4 | 0x2000 | 0x4000 | 0x40000


def patches(least: int = 20, most: int = 170) -> np.ndarray:
    """A scene of large patches, none brighter than what tone mapping keeps."""
    colours = np.random.default_rng(2).integers(least, most, (3, 4, 3))
    return colours.repeat(16, axis=0).repeat(16, axis=1).astype(np.uint8)


def hdr_video(path: Path, values: np.ndarray, transfer: int | None, said: str = "") -> Path:
    """A video of 10 bits from values in [0, 1] of shape (H, W, 3), as cameras make it.

    Args:
        transfer: None for a video that says nothing about its colours.
        said: More parameters of x265, such as the brightest light.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25)
        stream.height, stream.width = values.shape[:2]
        stream.pix_fmt, stream.options = "yuv420p10le", {"crf": "4", "x265-params": f"log-level=none{said}"}
        context = stream.codec_context
        if transfer is not None:
            context.colorspace, context.color_range = BT2020, 1
            context.color_primaries, context.color_trc = BT2020, transfer
        for index in range(3):
            rgb = np.rint(65_535 * values).astype(np.uint16)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb48le").reformat(
                format="yuv420p10le",
                src_color_range=2,
                dst_colorspace=9,
                dst_color_range=1,
                interpolation=EXACT,
            )
            tags = (2, 0) if transfer is None else (BT2020, 1)
            (frame.colorspace, frame.color_range), frame.pts = tags, index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tagged_by_its_container(path: Path, source: Path, transfer: int) -> Path:
    """Copy a video that says nothing about its colours into a container that does."""
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0], opaque=True)
        context = stream.codec_context
        context.colorspace, context.color_range = BT2020, 1
        context.color_primaries, context.color_trc = BT2020, transfer
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    return path


def tags_of(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        return [frame.colorspace, context.color_primaries, context.color_trc]


def mean_difference(first: np.ndarray, second: np.ndarray) -> float:
    """The mean difference within the patches, where halved chroma does not mix them."""
    middles = [pixels.reshape(3, 16, 4, 16, 3)[:, 4:12, :, 4:12].astype(int) for pixels in (first, second)]
    return float(np.abs(middles[0] - middles[1]).mean())


@pytest.mark.parametrize(("name", "transfer"), [("PQ", PQ), ("HLG", HLG)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_hdr_is_painted_and_written_as_sdr(tmp_path: Path, name: str, transfer: int, suffix: str) -> None:
    source = hdr_video(tmp_path / f"hdr{suffix}", in_hdr(patches(), name), transfer)
    assert tags_of(source) == [BT2020, BT2020, transfer]
    seen: list[np.ndarray] = []

    def paint(pixels: np.ndarray) -> np.ndarray:
        seen.append(pixels)
        return 255 - pixels

    result = tmp_path / f"result{suffix}"
    with (
        pytest.warns(FastnstWarning, match="is HDR: the result is tone-mapped to SDR, BT.709 in 8 bits$"),
        VideoReader(source) as reader,
    ):
        stylize_video(reader, result, paint, crf=4)
    assert mean_difference(seen[0], patches()) < 1
    assert tags_of(result) == [BT709, BT709, BT709]
    with VideoReader(result) as reader:
        frame = next(iter(reader))
    assert mean_difference(frame.pixels, 255 - patches()) < 1.5


def test_bright_light_rolls_off_and_keeps_its_order_and_hue() -> None:
    nits = np.array([10, 92, 203, 400, 700, 1000, 4000], float)
    grey = np.repeat(nits[None, :, None], 3, axis=2)
    values = np.rint(65_535 * in_hdr(_srgb_above_one(grey / 203), "PQ")).astype(np.uint16)
    levels = ToSrgb(ColorSpace(PRIMARIES[BT2020], PQ))(values)[0, :, 1].astype(int)
    plain = 255 * (1.055 * (nits / 203) ** (1 / 2.4) - 0.055)
    assert np.abs(levels[:2] - plain[:2]).max() <= 1
    assert (np.diff(levels[:5]) >= 5).all()
    assert levels[4:].tolist() == [255, 255, 255]
    assert 215 <= levels[2] <= 235
    bright = ToSrgb(ColorSpace(PRIMARIES[BT2020], PQ, peak=4000.0))(values)[0, :, 1]
    assert (np.diff(bright.astype(int)) > 0).all()
    # A red four times as bright as SDR's keeps the proportions of its light.
    red = in_hdr(_srgb_above_one(np.array([[[4.0, 0.4, 0.4]]])), "PQ")
    shown = ToSrgb(ColorSpace(PRIMARIES[BT2020], PQ))(np.rint(65_535 * red).astype(np.uint16))[0, 0] / 255
    light = ((shown + 0.055) / 1.055) ** 2.4
    assert light[0] / light[1] == pytest.approx(10, rel=0.1)


# A light of 2000 nits burns out unless the video says that its light goes to 4000.
@pytest.mark.parametrize(
    ("said", "is_white"),
    [
        ("", True),
        (":max-cll=4000,400", False),
        (
            ":master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(40000000,50)",
            False,
        ),
    ],
)
def test_the_brightest_light_is_the_files(tmp_path: Path, said: str, is_white: bool) -> None:
    values = in_hdr(_srgb_above_one(np.full((48, 64, 3), 2000 / 203)), "PQ")
    source = hdr_video(tmp_path / "hdr.mp4", values, PQ, said)
    with pytest.warns(FastnstWarning, match="is HDR"), VideoReader(source) as reader:
        pixels = next(iter(reader)).pixels
    assert (pixels.mean() > 254.5) == is_white
    assert pixels.mean() > 235


def _srgb_above_one(linear: np.ndarray) -> np.ndarray:
    """Levels of sRGB, of which 255 is SDR's white, for light of any brightness."""
    return 255 * (1.055 * linear ** (1 / 2.4) - 0.055)


# By the chromaticities of H.273: a red, green and blue that screens of these primaries show as sRGB's.
@pytest.mark.parametrize("primaries", [6, BT2020, P3])
def test_other_primaries_are_painted_as_srgb_and_written_as_they_were(tmp_path: Path, primaries: int) -> None:
    scene = np.rint(0.6 * patches(20, 230) + 50).astype(np.uint8)
    if primaries == P3:
        values = np.asarray(in_space(scene, "Display P3")[0])
        assert np.abs(ToSrgb(ColorSpace(PRIMARIES[P3]))(values).astype(int) - scene).max() <= 1
    else:
        values = scene
    shown = ToSrgb(ColorSpace(PRIMARIES[primaries]))(values)
    tags = {"colorspace": BT709, "color_primaries": primaries, "color_trc": BT709}
    source = make_video(tmp_path / "in.mp4", [values] * 3, tags=tags)
    seen: list[np.ndarray] = []

    def keep(pixels: np.ndarray) -> np.ndarray:
        seen.append(pixels)
        return pixels

    with VideoReader(source) as reader:
        stylize_video(reader, tmp_path / "out.mp4", keep, crf=4)
    assert mean_difference(seen[0], shown) < 1
    assert mean_difference(shown, values) > 1.2
    assert tags_of(tmp_path / "out.mp4") == [BT709, primaries, BT709]
    before, after = (decoded(tmp_path / name)[0].to_ndarray(format="rgb24") for name in ("in.mp4", "out.mp4"))
    assert mean_difference(before, after) < 1


def test_a_matrix_that_cannot_be_converted_is_refused(tmp_path: Path) -> None:
    tags = {"colorspace": 14, "color_primaries": BT2020, "color_trc": PQ}
    source = make_video(tmp_path / "in.mp4", [patches()], tags=tags)
    with pytest.raises(FastnstError, match=r"has colours in ICtCp, which are not read: convert"):
        VideoReader(source)


def dolby_vision(path: Path, plain: Path, profile: int) -> Path:
    """Add to each frame of an HEVC video what says that its colours are Dolby Vision's."""

    def number(value: int) -> str:  # H.265's ue(v)
        bits = bin(value + 1)[2:]
        return "0" * (len(bits) - 1) + bits

    # Prefix, type, format, profile and level; the depths of its layers, whose range is full; a straight line
    # for each component; a checksum.
    bits = f"{25:08b}{2:06b}{18:011b}{profile:04b}0000"
    bits += f"1000{number(23)}011{number(2)}{number(2)}{number(4)}00000100" + number(0) * 3
    bits += f"{number(0)}{0:010b}{1023:010b}" * 3 + number(0) * 2
    bits += (number(0) * 2 + "0" + number(0) + "0" * 23 + number(1) + "0" * 23) * 3
    bits += "0" * (-len(bits) % 8)
    content = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\0\0\0", b"\0\0\3\0")
    unit = b"\x7c\1" + content + b"\1\1\1\1\x80"
    with av.open(str(plain)) as given, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0], opaque=True)
        for packet in given.demux(video=0):
            if packet.dts is not None:
                longer = av.Packet(bytes(packet) + len(unit).to_bytes(4, "big") + unit)
                longer.pts, longer.dts, longer.time_base = packet.pts, packet.dts, packet.time_base
                longer.stream, longer.is_keyframe = stream, packet.is_keyframe
                container.mux(longer)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_only_the_container_says_of_colours_counts(tmp_path: Path, suffix: str) -> None:
    silent = hdr_video(tmp_path / "silent.mp4", in_hdr(patches(), "PQ"), None)
    path = tagged_by_its_container(tmp_path / f"tagged{suffix}", silent, PQ)
    assert tags_of(path) == [2, 2, 2]  # as the decoder says
    with pytest.warns(FastnstWarning, match="is HDR"), VideoReader(path) as reader:
        frame = next(iter(reader))
    assert mean_difference(frame.pixels, patches()) < 1


def test_dolby_visions_own_colours_are_refused_and_those_on_hdr10_are_read(tmp_path: Path) -> None:
    plain = hdr_video(tmp_path / "plain.mp4", in_hdr(patches(), "PQ"), PQ)
    own, on_hdr10 = (dolby_vision(tmp_path / f"{i}.mp4", plain, profile=i) for i in (0, 1))
    for path in (own, on_hdr10):
        assert {data.type.name for data in decoded(path)[0].side_data} >= {"DOVI_METADATA"}
    with pytest.raises(FastnstError, match=r"Dolby Vision, profile 5\), which are not read: convert"):
        VideoReader(own)
    with pytest.warns(FastnstWarning, match="is HDR: the result is tone-mapped"):
        VideoReader(on_hdr10)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_transparent_webm_is_laid_on_white(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "clear.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        stream.options = {"crf": "4", "b:v": "1M", "auto-alt-ref": "0"}
        for index in range(4):
            rgba = np.full((48, 64, 4), (255, 0, 255, 0), np.uint8)  # a glaring colour that nobody sees
            rgba[:24] = (200, 60, 30, 255)
            frame = av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(format="yuva420p")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with (
        pytest.warns(FastnstWarning, match="has transparency: the result is laid on white"),
        VideoReader(path) as reader,
    ):
        stylize_video(reader, tmp_path / "out.mkv", lambda pixels: pixels, crf=4)
    frames = decoded(tmp_path / "out.mkv")
    assert [float(frame.pts * frame.time_base) for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12])
    for frame in frames:
        pixels = frame.to_ndarray(format="rgb24").astype(int)
        assert np.abs(pixels[28:] - 255).max() <= 4
        assert np.abs(pixels[:20] - [200, 60, 30]).max() <= 8
    assert frames[0].format.name == "yuv420p"
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert "alpha_mode" not in container.streams.video[0].metadata
