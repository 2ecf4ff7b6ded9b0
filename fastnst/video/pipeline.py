"""Painting a video file: decoding, painting and encoding overlap."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnst.video.partial import write_video
from fastnst.video.reader import Frame, VideoReader
from fastnst.video.stabilizer import Motion, Stabilizer
from fastnst.video.writer import VideoWriter

Paint: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""A function that paints a picture: RGB of shape (H, W, 3), uint8, to the same shape."""

# The number of frames that are decoded ahead of the painter, and that may wait for the encoder.
_AHEAD = 4


def stylize_video(
    source: VideoReader,
    result: Path,
    paint: Paint,
    *,
    stabilizer: Stabilizer | None = None,
    crf: int = 18,
    overwrite: bool = True,
    on_shot: Callable[[], None] | None = None,
    on_frame: Callable[[], None] | None = None,
) -> int:
    """Paint every frame of a video and keep everything else.

    Decoding and optical flow run in one thread, blending and encoding in another, painting in the caller's.
    `write_video` names the partial result and decides what an interruption leaves.

    Args:
        source: The video, which is read to its end.
        result: The file to write.
        paint: Called with the frames in their order.
        stabilizer: Removes flicker; a new one for each video.
        crf: x264's constant rate factor.
        overwrite: Whether a file of the result's name is replaced, also one that appears meanwhile.
        on_shot: With a stabilizer, called before the first frame after each cut is painted, so that a
            painter can forget earlier frames.
        on_frame: Called when a frame has been painted.

    Returns:
        How many frames the result has.

    Raises:
        FastnstError: If the source cannot be decoded, the result cannot be written, or `paint` raises it.
    """
    items = iter(source)

    def read() -> tuple[Frame | Any, Motion | None] | None:
        item = next(items, None)
        if item is None:
            return None
        return item, stabilizer.track(item.pixels) if stabilizer and isinstance(item, Frame) else None

    def write(writer: VideoWriter, item: Frame | Any, motion: Motion | None) -> None:
        if stabilizer and isinstance(item, Frame):
            item = replace(item, pixels=stabilizer.blend(item.pixels, motion))
        writer.write(item)

    with write_video(result, source, crf=crf, overwrite=overwrite) as writer:
        reading, writing = ThreadPoolExecutor(1, "decode"), ThreadPoolExecutor(1, "encode")
        try:
            ahead = deque(reading.submit(read) for _ in range(_AHEAD))
            behind: deque[Future[None]] = deque()
            while (read_item := ahead.popleft().result()) is not None:
                ahead.append(reading.submit(read))
                item, motion = read_item
                if isinstance(item, Frame):
                    if motion is None and stabilizer and on_shot:
                        on_shot()
                    item = replace(item, pixels=paint(item.pixels))
                    if on_frame:
                        on_frame()
                behind.append(writing.submit(write, writer, item, motion))
                if len(behind) > _AHEAD:
                    behind.popleft().result()
            while behind:
                behind.popleft().result()
        finally:
            # Both threads must stop before the file is closed; after an error the waiting work is dropped.
            reading.shutdown(cancel_futures=True)
            writing.shutdown(cancel_futures=True)
        return writer.frames
