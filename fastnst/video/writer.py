"""Writing a video: frames are encoded, the other streams copied, into a file that plays at any time."""

from __future__ import annotations

import math
import os
import re
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

from fastnst.errors import FastnstWarning
from fastnst.video.imports import file_url, import_av
from fastnst.video.reader import Frame, VideoReader
from fastnst.video.stream_copy import FORMATS, copy_streams, holds

VIDEO_SUFFIXES = tuple(FORMATS)
"""The suffixes that results may have."""

# An MP4 file plays only once its index is written, at its end. In fragments of a fifth of a second, each with
# an index of its own, it plays at any time; delay_moov lets the first one hold the exact times. Packets do
# not wait long for the other streams', as where the sound ends before the picture.
_PLAYABLE = {"max_interleave_delta": "200000", "flush_packets": "1"}
_FRAGMENTS = {**_PLAYABLE, "movflags": "+frag_keyframe+delay_moov", "frag_duration": "200000"}

# x264 holds frames back: it looks 40 ahead, and one more for each thread. With 10 and at most 4 threads,
# files are no larger, and the partial file holds what was painted half a second ago.
_SOON = {"preset": "medium", "rc-lookahead": "10", "threads": str(min(4, os.cpu_count() or 1))}

_LATE = Fraction(1, 2)  # in seconds: tracks that begin together come closer together than this

# The sound of an MP4 file may begin before 0, with what its decoder needs first; nothing else moves for it.
_MATROSKA = {**_PLAYABLE, "avoid_negative_ts": "disabled", "cluster_time_limit": "200"}


