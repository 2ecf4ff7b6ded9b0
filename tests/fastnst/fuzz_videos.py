"""Damaged and hostile videos for the fuzzer, each made from a number."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
import tempfile
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from fastnst.errors import FastnstError, FastnstWarning
from fastnst.terminal import one_line
from fastnst.video.pipeline import stylize_video
from fastnst.video.reader import Frame, VideoReader
from fastnst.video.stabilizer import Stabilizer
from fastnst.video.writer import VIDEO_SUFFIXES
from tests.fastnst.damage import damaged
from tests.fastnst.fuzz_models import assert_one_line
from tests.fastnst.make_videos import av, make_video, moving, scene

MOST_WARNINGS = 8

# What makes FFmpeg open a container, and the video in it, in another way.
_CONTAINERS: tuple[tuple[str, dict[str, Any]], ...] = (
    (".mp4", {"audio": "aac"}),
    (
        ".mov",
        {"rotation": (90, False, False), "tags": {"colorspace": 9, "color_primaries": 9, "color_trc": 16}},
    ),
    (".mp4", {"times": [0, 3000, 9000, 10_000, 20_000, 21_000], "audio": "ac3"}),
    (".mkv", {"audio": "aac", "metadata": {"title": "A fox"}}),
    (".mkv", {"codec": "ffv1", "pix_fmt": "bgr0"}),
    (".ts", {"audio": "mp2"}),
    (".mpg", {"codec": "mpeg2video", "audio": "mp2"}),
    (".avi", {"codec": "mpeg4", "audio": "mp3"}),
    (".flv", {"codec": "flv"}),
    (".wmv", {"codec": "wmv2"}),
    (".webm", {"codec": "libvpx-vp9", "pix_fmt": "yuva420p"}),
    (".gif", {"codec": "gif", "pix_fmt": "rgb8"}),
    (".y4m", {"codec": "wrapped_avframe", "pix_fmt": "yuv420p"}),
)
# Names of boxes, elements and chunks whose numbers decide what is read where, and when it is shown.
_FIELDS = (
    *b"mvhd tkhd mdhd elst stsd avc1 avcC esds colr pasp stts ctts stsz stsc stco stss udta chpl".split(),
    *b"avih strh strf idx1 movi G@ FLV onMetaData GIF89a YUV4MPEG2 FRAME".split(),
    b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x15\x49\xa9\x66", b"\x2a\xd7\xb1", b"\x44\x89",
    b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75", b"\x1c\x53\xbb\x6b", b"\x23\xe3\x83", b"\xb0", b"\xba",
    b"\xe7", b"\xa3", b"\x00\x00\x01\xb3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xe0", b"\x21\xf9\x04",
    b"\x30\x26\xb2\x75",
)  # fmt: skip
_NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
# Files of text, which name other files.
_TEXTS = (
    b"ffconcat version 1.0\nfile a.mp4\nfile /etc/passwd\n",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
    b"v=0\no=- 0 0 IN IP4 0.0.0.0\ns=a\nc=IN IP4 0.0.0.0\nt=0 0\nm=video 5 RTP/AVP 96\na=rtpmap:96 H264/9\n",
    b"1\n00:00:00,500 --> 00:00:01,000\nHello\n",
    b"[Script Info]\nScriptType: v4.00+\n",
    b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>a</BaseURL></MPD>",
)  # fmt: skip


@functools.cache
def video_seeds() -> tuple[tuple[str, bytes], ...]:
    """Return suffix and bytes of a tiny video for each container, with sound, covers, fonts and metadata."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (suffix, options) in enumerate(_CONTAINERS):
            if "codec" not in options:
                options = {"crf": "30", "bf": "2", **options}
            path = make_video(folder / f"{number}{suffix}", moving(6, 32, 48), **options)
            found.append((suffix, path.read_bytes()))
        path = make_video(folder / "odd.mov", moving(3, 17, 19), codec="png", pix_fmt="rgb24")
        found.append((".mov", path.read_bytes()))
        found.append((".mkv", _with_attachments(folder / "0.mp4", folder / "attached.mkv")))
    return tuple(found)


