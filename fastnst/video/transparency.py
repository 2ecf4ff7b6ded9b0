"""Transparent video: it is decoded with its opacity, and laid on white."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnst.errors import FastnstWarning
from fastnst.video.imports import import_av

# FFmpeg's own decoders of these codecs leave the transparency out; libvpx's give it.
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def decoder_of(stream: Any, path: Path) -> Callable[[Any], list[Any]]:
    """Return what decodes the packets of a PyAV video stream of a file, with transparency if it has any.

    Warns:
        FastnstWarning: If the FFmpeg at hand cannot decode the transparency.
    """
    codec = _WITH_ALPHA.get(stream.codec_context.name)
    if codec is None or stream.metadata.get("alpha_mode") != "1":
        return lambda packet: list(packet.decode())
    av = import_av()
    try:
        decoder = av.CodecContext.create(codec, "r")
    except av.codec.codec.UnknownCodecError:
        warnings.warn(
            f"{path} has transparency, which this FFmpeg does not decode: what hides under it is painted",
            FastnstWarning,
            stacklevel=4,
        )
        return lambda packet: list(packet.decode())
    decoder.extradata = stream.codec_context.extradata
    decoder.thread_type = stream.thread_type
    return lambda packet: list(decoder.decode(packet))


def on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay RGBA of shape (H, W, 4), uint8, on white and return RGB of shape (H, W, 3)."""
    alpha = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
