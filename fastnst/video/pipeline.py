"""A video from file to file: decoding, painting and encoding at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnst.video.reader import Frame, VideoReader
from fastnst.video.stabilizer import Motion, Stabilizer
from fastnst.video.writer import VideoWriter, write_video

Paint: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""What paints a picture: RGB of shape (H, W, 3), uint8, to the same shape."""

# Frames that are decoded ahead of the painter, and that wait for the encoder behind it.
_AHEAD = 4


def stylize_video(
    source: VideoReader,
    result: Path,
    paint: Paint,
    *,
    stabilizer: Stabilizer | None = None,
    crf: int = 18,
    on_shot: Callable[[], None] | None = None,
    on_frame: Callable[[], None] | None = None,
) -> int:
    """Paint every frame of a video; all else of it stays as it was.

    Decoding and optical flow run in one thread, blending and encoding in another, painting in the caller's.
    What the result is called until it is whole, and what an interruption leaves, is `write_video`'s matter.

    Args:
        source: The video, which is read to its end.
        result: The file to write.
        paint: Called with the frames in their order.
        stabilizer: What takes the flicker out; a fresh one for each video.
        crf: x264's constant rate factor.
        on_shot: Called before the first frame after each cut is painted, where there is a stabilizer, so
            that a painter which remembers frames can forget them.
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
            item = Frame(stabilizer.blend(item.pixels, motion), item.pts, item.duration)
        writer.write(item)

    with write_video(result, source, crf=crf) as writer:
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
                    item = Frame(paint(item.pixels), item.pts, item.duration)
                    if on_frame:
                        on_frame()
                behind.append(writing.submit(write, writer, item, motion))
                if len(behind) > _AHEAD:
                    behind.popleft().result()
            while behind:
                behind.popleft().result()
        finally:
            # Both must be still before the file is closed; what waits after an error is not worth doing.
            reading.shutdown(cancel_futures=True)
            writing.shutdown(cancel_futures=True)
        return writer.frames