def _with_attachments(source: Path, path: Path) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene(16, 16)).save(buffer, "JPEG")
    chapter = {"id": 1, "start": 0, "end": 500, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}}
    with av.open(str(source)) as plain, av.open(str(path), "w") as container:
        copies = [container.add_stream_from_template(stream, opaque=True) for stream in plain.streams]
        container.add_attachment("cover.jpg", "image/jpeg", buffer.getvalue())
        container.add_attachment("f.ttf", "font/ttf", b"a font" * 9)
        container.set_chapters([chapter])
        for packet in plain.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                container.mux(packet)
    return path.read_bytes()


def video_case(number: int) -> tuple[str, bytes]:
    """Return suffix and bytes of the video of a number: damaged, cut off, two joined, or a text."""
    chance = random.Random(number)
    if chance.random() < 0.02:
        return chance.choice(VIDEO_SUFFIXES), damaged(chance.choice(_TEXTS), chance)
    suffix, data = chance.choice(video_seeds())
    if chance.random() < 0.1:
        suffix = chance.choice((*VIDEO_SUFFIXES, ".ts", ".avi"))  # not the container's own
    kind = chance.random()
    if kind < 0.45:
        for _ in range(chance.choice((1, 1, 2, 4))):
            data = _with_a_wrong_number(data, chance)
        return suffix, data
    if kind < 0.55:
        other = chance.choice([other for other in video_seeds() if other[0] == suffix] or video_seeds())[1]
        return suffix, data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]
    if kind < 0.6:
        return suffix, data[: chance.randrange(len(data))]
    at = max(data.find(b"moov"), 0)  # an MP4 file's index is at its end
    return suffix, data[:at] + damaged(data[at:], chance, header=1500)


def _with_a_wrong_number(data: bytes, chance: random.Random) -> bytes:
    field = chance.choice([field for field in _FIELDS if field in data])
    places = [at for at in range(len(data)) if data.startswith(field, at)]
    at = chance.choice(places) + len(field) + chance.choice((0, 0, 1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40))
    size = chance.choice((1, 2, 4, 4, 8))
    number = (chance.choice(_NUMBERS) % 2 ** (8 * size)).to_bytes(
        size, chance.choice(("big", "big", "little"))
    )
    return data[:at] + number + data[at + size :]


def check_video(case: tuple[str, bytes]) -> None:
    """Write a video's painted copy as `fastnst video` does; what comes out can be read again."""
    suffix, data = case
    with (
        tempfile.TemporaryDirectory() as name,
        _nothing_else_is_said(),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        folder = Path(name)
        source, result = folder / f"a{suffix}", folder / f"b{suffix if suffix in VIDEO_SUFFIXES else '.mp4'}"
        source.write_bytes(data)
        try:
            with VideoReader(source, size=16 if len(data) % 4 == 0 else None) as reader:
                steady = Stabilizer() if len(data) % 8 == 1 else None
                count = stylize_video(reader, result, lambda picture: picture, stabilizer=steady, crf=40)
        except FastnstError as error:
            assert_one_line(FastnstError(one_line(error)))
            assert not result.exists()
        else:
            assert count > 0
            assert sorted(path.name for path in folder.iterdir()) == [source.name, result.name]
            with VideoReader(result) as again:
                assert sum(isinstance(item, Frame) for item in again) == count
        assert len(caught) <= MOST_WARNINGS, [str(warning.message) for warning in caught]
        for warning in caught:
            assert warning.category is FastnstWarning, warning
            assert_one_line(FastnstError(one_line(warning.message)))


@contextlib.contextmanager
def _nothing_else_is_said() -> Iterator[None]:
    """Hold that no library writes to standard error, where the command's own lines are."""
    with tempfile.TemporaryFile() as said:
        kept = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        said.seek(0)
        text = said.read(1000)
        assert not text, text
