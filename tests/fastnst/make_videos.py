"""Small videos for the tests, whose every frame and packet is known."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

av = pytest.importorskip("av", minversion="18", reason="PyAV 18 needs Python 3.11")

TIME_BASE = Fraction(1, 90_000)


def scene(height: int, width: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    """A smooth colourful picture of shape (height, width, 3), moved to the right by `shift` pixels."""
    waves = np.random.default_rng(seed).uniform(0.02, 0.12, (3, 4, 2))
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    columns -= shift
    channels = [sum(np.sin(a * rows + b * columns + i) for i, (a, b) in enumerate(pairs)) for pairs in waves]
    return np.clip(127 + 40 * np.stack(channels, axis=-1), 0, 255).astype(np.uint8)


def moving(
    count: int, height: int = 48, width: int = 64, seed: int = 0, step: float = 1.0
) -> list[np.ndarray]:
    """Frames of one scene that moves to the right."""
    return [scene(height, width, step * index, seed) for index in range(count)]


def make_video(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    times: Sequence[int] | None = None,
    rate: int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    tags: dict[str, int] | None = None,
    full_range: bool = False,
    rotation: tuple[float, bool, bool] | None = None,
    audio: str | None = None,
    aspect: Fraction | None = None,
    metadata: dict[str, str] | None = None,
    chapters: list[dict[str, Any]] | None = None,
    **options: str,
) -> Path:
    """Encode frames of shape (H, W, 3), uint8, nearly without loss.

    Args:
        path: The file; its suffix chooses the container.
        frames: The pictures.
        times: When each is shown, in units of `TIME_BASE`; evenly at `rate` when None.
        tags: PyAV's colorspace, color_primaries and color_trc.
        full_range: Whether black to white is 0 to 255.
        rotation: Degrees, and whether it is mirrored at each axis.
        audio: The codec of half a second of noise.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.options = options or ({"crf": "4"} if codec == "libx264" else {})
        stream.codec_context.time_base = TIME_BASE if codec == "libx264" else Fraction(1, rate)
        context = stream.codec_context
        colors = {"color_range": 2 if full_range else 1, **tags} if tags is not None else {}
        if aspect:
            context.sample_aspect_ratio = aspect
        for name, value in colors.items():
            setattr(context, name, value)
        if rotation:
            stream.set_display_rotation(*rotation)
        sound = container.add_stream(audio, rate=44_100) if audio else None
        container.metadata.update(metadata or {})
        if chapters:
            container.set_chapters(chapters)
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if pix_fmt != "rgb24":
                matrix = {1: 1, 9: 9}.get((tags or {}).get("colorspace", 5), 5)
                frame = frame.reformat(
                    format=pix_fmt,
                    src_color_range=2,
                    dst_colorspace=matrix,
                    dst_color_range=2 if full_range else 1,
                    interpolation=0x4 | 0x2000 | 0x4000 | 0x40000,
                )
            for name in colors.keys() & {"colorspace", "color_range"}:
                setattr(frame, name, colors[name])
            if codec == "libx264":
                frame.time_base = TIME_BASE
                frame.pts = 90_000 * index // rate if times is None else times[index]
            else:
                frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            for index in range(22):
                noise = np.random.default_rng(index).normal(0, 0.1, (2, 1024)).astype(np.float32)
                part = av.AudioFrame.from_ndarray(noise, "fltp", "stereo")
                part.sample_rate, part.pts = 44_100, 1024 * index
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
    return path


def decoded(path: Path) -> list[Any]:
    """PyAV's frames of the first video stream."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def times_of(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    return [frame.pts * frame.time_base for frame in decoded(path)]


def packets_of(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """Time and bytes of each packet of the first stream of a kind."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.dts is not None]


def mean_colors(path: Path) -> list[float]:
    """The mean of each frame's luma."""
    return [float(frame.to_ndarray(format="gray").mean()) for frame in decoded(path)]