class VideoWriter:
    """An H.264 video being written, with the other streams of its source copied packet by packet.

    Args:
        path: The file.
        source: The original video.
        crf: x264's constant rate factor.

    Attributes:
        path: The file.
        frames: How many frames were given to it.
    """

    def __init__(self, path: Path, source: VideoReader, *, crf: int = 18) -> None:
        self._av = import_av()
        self.path = path
        self.frames = 0
        self._source = source
        self._color = source.color
        self._time_base = source.time_base
        self._closed = False
        self._durations: dict[int, int] = {}
        self._begin: Fraction | None = None  # of the first frame
        self._delay = 0  # of the first frame's decoding before it is shown
        self._last_dts: int | None = None
        self._last_frame: Frame | None = None
        self._waiting: Any = None  # the last packet, until the next one is known
        self._is_matroska = path.suffix.lower() == ".mkv"
        suffix = path.suffix.lower()
        self._container = self._av.open(
            file_url(path),
            "w",
            format=FORMATS[suffix],
            container_options=_MATROSKA if suffix == ".mkv" else {**_FRAGMENTS, **edit_unit(source)},
        )
        try:
            self._video = self._open_video(crf)
            self._copies = copy_streams(self._container, source.path, source.copied, suffix)
            self._attach(suffix)
            self._container.metadata.update(source.metadata)
            if source.chapters:
                self._container.set_chapters(source.chapters)
            # Writes the header: what the container cannot hold is said before the first frame is painted.
            self._container.start_encoding()
        except BaseException:
            self._container.close()
            raise

    def _open_video(self, crf: int) -> Any:
        source = self._source
        video = self._container.add_stream("libx264", rate=source.frame_rate)
        video.width, video.height = source.width, source.height
        video.pix_fmt = "yuv420p"
        video.options = {"crf": str(crf), **_SOON}
        video.codec_context.time_base = source.time_base
        video.codec_context.sample_aspect_ratio = source.aspect
        self._color.tag(video.codec_context)
        video.metadata.update(source.stream_metadata)
        if self.path.suffix.lower() != ".mkv":
            for metadata in (video.metadata, source.metadata):
                _check_timecode(metadata, source)
        return video

    def _attach(self, suffix: str) -> None:
        """Add the files in the source; MP4 gets its cover picture when it is whole."""
        lost = []
        for file in self._source.attachments:
            if suffix == ".mkv":
                self._container.add_attachment(file.name, file.mime_type, file.data)
            elif file.stream is None or suffix == ".mov" or not holds(FORMATS[suffix], file.stream):
                lost.append(file.name)
        if lost:
            warnings.warn(
                f"{self._source.path}: its attachments ({', '.join(lost)}) do not fit into {suffix} "
                "and are left out; -o NAME.mkv keeps them",
                FastnstWarning,
                stacklevel=6,
            )

    @property
    def end(self) -> Fraction:
        """When the last frame that was written ends, in seconds."""
        last = self._last_frame
        return Fraction(0) if last is None else (last.pts + last.duration) * self._time_base

    def write(self, item: Frame | Any) -> None:
        """Add the next frame, or a packet of the source's other streams.

        Raises:
            OSError: If the disk is full.
        """
        if not isinstance(item, Frame):
            if copy := self._copies.get(item.stream.index):
                self._container.mux(copy.packets(item))
            return
        frame = self._color.to_yuv(self._av.VideoFrame.from_ndarray(item.pixels, format="rgb24"))
        frame.pts, frame.time_base = item.pts, self._time_base
        self._durations[item.pts] = item.duration
        before, self._last_frame = self._last_frame, item
        if item.is_last and before is not None and item.duration != before.duration:
            # Frames that refer to a later one are stored after it, and MP4 knows only how long the frame
            # that is stored last stands: this one may not be referred to.
            frame.pict_type = self._av.video.frame.PictureType.I
        self.frames += 1
        self._mux(frame)
        if not self._is_matroska:
            self._fill(item.pts * self._time_base)

    def _fill(self, time: Fraction) -> None:
        """Let MP4 be written: it waits until each track has a packet."""
        self._begin = time if self._begin is None else self._begin
        if time - self._begin >= _LATE:
            for copy in self._copies.values():
                self._container.mux(copy.fill(self._begin))

    @property
    def filled(self) -> set[int]:
        """The numbers of the tracks whose first packet is a filler, which the whole file does not need."""
        return {copy.index for copy in self._copies.values() if copy.is_filled}

    def _mux(self, frame: Any | None) -> None:
        for packet in self._video.encode(frame):
            if self._last_dts is None:
                self._delay = packet.pts - packet.dts
            packet.duration = self._durations.pop(packet.pts, 0)  # x264 loses it
            if self._is_last(packet) and (self._last_dts or 0) < packet.pts - self._delay:
                # MP4 adds up the times between the frames as they are stored, which must end with this one.
                packet.dts = packet.pts - self._delay
            self._last_dts = packet.dts
            before, self._waiting = self._waiting, packet
            if before is not None:
                if not self._is_matroska:  # MP4's fragments count the times between frames as they are stored
                    before.duration = packet.dts - before.dts
                self._container.mux(before)
        if frame is None and self._waiting is not None:
            self._container.mux(self._waiting)

    def _is_last(self, packet: Any) -> bool:
        """Return whether a packet is stored last and shown last."""
        last = self._last_frame
        return last is not None and last.is_last and packet.pts == last.pts and not self._durations

    def close(self) -> None:
        """Flush the encoder and finish the file."""
        if self._closed:
            return
        self._closed = True
        try:
            if self.frames:
                self._mux(None)
        finally:
            self._container.close()
        if lost := sum(copy.lost for copy in self._copies.values()):
            warnings.warn(
                f"{self._source.path}: {lost} packets of its sound are damaged or of another codec, and are "
                "missing",
                FastnstWarning,
                stacklevel=5,
            )


def _check_timecode(metadata: dict[str, str], source: VideoReader) -> None:
    """Leave out a timecode that MP4 cannot hold, which FFmpeg does without a word."""
    for key in [key for key in metadata if key.lower() == "timecode"]:
        text, rate = metadata[key], round(source.frame_rate)
        match = re.fullmatch(r"\d\d:\d\d:\d\d([:;.])\d+", text)
        # Only with multiples of 30 frames a second may numbers be dropped, which all but a colon says.
        if match is None or rate < 1 or (match[1] != ":" and rate % 30):
            del metadata[key]
            warnings.warn(
                f"{source.path}: its timecode ({text}) does not fit {rate} frames a second and is left out; "
                "-o NAME.mkv keeps it",
                FastnstWarning,
                stacklevel=7,
            )


def edit_unit(source: VideoReader) -> dict[str, str]:
    """Return the option for the unit in which MP4 says when its tracks begin: fine enough for every track."""
    unit = source.time_base.denominator
    for stream in source.copied:
        if stream.type == "audio" and stream.codec_context is not None:
            finer = math.lcm(unit, stream.codec_context.sample_rate or 1)
            unit = finer if finer <= 1_000_000 else unit
    return {"movie_timescale": str(max(unit, 1000))}
