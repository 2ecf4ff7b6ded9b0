"""A video from file to file: what is painted, what is kept, and what an interruption leaves."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastnst import FastnstError
from fastnst.errors import FastnstWarning
from fastnst.video.partial import partial_path, write_video
from fastnst.video.pipeline import stylize_video
from fastnst.video.reader import Frame, VideoReader
from fastnst.video.stabilizer import Stabilizer
from tests.fastnst.make_videos import av, decoded, make_video, moving, packets_of, scene, times_of

ROOT = Path(__file__).parents[3]
UNEVEN = [0, 3000, 9000, 10_000, 20_000, 21_000, 30_000, 45_000, 48_000, 60_000]


def invert(image: np.ndarray) -> np.ndarray:
    return 255 - image


def stylize(source: Path, result: Path, paint=invert, **options: Any) -> int:
    with VideoReader(source) as reader:
        return stylize_video(reader, result, paint, **options)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".m4v"])
def test_frames_are_painted_at_their_times(tmp_path: Path, suffix: str) -> None:
    pictures = moving(10)
    source = make_video(tmp_path / f"in{suffix}", pictures, times=UNEVEN)
    result = tmp_path / f"out{suffix}"
    assert stylize(source, result, crf=4) == 10
    assert times_of(result) == times_of(source)
    with VideoReader(result) as reader:
        for frame, picture in zip(reader, pictures, strict=True):
            assert np.abs(frame.pixels.astype(int) - (255 - picture)).mean() < 4
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"in{suffix}", f"out{suffix}"]


def test_the_last_frame_is_shown_as_long(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", moving(6), times=[0, 3600, 7200, 36_000, 39_600, 90_000])
    stylize(source, tmp_path / "out.mp4")
    last = [decoded(path)[-1] for path in (source, tmp_path / "out.mp4")]
    assert [frame.duration * frame.time_base for frame in last] == [Fraction(1, 25)] * 2


@pytest.mark.parametrize("codec", ["aac", "ac3"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_audio_is_copied_bit_for_bit(tmp_path: Path, codec: str, suffix: str) -> None:
    source = make_video(tmp_path / f"in{suffix}", moving(12), audio=codec)
    result = tmp_path / f"out{suffix}"
    stylize(source, result)
    assert len(packets_of(source, "audio")) > 10
    assert packets_of(result, "audio") == packets_of(source, "audio")


def test_audio_that_mp4_cannot_hold_is_an_error_before_anything_is_painted(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mkv", moving(3), audio="wavpack")
    with pytest.raises(FastnstError, match=r"its audio \(wavpack\) does not fit into .mp4: give -o NAME.mkv"):
        stylize(source, tmp_path / "out.mp4", paint=lambda image: pytest.fail("painted"))
    assert [file.name for file in tmp_path.iterdir()] == ["in.mkv"]
    stylize(source, tmp_path / "out.mkv")
    assert packets_of(tmp_path / "out.mkv", "audio") == packets_of(source, "audio")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_audio_of_an_unknown_codec_is_left_out(tmp_path: Path, suffix: str) -> None:
    source = make_video(tmp_path / "in.mkv", moving(3), audio="wavpack")
    source.write_bytes(source.read_bytes().replace(b"A_WAVPACK4", b"A_NOBODYS4"))
    with pytest.warns(FastnstWarning, match="its audio tracks, which FFmpeg cannot decode, is left out"):
        assert stylize(source, tmp_path / f"out{suffix}") == 3
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_subtitles_are_kept(tmp_path: Path) -> None:
    make_video(tmp_path / "plain.mp4", moving(50))
    text = "1\n00:00:00,500 --> 00:00:01,000\nHello\n\n2\n00:00:01,200 --> 00:00:01,800\nAgain\n"
    (tmp_path / "words.srt").write_text(text)
    source = tmp_path / "in.mkv"
    with (
        av.open(str(tmp_path / "plain.mp4")) as plain,
        av.open(str(tmp_path / "words.srt")) as words,
        av.open(str(source), "w") as container,
    ):
        copies = [container.add_stream_from_template(c.streams[0], opaque=True) for c in (plain, words)]
        for part, copy in zip((plain, words), copies, strict=True):
            for packet in part.demux():
                if packet.dts is not None:
                    packet.stream = copy
                    container.mux(packet)
    stylize(source, tmp_path / "out.mkv")
    assert [data for _, data in packets_of(tmp_path / "out.mkv", "subtitle")] == [b"Hello", b"Again"]
    with pytest.warns(UserWarning, match="its subtitles .* do not fit into .mp4 and are left out"):
        stylize(source, tmp_path / "out.mp4")
    assert len(decoded(tmp_path / "out.mp4")) == 50


def test_subtitles_that_only_mp4_holds_are_said_to_stay_there(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        words = container.add_mux_stream("mov_text")
        for pixels in moving(50):
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(video.encode(None))
        for start, text in ((0, b"Hello"), (1400, b"Again")):
            packet = av.Packet(len(text).to_bytes(2, "big") + text)
            packet.stream, packet.time_base = words, Fraction(1, 1000)
            packet.pts, packet.dts, packet.duration = start, start, 300
            container.mux(packet)
    with pytest.warns(FastnstWarning, match="do not fit into .mkv and are left out; -o NAME.mp4 keeps them"):
        stylize(source, tmp_path / "out.mkv")
    stylize(source, tmp_path / "out.mp4")
    said = packets_of(tmp_path / "out.mp4", "subtitle")
    assert said == packets_of(source, "subtitle")
    assert [(round(1000 * time), data[2:]) for time, data in said] == [
        (0, b"Hello"),
        (300, b""),
        (1400, b"Again"),
    ]


@pytest.mark.parametrize(
    ("tags", "full_range"),
    [
        ({"colorspace": 1, "color_primaries": 1, "color_trc": 1}, False),
        ({"colorspace": 6, "color_primaries": 6, "color_trc": 6}, True),
        ({"colorspace": 9, "color_primaries": 9, "color_trc": 14}, False),
        (None, False),
    ],
)
def test_colours_and_their_tags_are_kept(tmp_path: Path, tags, full_range: bool) -> None:
    picture = scene(48, 64)
    if tags and tags["color_primaries"] == 9:  # styles paint in sRGB, which lacks colours of BT.2020
        picture = np.rint(0.4 * picture + 0.6 * picture.mean(axis=-1, keepdims=True)).astype(np.uint8)
    source = make_video(tmp_path / "in.mp4", [picture] * 3, tags=tags, full_range=full_range)
    stylize(source, tmp_path / "out.mp4", paint=lambda image: image, crf=4)
    before, after = (decoded(path)[0] for path in (source, tmp_path / "out.mp4"))
    contexts = []
    for path in (source, tmp_path / "out.mp4"):
        with av.open(str(path)) as container:
            next(container.decode(video=0))
            context = container.streams.video[0].codec_context
            names = ("colorspace", "color_range", "color_primaries", "color_trc")
            contexts.append([getattr(context, name) for name in names])
    assert contexts[0] == contexts[1]
    if tags:
        assert (after.colorspace, after.color_range) == (tags["colorspace"], 2 if full_range else 1)
    # The numbers themselves, not only what they are said to mean.
    planes = [frame.to_ndarray(format="yuv420p").astype(int) for frame in (before, after)]
    assert abs(planes[0][:48].min() - planes[1][:48].min()) <= 6
    assert np.abs(planes[0] - planes[1]).mean() < 1.5
    assert np.abs(planes[0].mean() - planes[1].mean()) < 0.5


def test_rotation_is_applied_and_the_pixels_shape_kept(tmp_path: Path) -> None:
    picture = scene(48, 64)
    source = make_video(
        tmp_path / "in.mp4", [picture] * 2, rotation=(90, False, False), aspect=Fraction(4, 3)
    )
    seen: list[np.ndarray] = []
    stylize(source, tmp_path / "out.mp4", paint=lambda image: (seen.append(image), image)[1])
    assert np.abs(seen[0].astype(int) - np.rot90(picture)).mean() < 3
    (frame, _) = decoded(tmp_path / "out.mp4")
    assert (frame.height, frame.width, frame.rotation) == (64, 48, 0)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(3, 4)


def test_files_in_a_video_are_kept_or_named(tmp_path: Path) -> None:
    make_video(tmp_path / "plain.mp4", moving(3))
    buffer = io.BytesIO()
    Image.fromarray(scene(16, 16)).save(buffer, "JPEG")
    files = {"cover.jpg": ("image/jpeg", buffer.getvalue()), "f.ttf": ("font/ttf", b"a font" * 9)}
    source = tmp_path / "in.mkv"
    with av.open(str(tmp_path / "plain.mp4")) as plain, av.open(str(source), "w") as container:
        copies = [container.add_stream_from_template(plain.streams[0], opaque=True) for _ in range(2)]
        for name, (kind, data) in files.items():
            container.add_attachment(name, kind, data)
        for packet in plain.demux(video=0):
            if packet.dts is not None:
                times = packet.pts, packet.dts, packet.time_base
                for copy in copies:
                    packet.stream = copy
                    packet.pts, packet.dts, packet.time_base = times
                    container.mux(packet)
    for suffix, kept, lost in (
        (".mkv", {"cover.jpg", "f.ttf"}, ""),
        (".mp4", {"cover.jpg"}, "f.ttf"),
        (".mov", set(), "f.ttf, cover.jpg"),
    ):
        result = tmp_path / f"out{suffix}"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert stylize(source, result) == 3
        lines = [str(warning.message) for warning in caught]
        assert f"{source} also holds 1 more video track: the result does not" in lines[0]
        assert len(lines) == (2 if lost else 1)
        if lost:
            assert f"its attachments ({lost}) do not fit into {suffix} and are left out" in lines[1]
        with VideoReader(result) as reader:
            assert {file.name: file.data for file in reader.attachments} == {
                name: data for name, (_, data) in files.items() if name in kept
            }
            assert sum(isinstance(item, Frame) for item in reader) == 3


def test_packets_that_cost_frames_are_counted_in_one_line(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mov", moving(8), codec="png", pix_fmt="rgb24")
    data = source.read_bytes()
    for number in (3, 6):
        at = -1
        for _ in range(number):
            at = data.index(b"\x89PNG", at + 1)
        data = data[:at] + b"junk" + data[at + 4 :]  # the packet no longer begins as a PNG
    source.write_bytes(data)
    with pytest.warns(FastnstWarning) as caught:
        assert stylize(source, tmp_path / "out.mp4") == 6
    assert [str(warning.message) for warning in caught] == [
        f"{source} is damaged: 2 of its packets could not be decoded, and their frames are missing"
    ]
    assert times_of(tmp_path / "out.mp4")[-1] == Fraction(7, 25)


def test_metadata_and_chapters_are_kept(tmp_path: Path) -> None:
    chapters = [
        {"id": 1, "start": 0, "end": 500, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
        {"id": 2, "start": 500, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "Two"}},
    ]
    for suffix in (".mp4", ".mkv"):
        source = make_video(
            tmp_path / f"in{suffix}", moving(25), metadata={"title": "A fox"}, chapters=chapters
        )
        stylize(source, tmp_path / f"out{suffix}")
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            assert {key.lower(): value for key, value in container.metadata.items()}["title"] == "A fox"
            kept = container.chapters()
        assert [chapter["metadata"]["title"] for chapter in kept] == ["One", "Two"]
        assert [float(chapter["start"] * chapter["time_base"]) for chapter in kept] == [0, 0.5]


def test_the_index_is_at_the_front(tmp_path: Path) -> None:
    stylize(make_video(tmp_path / "in.mp4", moving(3)), tmp_path / "out.mp4")
    data = (tmp_path / "out.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert b"moof" not in data


def test_less_crf_is_nearer(tmp_path: Path) -> None:
    noise = [np.random.default_rng(i).integers(0, 256, (48, 64, 3), dtype=np.uint8) for i in range(4)]
    source = make_video(tmp_path / "in.mkv", noise, codec="ffv1", pix_fmt="bgr0")
    sizes = []
    for crf in (10, 40):
        stylize(source, tmp_path / f"{crf}.mp4", crf=crf)
        sizes.append((tmp_path / f"{crf}.mp4").stat().st_size)
    assert sizes[0] > 2 * sizes[1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, FastnstError])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_an_interruption_leaves_a_partial_file_that_plays(tmp_path: Path, error, suffix: str) -> None:
    source = make_video(tmp_path / f"in{suffix}", moving(40), audio="aac")
    result = tmp_path / f"out{suffix}"
    result.write_bytes(b"precious")
    count = 0

    def paint(image: np.ndarray) -> np.ndarray:
        nonlocal count
        count += 1
        if count > 20:
            raise error("stop")
        return invert(image)

    with pytest.raises(error):
        stylize(source, result, paint)
    assert result.read_bytes() == b"precious"
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        [source.name, result.name, partial_path(result).name]
    )
    times = times_of(partial_path(result))
    assert 10 <= len(times) <= 20  # what waited for the encoder is given up
    assert times == times_of(source)[: len(times)]
    # The next run replaces it.
    assert stylize(source, result) == 40
    assert not partial_path(result).exists()
    assert len(decoded(result)) == 40


def test_an_interruption_before_the_first_frame_leaves_nothing(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", moving(5))

    def paint(image: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stylize(source, tmp_path / "out.mp4", paint)
    assert [file.name for file in tmp_path.iterdir()] == ["in.mp4"]


_SMALL_DISK = """
import subprocess
import sys
from pathlib import Path
from fastnst import FastnstError
from fastnst.video.pipeline import stylize_video
from fastnst.video.reader import VideoReader
try:
    with VideoReader(Path(sys.argv[1])) as source:
        stylize_video(source, Path(sys.argv[2]), lambda image: image, crf=0)
