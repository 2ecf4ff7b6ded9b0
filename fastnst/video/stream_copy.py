"""Copying the sound and the subtitles of a video: what a container holds, and packets as it wants them."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from fastnst.errors import FastnstError, FastnstWarning
from fastnst.video.filler import filler
from fastnst.video.imports import import_av
from fastnst.video.timestamps import NO_ORIGIN

FORMATS: Mapping[str, str] = {".mp4": "mp4", ".m4v": "ipod", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's names of the formats that results may have, by suffix."""


# What each packet of sound begins with in a transport stream, where a packet of another codec may follow.
_SYNC_WORDS = {"aac": b"\xff", "mp2": b"\xff", "mp3": b"\xff", "ac3": b"\x0b\x77", "eac3": b"\x0b\x77"}


class StreamCopy:
    """One stream of a result, copied packet by packet from the source.

    Args:
        container: PyAV's container of the result.
        stream: The source's stream.
        source: Its file, for messages.

    Attributes:
        index: Its number in the result.
        lost: How many packets could not be copied.
        is_filled: Whether its first packet is a filler, which only makes an unfinished file play.

    Warns:
        FastnstWarning: If the sound's format changes on the way, which the result cannot say.
    """

    def __init__(self, container: Any, stream: Any, source: Path) -> None:
        av = import_av()
        self._copy = container.add_stream_from_template(stream, opaque=True)
        self.index = self._copy.index
        self.lost = 0
        self.is_filled = False
        self._has_begun = False
        self._stream = stream
        self._invalid = av.InvalidDataError
        self._source = source
        self._copy.metadata.update(stream.metadata)
        self._copy.disposition = stream.disposition.value
        self._cuts = container.format.name == "matroska"
        self._last_dts: int | None = None
        self._filter: Any = None
        # In a transport stream AAC carries its header in every packet; the result has it once, at its start.
        if stream.codec_context.name == "aac" and not stream.codec_context.extradata:
            self._filter = av.bitstream.BitStreamFilterContext("aac_adtstoasc", stream)
        self._aac: _AacFormat | None = None
        joins = stream.container.format.flags & NO_ORIGIN
        self._sync_word = _SYNC_WORDS.get(stream.codec_context.name, b"") if joins else b""

    def packets(self, packet: Any) -> list[Any]:
        """Return what the result holds for the source's next packet.

        What an edit list cuts off is left out, unless the result has an edit list too.
        """
        self._has_begun = True
        if packet.is_discard and (self._cuts or packet.pts is None or packet.pts >= 0):
            return []
        if not bytes(packet)[:2].startswith(self._sync_word):
            self.lost += 1
            return []
        unit = packet.time_base
        packets = self._without_header(packet) if self._filter else [packet]
        for each in packets:
            each.stream, each.time_base = self._copy, unit
            # Muxers want rising times, also after rounding to the result's own unit, which may be coarser.
            step = max(1, math.ceil(self._copy.time_base / unit)) if self._copy.time_base else 1
            if self._last_dts is not None and each.dts < self._last_dts + step:
                each.dts = self._last_dts + step
            if each.pts is None or each.pts < each.dts:
                each.pts = each.dts
            self._last_dts = each.dts
        return packets

    def fill(self, time: Fraction) -> list[Any]:
        """Return a filler at `time`, in seconds, if nothing has come yet and there is one for this codec."""
        is_first, self._has_begun = not self._has_begun, True
        # Before the first packet, nobody knows what a transport stream's header of AAC leads to.
        data = filler(self._stream.codec_context) if is_first and not self._filter else None
        if data is None:
            return []
        self.is_filled = True
        packet = import_av().Packet(data)
        packet.stream, packet.time_base = self._stream, self._stream.time_base
        packet.pts = packet.dts = round(time / packet.time_base)
        return self.packets(packet)

    def _without_header(self, packet: Any) -> list[Any]:
        """Return a packet of AAC without its header, or nothing where that is damaged."""
        before, said, time = self._aac, _AacFormat.of(bytes(packet)), packet.dts * packet.time_base
        try:
            packets: list[Any] = self._filter.filter(packet)
        except self._invalid:
            self.lost += 1
            return []
        self._aac = said
        if before not in (None, said):
            warnings.warn(
                f"{self._source}: its sound changes from {before} to {said} at "
                f"{float(time):.1f} s, and may play wrongly from there: convert it "
                "first, as with ffmpeg -c:v copy -c:a aac",
                FastnstWarning,
                stacklevel=4,
            )
        return packets


class _AacFormat(NamedTuple):
    """The format of sound that AAC's header in a transport stream says: ISO/IEC 13818-7, 6.2."""

    rate: int
    channels: int

    @classmethod
    def of(cls, packet: bytes) -> _AacFormat:
        header = int.from_bytes(packet[:4], "big")
        return cls(header >> 10 & 15, header >> 6 & 7)

    def __str__(self) -> str:
        rate = _AAC_RATES[self.rate] if self.rate < len(_AAC_RATES) else "?"
        channels = 8 if self.channels == 7 else self.channels
        return f"{rate} Hz and {channels} channel{'s' * (channels != 1)}"


_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


def copy_streams(container: Any, source: Path, streams: list[Any], suffix: str) -> dict[int, StreamCopy]:
    """Add those of the source's streams that the result can hold; the keys are their indices in the source.

    Raises:
        FastnstError: If the result cannot hold the sound.

    Warns:
        FastnstWarning: If a track is left out, because the container cannot hold the subtitles or FFmpeg
            cannot decode it.
    """
    copies = {}
    for stream in streams:
        line = None
        if stream.codec_context is None:  # PyAV copies it into no container
            line = f"one of its {stream.type} tracks, which FFmpeg cannot decode, is left out"
        elif holds(FORMATS[suffix], stream):
            copies[stream.index] = StreamCopy(container, stream, source)
        else:
            name = stream.codec_context.name
            other = ".mp4" if suffix == ".mkv" else ".mkv"
            fits_other = holds(FORMATS[other], stream)
            # A video without its subtitles is still useful; without its sound it is not.
            if stream.type == "audio":
                rest = "convert it first, as with ffmpeg -c:v copy -c:a aac"
                rest = f"give -o NAME{other}" if fits_other else rest
                raise FastnstError(f"{source}: its audio ({name}) does not fit into {suffix}: {rest}")
            line = f"its subtitles ({name}) do not fit into {suffix} and are left out"
            line += f"; -o NAME{other} keeps them" if fits_other else ""
        if line:
            warnings.warn(f"{source}: {line}", FastnstWarning, stacklevel=7)
    return copies


def holds(name: str, stream: Any) -> bool:
    """Return whether the format of this name can hold a stream, by writing the header of a file with it."""
    av = import_av()
    options = {} if name == "matroska" else {"movflags": "+frag_keyframe+delay_moov"}
    try:
        with av.open(io.BytesIO(), "w", format=name, container_options=options) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (ValueError, av.FFmpegError, OSError):
        return False
    return True
