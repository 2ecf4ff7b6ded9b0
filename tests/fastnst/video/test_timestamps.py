"""The clock of every container: each frame's time, the sound's offset and the end stay, to one tick."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fastnst import FastnstError
from fastnst.errors import FastnstWarning
from fastnst.video.partial import partial_path, write_video
from fastnst.video.pipeline import stylize_video
from fastnst.video.reader import Frame, VideoReader
from fastnst.video.stream_copy import StreamCopy
from tests.fastnst.make_videos import av, make_video, moving, times_of

MS = Fraction(1, 1000)
STEADY = [Fraction(index, 25) for index in range(12)]
UNEVEN = [time * MS for time in (0, 40, 80, 200, 240, 280, 400, 440, 520, 560, 600, 720)]
CODECS = {".webm": "libvpx", ".gif": "gif", ".avi": "mpeg4"}


@dataclass
class Shown:
    """What FFmpeg shows of a file, in seconds: when frames and packets of sound begin, and when it ends."""

    frames: list[Fraction]
    sound: list[Fraction]
    end: Fraction


def make(
    path: Path,
    times: list[Fraction],
    *,
    last: Fraction = Fraction(1, 25),
    sound: str | None = None,
    sound_at: Fraction = Fraction(0),
    sound_for: float = 0.5,
    sound_rate: int = 48_000,
    rate: int = 25,
    timecode: str | None = None,
    b_frames: int = 0,
    size: int = 32,
) -> Path:
    """Write a video of small frames at these times, the last of which stands for `last`."""
    codec = CODECS.get(path.suffix, "libx264")
    unit = {"gif": Fraction(1, 100), "mpeg4": Fraction(1, rate)}.get(codec, Fraction(1, 90_000))
    options = {
        "libx264": {"avoid_negative_ts": "disabled"} if path.suffix == ".mkv" else {},
        "gif": {"final_delay": str(round(last * 100))},
    }.get(codec, {})
    packets = []
    with av.open(str(path), "w", container_options=options) as container:
        video = container.add_stream(codec, rate=rate)
        video.width = video.height = size
        video.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        video.codec_context.time_base = unit
        # Without frames that refer to later ones, the times of storing and of showing are the same here.
        reorder = {"bf": str(b_frames), "b-adapt": "0", "preset": "ultrafast"}
        video.options = reorder if codec == "libx264" else {}
        if timecode:
            video.metadata["timecode"] = timecode
        tone = container.add_stream(sound, rate=sound_rate) if sound else None
        stops = [*times[1:], times[-1] + last]
        durations = {round(t / unit): round((s - t) / unit) for t, s in zip(times, stops, strict=True)}
        for time, pixels in zip(times, moving(len(times), size, size), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=video.pix_fmt)
            frame.pts, frame.time_base = round(time / unit), unit
            packets += video.encode(frame)
        packets += video.encode(None)
        for packet in packets:
            packet.duration = durations[packet.pts]
        if tone is not None:
            wave = np.sin(np.arange(round(sound_rate * sound_for)) * 0.05).astype(np.float32)
            part = av.AudioFrame.from_ndarray(np.stack([wave, wave]), "fltp", "stereo")
            part.sample_rate, part.time_base = sound_rate, Fraction(1, sound_rate)
            part.pts = round(sound_at * sound_rate)
            resampler = av.AudioResampler(tone.codec_context.format, "stereo", sound_rate)
            for resampled in resampler.resample(part):
                packets += tone.encode(resampled)
            packets += tone.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def shown(path: Path) -> Shown:
    """Look with FFmpeg, not with the reader under test; a transport stream begins at its first packet."""
    frames, sound, ends = [], [], []
    with av.open(str(path)) as container:
        delay = Fraction(0)  # of a decoder of sound in Matroska, whose headers count from where it begins
        for packet in container.demux([*container.streams.video, *container.streams.audio]):
            if packet.stream.type == "audio" and not sound and packet.has_sidedata("skip_samples"):
                samples = bytes(packet.get_sidedata("skip_samples"))[:4]
                delay = Fraction(int.from_bytes(samples, "little"), 48_000)
            for frame in packet.decode():
                time = frame.dts if path.suffix == ".avi" else frame.pts
                if time is None:  # before 0, in Matroska
                    continue
                time *= frame.time_base
                (frames if packet.stream.type == "video" else sound).append(time)
        for stream in [*container.streams.video, *container.streams.audio]:
            if tag := stream.metadata.get("DURATION"):
                ends.append(Fraction(tag.split(":")[-1]) - (delay if stream.type == "audio" else 0))
            elif path.suffix == ".ts":
                ends.append((frames if stream.type == "video" else sound)[-1] + Fraction(1, 25))
            else:
                ends.append((stream.start_time + stream.duration) * stream.time_base)
    origin = min(frames[:1] + sound[:1]) if path.suffix == ".ts" else 0
    # The last packets of sound may hold what is not heard any more.
    sound = [time - origin for time in sound]
    return Shown([time - origin for time in frames], sound[:-3], max(ends) - origin)


def stylized(source: Path, suffix: str) -> Path:
    result = source.with_name(f"result{suffix}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with VideoReader(source) as reader:
            stylize_video(reader, result, lambda image: image)
    return result


def same(one: list[Fraction], other: list[Fraction]) -> bool:
    """Whether times agree to a tick of a millisecond, Matroska's unit."""
    return len(one) == len(other) and all(abs(a - b) <= MS for a, b in zip(one, other, strict=True))