except FastnstError as error:
    print(error)
print(*sorted(path.name for path in Path(sys.argv[2]).parent.iterdir()))
"""


@pytest.mark.parametrize(("room", "left"), [(4, "out.mp4"), (200, "out.mp4 out.partial.mp4")])
def test_a_full_disk_is_one_line(tmp_path: Path, room: int, left: str) -> None:
    noise = [np.random.default_rng(i).integers(0, 256, (96, 96, 3), dtype=np.uint8) for i in range(40)]
    source = make_video(tmp_path / "in.mp4", noise, crf="0")
    disk = tmp_path / "disk"
    disk.mkdir()
    result = disk / "out.mp4"
    mounted = f"mount -t tmpfs -o size={room}k tmpfs {disk} && echo precious > {result}"
    unshare = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    try:
        subprocess.run([*unshare, mounted], check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("this platform mounts no disk for this user alone")
    command = f'{mounted} && {sys.executable} -c "$1" {source} {result} && cat {result}'
    done = subprocess.run(
        [*unshare, command, "sh", _SMALL_DISK], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.splitlines() == [
        f"{result} cannot be written, the disk is full: free some space, or give -o elsewhere",
        left,
        "precious",
    ]


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", moving(2))
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(FastnstError, match="taken is not a folder"):
        stylize(source, tmp_path / "taken" / "out.mp4")


def test_a_partial_file_of_mp4_plays_while_it_is_written(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", moving(150), audio="aac")
    copy = tmp_path / "copy.mp4"
    with VideoReader(source) as reader, write_video(tmp_path / "out.mp4", reader) as writer:
        for item in reader:
            writer.write(item)
        copy.write_bytes(partial_path(tmp_path / "out.mp4").read_bytes())  # as kill -9 would leave it
    times = times_of(copy)
    assert 50 < len(times) < 150
    assert times[:50] == times_of(source)[:50]


@pytest.mark.parametrize("sound", [None, "aac", "ac3"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_partial_file_plays_from_its_first_second_on(
    tmp_path: Path, suffix: str, sound: str | None
) -> None:
    """What kill -9 would leave, once 25 frames at 25 a second are written, and after each further one."""
    source = make_video(tmp_path / f"in{suffix}", moving(40), audio=sound)
    expected, copy, count = times_of(source), tmp_path / f"copy{suffix}", 0
    with VideoReader(source) as reader, write_video(tmp_path / f"out{suffix}", reader) as writer:
        for item in reader:
            writer.write(item)
            count += isinstance(item, Frame)
            if count >= 25 and isinstance(item, Frame):
                copy.write_bytes(partial_path(tmp_path / f"out{suffix}").read_bytes())
                times = times_of(copy)
                assert max(3, count - 27) < len(times) <= count
                assert times[:-3] == expected[: len(times) - 3]  # frames may refer to one after them


def test_a_result_is_written_by_one_process_at_a_time(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", moving(30))
    for suffix in (".mp4", ".mkv"):
        result = tmp_path / f"out{suffix}"
        refused: list[str] = []

        def paint(image: np.ndarray, result: Path = result, refused: list[str] = refused) -> np.ndarray:
            if not refused:
                with pytest.raises(FastnstError) as caught:
                    stylize(source, result, paint=lambda image: pytest.fail("painted"))
                refused.append(str(caught.value))
            return image

        assert stylize(source, result, paint) == 30
        assert refused == [
            f"{result} is being written by another process: wait for it, or give another name to -o"
        ]
        assert times_of(result) == times_of(source)
        assert stylize(source, result) == 30  # the lock is free again


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_result_that_appears_meanwhile_is_kept(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It appears after the last frame, while the file is made ready for its name."""
    source = make_video(tmp_path / "in.mp4", moving(5))
    result = tmp_path / f"out{suffix}"
    flush = os.fsync

    def appear(file: int) -> None:
        flush(file)
        result.write_bytes(b"precious")

    monkeypatch.setattr(os, "fsync", appear)
    with pytest.raises(FastnstError, match="exists: --overwrite replaces it"):
        stylize(source, result, overwrite=False)
    assert result.read_bytes() == b"precious"
    assert len(times_of(partial_path(result))) == 5
    partial_path(result).unlink()
    with pytest.raises(FastnstError, match="exists: --overwrite replaces it"):
        stylize(source, result, lambda image: pytest.fail("painted"), overwrite=False)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.mp4", result.name]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows no such names")
