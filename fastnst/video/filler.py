"""A first packet for a track that begins late, without which MP4 could not be played until then."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from fastnst.video.imports import import_av

NO_TEXT = b"\0\0"
"""A subtitle of MP4 without text: its length, by 3GPP TS 26.245."""


def filler(decoder: Any) -> bytes | None:
    """Return a packet in which nothing is heard or shown, for a PyAV codec context; None if none is known."""
    if decoder.name == "mov_text":
        return NO_TEXT
    av = import_av()
    try:
        encoder = av.CodecContext.create(decoder.codec.canonical_name, "w")
        encoder.format = encoder.codec.audio_formats[0]
        encoder.layout, encoder.sample_rate = f"{decoder.layout.nb_channels}c", decoder.sample_rate
        encoder.time_base = Fraction(1, decoder.sample_rate)
        encoder.open()
        silence = av.AudioFrame(encoder.format, encoder.layout, encoder.frame_size or 1024)
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        silence.sample_rate, silence.time_base, silence.pts = decoder.sample_rate, encoder.time_base, 0
        packets = [*encoder.encode(silence), *encoder.encode(None)]
    except (av.FFmpegError, ValueError, TypeError, ZeroDivisionError):  # nothing encodes this sound
        return None
    return bytes(packets[0]) if packets else None