MATRIX = {
    "steady": {"times": STEADY},
    "uneven": {"times": UNEVEN},
    "long last": {"times": UNEVEN, "last": Fraction(3)},
    "late video": {"times": [time + Fraction(3, 4) for time in STEADY]},
    "late sound": {"times": STEADY, "sound_at": Fraction(1, 4)},
    "short sound": {"times": STEADY, "sound_for": 0.2},
    "long sound": {"times": STEADY[:4], "sound_for": 0.8},
}
SOURCES = [
    (suffix, sound, case)
    for suffix, sounds in {
        ".mp4": ("aac", "ac3", "libopus", None),
        ".mov": ("aac", "ac3", None),
        ".mkv": ("aac", "ac3", "libopus", None),
        ".webm": ("libopus", None),
        ".ts": ("aac", "ac3", None),
        ".avi": ("ac3", None),
        ".gif": (None,),
    }.items()
    for sound in sounds
    for case in MATRIX
    if sound or "sound" not in case
    # Nothing in a transport stream or an AVI file says how long its last frame stands; AVI has no clock.
    if not (suffix in (".ts", ".avi") and case == "long last")
    if not (suffix == ".avi" and case != "steady")
    if not (suffix == ".gif" and case == "late video")
]


@pytest.mark.parametrize(("suffix", "sound", "case"), SOURCES, ids=lambda value: str(value))
def test_times_are_those_of_the_original(tmp_path: Path, suffix: str, sound: str | None, case: str) -> None:
    source = make(tmp_path / f"source{suffix}", sound=sound, **MATRIX[case])
    before = shown(source)
    times = MATRIX[case]["times"]
    if suffix != ".avi":
        assert same([t - before.frames[0] for t in before.frames], [t - times[0] for t in times])
    for result_suffix in (".mp4", ".mkv", *([".mov"] if sound != "libopus" and case == "steady" else [])):
        after = shown(stylized(source, result_suffix))
        assert same(after.frames, before.frames)
        # Containers differ in how they say what only the decoder of the sound hears, which comes first.
        heard = [[time for time in each.sound if time > before.sound[0] + MS] for each in (before, after)]
        assert same(*(times[: min(map(len, heard))] for times in heard))
        assert abs(len(heard[0]) - len(heard[1])) < 3
        if sound and not (sound == "ac3" or "late sound" in case):
            assert same(after.sound[:1], before.sound[:1])
        assert abs(after.end - before.end) <= (Fraction(1, 25) if suffix == ".ts" else 2 * MS)


