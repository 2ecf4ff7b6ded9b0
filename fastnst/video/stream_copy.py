"""Copying the sound and the subtitles of a video: what a container holds, and packets as it wants them."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastnst.errors import FastnstError, FastnstWarning
from fastnst.video.imports import import_av

FORMATS: Mapping[str, str] = {".mp4": "mp4", ".m4v": "ipod", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's names of the formats that results may have, by suffix."""


class StreamCopy:
    """One stream of a result, copied packet by packet from the source.

    Args:
        container: PyAV's container of the result.
        stream: The source's stream.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        av = import_av()
        self._copy = container.add_stream_from_template(stream, opaque=True)
        self._copy.metadata.update(stream.metadata)
        self._copy.disposition = stream.disposition.value
        self._cuts = container.format.name == "matroska"
        self._last_dts: int | None = None
        self._filter: Any = None
        # In a transport stream AAC carries its header in every packet; the result has it once, at its start.
        if stream.codec_context.name == "aac" and not stream.codec_context.extradata:
            self._filter = av.bitstream.BitStreamFilterContext("aac_adtstoasc", stream)

    def packets(self, packet: Any) -> list[Any]:
        """Return what the result holds for the source's next packet.

        What an edit list cuts off is left out, unless the result has an edit list too.
        """
        if packet.is_discard and (self._cuts or packet.pts is None or packet.pts >= 0):
            return []
        unit = packet.time_base
        packets = self._filter.filter(packet) if self._filter else [packet]
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
            copies[stream.index] = StreamCopy(container, stream)
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