@pytest.mark.parametrize(
    "name",
    [
        "concat:a.mp4",
        "http:x.mp4",
        "pipe:0.mkv",
        "a%03d.mp4",
        "a%03d.gif",
        "-x.mp4",
        "[a]*?{b}.mov",
    ],
)
def test_a_name_is_only_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """FFmpeg has protocols, patterns and options in names of files that are given relative to a folder."""
    monkeypatch.chdir(tmp_path)
    for decoy in ("a.mp4", "a001.mp4", "a001.gif"):
        Path(decoy).write_bytes(b"another file")
    suffix = Path(name).suffix
    plain = make_video(
        Path(f"plain{suffix}"),
        moving(3),
        **({"codec": "gif", "pix_fmt": "rgb8"} if suffix == ".gif" else {}),
    )
    plain.rename(name)
    result = Path(name).with_suffix(".painted" + suffix.replace("gif", "mp4"))
    assert stylize(Path(name), result) == 3
    result.rename("plain.mp4")
    assert len(decoded(Path("plain.mp4"))) == 3
    assert sorted(file.name for file in Path().iterdir()) == sorted(
        [name, "plain.mp4", "a.mp4", "a001.mp4", "a001.gif"]
    )


def test_the_stabilizer_sees_the_source_and_begins_anew_at_cuts(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", moving(6, 96, 128) + moving(6, 96, 128, seed=1))
    shots: list[int] = []
    count = 0

    def paint(image: np.ndarray) -> np.ndarray:  # flickers from frame to frame
        nonlocal count
        count += 1
        return np.clip(image.astype(int) + (20 if count % 2 else -20), 0, 255).astype(np.uint8)

    result = tmp_path / "out.mp4"
    stylize(source, result, paint, crf=4, stabilizer=Stabilizer(), on_shot=lambda: shots.append(count))
    assert shots == [0, 6]
    levels = [frame.to_ndarray(format="gray").astype(float).mean() for frame in decoded(result)]
    originals = [frame.to_ndarray(format="gray").astype(float).mean() for frame in decoded(source)]
    offsets = np.subtract(levels, originals)
    assert offsets[0] > 14
    assert offsets[6] > 14  # the first of the second shot is as painted
    assert np.abs(np.diff(offsets[2:6])).max() < 15  # instead of 34


@pytest.mark.skipif(sys.platform == "win32", reason="Windows gets no locks, and links need rights there")
def test_what_has_the_partial_name_is_not_written_through(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", moving(3))
    result, other = tmp_path / "out.mp4", tmp_path / "other.txt"
    other.write_text("kept")
    for make in (lambda path: path.symlink_to(other), os.mkfifo):
        make(partial_path(result))
        line = r"out\.partial\.mp4 is not a file that fastnst left: delete it"
        with pytest.raises(FastnstError, match=line):
            stylize(source, result, paint=lambda image: pytest.fail("painted"))
        partial_path(result).unlink()
    assert not result.exists()
    # As a kill leaves it, between the two steps that give a file its final name.
    partial_path(result).hardlink_to(other)
    assert stylize(source, result) == 3
    assert other.read_text() == "kept"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.mp4", "other.txt", "out.mp4"]