@pytest.mark.parametrize("result_suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("slow", "quick"), [(7, 2), (9, 3)])
def test_the_end_stays_where_frames_are_stored_in_another_order(
    tmp_path: Path, suffix: str, result_suffix: str, slow: int, quick: int
) -> None:
    """The frame that is shown last is stored before others, and long before the next of them."""
    times = [Fraction(3 * min(index, slow) + max(0, index - slow), 25) for index in range(slow + quick + 1)]
    source = make(tmp_path / f"source{suffix}", times, b_frames=3)
    result = stylized(source, result_suffix)
    before, after = shown(source), shown(result)
    assert same(after.frames, before.frames)
    assert abs(after.end - before.end) <= 2 * MS
    for path in (source, result):
        with av.open(str(path)) as container:
            stored = [packet.pts for packet in container.demux(video=0) if packet.dts is not None]
            assert stored != sorted(stored)  # else this is no test


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize("sound", ["aac", "ac3", "mp2", None])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_joined_transport_streams_go_on(tmp_path: Path, sound: str | None, suffix: str) -> None:
    """As `cat one.ts two.ts one.ts` joins them: the clock begins anew, jumps far ahead, and back."""
    near = make(tmp_path / "near.ts", STEADY, sound=sound, sound_for=0.48)
    far = make(
        tmp_path / "far.ts",
        [time + 5000 for time in STEADY],
        sound=sound,
        sound_at=Fraction(5000),
        sound_for=0.48,
    )
    result = shown(stylized(joined(tmp_path / "all.ts", near, near, far, near), suffix))
    assert len(result.frames) == 48
    steps = [after - before for before, after in pairwise(result.frames)]
    # Sound and picture do not end together; where the parts meet, the longer one goes on without a gap.
    assert all(abs(step - Fraction(1, 25)) <= MS for index, step in enumerate(steps) if index % 12 != 11)
    assert all(0 < step <= Fraction(12, 100) for step in steps)
    assert abs(result.end - 48 * Fraction(1, 25)) < Fraction(15, 100)
    if sound is None:
        assert abs(result.frames[-1] - 47 * Fraction(1, 25)) <= MS
    else:  # each part's sound stays with its picture
        starts = [time for time in result.sound if time < Fraction(1, 10)]
        assert abs(starts[0] - result.frames[0]) < Fraction(3, 100)


def lines_of(source: Path, suffix: str) -> list[str]:
    """Paint a video and return the lines that it gets."""
    with warnings.catch_warnings(record=True) as caught, VideoReader(source) as reader:
        warnings.simplefilter("always")
        stylize_video(reader, source.with_name(f"result{suffix}"), lambda image: image)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_joined_streams_whose_sound_differs_get_a_line(tmp_path: Path, suffix: str) -> None:
    first = make(tmp_path / "first.ts", STEADY, sound="aac")
    other_rate = make(tmp_path / "rate.ts", STEADY, sound="aac", sound_rate=44_100)
    assert lines_of(joined(tmp_path / "same.ts", first, first), suffix) == []
    (line,) = lines_of(joined(tmp_path / "all.ts", first, other_rate, other_rate), suffix)
    assert "its sound changes from 48000 Hz and 2 channels to 44100 Hz and 2 channels at 0.5 s" in line


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_packets_of_sound_that_cannot_be_copied_are_counted(tmp_path: Path, suffix: str) -> None:
    """As where streams of AAC and AC-3 are joined, or reception was bad."""
    source = make(tmp_path / "in.ts", STEADY, sound="aac")
    assert lines_of(source, suffix) == []
    whole = len(shown(tmp_path / f"result{suffix}").sound)
    with VideoReader(source) as reader, write_video(tmp_path / f"part{suffix}", reader) as writer:
        sound = 0
        for item in reader:
            if not isinstance(item, Frame):
                sound += 1
                if sound in (5, 9):
                    damaged = av.Packet(b"\x0b\x77" if sound == 5 else b"\xff\xff\xff\xff\xff\xff\xff\xff")
                    damaged.stream, damaged.time_base = item.stream, item.time_base
                    damaged.pts, damaged.dts = item.pts, item.dts
                    item = damaged
            writer.write(item)
        with pytest.warns(FastnstWarning, match=r"in.ts: 2 packets of its sound are damaged or of another"):
            writer.close()
    assert len(shown(tmp_path / f"part{suffix}").sound) == whole - 2


def test_joined_streams_of_two_sizes_get_a_line(tmp_path: Path) -> None:
    first, second = (make(tmp_path / f"{size}.ts", STEADY, size=size) for size in (32, 48))
    (line,) = lines_of(joined(tmp_path / "all.ts", first, second, first), ".mp4")
    assert "changes from 32x32 to 48x48 pixels at 0.5 s: from there on, its frames are scaled" in line
    assert len(shown(tmp_path / "result.mp4").frames) == 36


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_that_overlaps_where_streams_are_joined_is_kept(tmp_path: Path, suffix: str) -> None:
    """The second part's sound begins before the first part's ends: times rise in the result's unit, too."""
    source = make(tmp_path / "part.ts", STEADY, sound="aac", sound_rate=44_100)
    with av.open(str(source)) as given, av.open(str(tmp_path / f"copy{suffix}"), "w") as container:
        stream = given.streams.audio[0]
        copy = StreamCopy(container, stream, source)
        packets = [packet for packet in given.demux(stream) if packet.dts is not None]
        for packet in packets[6:9]:
            packet.dts = packet.pts = packets[5].dts
        for packet in packets:
            container.mux(copy.packets(packet))
    with av.open(str(tmp_path / f"copy{suffix}")) as result:
        times = [packet.dts for packet in result.demux(audio=0) if packet.dts is not None]
    assert len(times) == len(packets)
    assert all(after > before for before, after in pairwise(times))


def test_a_clock_that_wraps_goes_on(tmp_path: Path) -> None:
    wrap = Fraction(2**33, 90_000) - 2
    source = make(tmp_path / "in.ts", [time * 4 + wrap for time in STEADY])
    result = shown(stylized(source, ".mp4"))
    assert same(result.frames, [time * 4 for time in STEADY])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("source_suffix", [".mp4", ".mkv"])
def test_what_is_before_0_stays_cut_off(tmp_path: Path, source_suffix: str, suffix: str) -> None:
    """Those frames are in the file for their successors alone, and are not shown."""
    early = [time - Fraction(1, 5) for time in STEADY]
    source = make(tmp_path / f"in{source_suffix}", early, sound="aac", sound_at=Fraction(-1, 5))
    before = shown(source)
    assert len(before.frames) == 7
    after = shown(stylized(source, suffix))
    assert same(after.frames, before.frames)
    heard = [[time for time in each.sound if time >= Fraction(1, 40)] for each in (before, after)]
    assert abs(heard[0][0] - heard[1][0]) <= MS
    assert abs(after.end - before.end) <= 2 * MS


@pytest.mark.parametrize("sound", ["aac", "ac3", "libmp3lame", "libopus", "flac"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_partial_file_plays_before_its_sound_begins(tmp_path: Path, suffix: str, sound: str) -> None:
    times = [Fraction(index, 25) for index in range(80)]
    source = make(tmp_path / f"in{suffix}", times, sound=sound, sound_at=Fraction(3))
    copy, frames = tmp_path / "copy.mp4", 0
    with VideoReader(source) as reader, write_video(tmp_path / "out.mp4", reader) as writer:
        for item in reader:
            writer.write(item)
            frames += isinstance(item, Frame)
            if frames == 50 and not copy.exists():
                copy.write_bytes(partial_path(tmp_path / "out.mp4").read_bytes())  # as kill -9 would leave it
    before, partial, after = (shown(path) for path in (source, copy, tmp_path / "out.mp4"))
    assert 20 < len(partial.frames) < 50
    assert same(partial.frames, before.frames[: len(partial.frames)])
    assert same(after.frames, before.frames)
    heard = [[time for time in each.sound if time > before.sound[0] + MS] for each in (before, after)]
    assert same(*(times[: min(map(len, heard))] for times in heard))
    assert abs(len(heard[0]) - len(heard[1])) < 3
    assert after.sound[0] > Fraction(29, 10)
    assert abs(after.end - before.end) <= 2 * MS


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_that_begins_late_in_a_transport_stream_is_kept(tmp_path: Path, suffix: str) -> None:
    times = [Fraction(index, 5) for index in range(60)]
    source = make(tmp_path / "in.ts", times, rate=5, sound="aac", sound_at=Fraction(11))
    result = shown(stylized(source, suffix))
    assert same(result.frames, times)
    assert abs(result.sound[0] - 11) < Fraction(3, 100)


@pytest.mark.parametrize("timecode", ["01:00:00:00", "00:59:58;12"])
@pytest.mark.parametrize("rate", [15, 24, 25, 30, 50, 60, 120])
def test_a_timecode_is_kept_or_named_before_painting(tmp_path: Path, timecode: str, rate: int) -> None:
    times = [Fraction(index, rate) for index in range(5)]
    source = make(tmp_path / "in.mkv", times, rate=rate, last=Fraction(1, rate), timecode=timecode)
    for suffix in (".mov", ".mp4", ".mkv"):
        result = tmp_path / f"out{suffix}"
        said: list[int] = []
        with warnings.catch_warnings(record=True) as caught, VideoReader(source) as reader:
            warnings.simplefilter("always")

            def paint(image: np.ndarray, caught: list = caught, said: list[int] = said) -> np.ndarray:
                said.append(len(caught))
                return image

            stylize_video(reader, result, paint)
        lines = [str(warning.message) for warning in caught[: said[0]]]
        with av.open(str(result)) as container:
            metadata = {key.lower(): value for key, value in container.streams.video[0].metadata.items()}
        if "timecode" in metadata:
            assert re.split("[:;]0*", metadata["timecode"]) == re.split("[:;]0*", timecode)
            assert lines == []
        else:
            assert suffix != ".mkv"
            assert ";" in timecode
            assert f"its timecode ({timecode}) does not fit {rate} frames a second" in lines[0]
        assert len(shown(result).frames) == 5


def test_a_file_that_cannot_be_kept_so_gets_one_line_before_painting(tmp_path: Path) -> None:
    source = make(tmp_path / "in.webm", STEADY, sound="libopus")
    with VideoReader(source) as reader, pytest.raises(FastnstError, match=r"give -o NAME\.mkv"):
        stylize_video(reader, tmp_path / "out.mov", lambda image: pytest.fail("painted"))
    assert [file.name for file in tmp_path.iterdir()] == ["in.webm"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov"])
def test_a_file_that_ends_early_is_told_from_a_long_last_frame(tmp_path: Path, suffix: str) -> None:
    times = [Fraction(index, 25) for index in range(100)]
    source = make(tmp_path / f"in{suffix}", times, last=Fraction(20))
    with warnings.catch_warnings(), VideoReader(source) as reader:
        warnings.simplefilter("error")
        assert [item.duration for item in reader][-1] * reader.time_base >= Fraction(199, 10)
    if suffix in (".mkv", ".webm"):  # the index of the others is at the end
        source.write_bytes(source.read_bytes()[: 9 * len(source.read_bytes()) // 10])
        with VideoReader(source) as reader, pytest.warns(FastnstWarning, match="is damaged"):
            assert [item.duration for item in reader][-1] * reader.time_base < 1


def test_a_matroska_file_that_breaks_off_in_its_middle_gets_a_line(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mkv", [Fraction(index, 25) for index in range(100)], size=96)
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    source.write_bytes(content)
    (line,) = lines_of(source, ".mp4")
    assert re.search(r"in.mkv is damaged: what could be decoded, up to [12]\.\d s, is done", line)
    assert shown(tmp_path / "result.mp4").end < 3


def test_frames_that_show_damage_are_counted(tmp_path: Path) -> None:
    times = [Fraction(index, 25) for index in range(50)]
    source = make(tmp_path / "in.mkv", times, size=160)
    with av.open(str(source)) as given, av.open(str(tmp_path / "damaged.mkv"), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0], opaque=True)
        for index, packet in enumerate(given.demux(video=0)):
            if packet.dts is None:
                continue
            data = bytearray(bytes(packet))
            if index in (20, 30):
                data[len(data) // 4 :: 2] = bytes(len(data[len(data) // 4 :: 2]))
            part = av.Packet(bytes(data))
            part.pts, part.dts, part.time_base = packet.pts, packet.dts, packet.time_base
            part.stream, part.is_keyframe = stream, packet.is_keyframe
            container.mux(part)
    (line,) = lines_of(tmp_path / "damaged.mkv", ".mp4")
    assert re.search(r"damaged.mkv is damaged: .*damage shows in [12] of its frames$", line)
    assert set(shown(tmp_path / "result.mp4").frames) <= set(times)


def test_a_video_that_begins_before_0_keeps_its_first_frames(tmp_path: Path) -> None:
    """Found by the fuzzer: players of MP4 leave out what comes before 0."""
    source = make_video(tmp_path / "in.wmv", moving(6), codec="wmv2")
    data = bytearray(source.read_bytes())
    preroll = data.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")) + 80  # in ms; times count from it
    assert int.from_bytes(data[preroll : preroll + 8], "little") == 3100
    data[preroll : preroll + 8] = (3230).to_bytes(8, "little")
    source.write_bytes(data)
    with VideoReader(source) as reader:
        assert stylize_video(reader, tmp_path / "out.mp4", lambda image: image) == 6
    assert times_of(tmp_path / "out.mp4") == [Fraction(number, 25) for number in range(6)]
