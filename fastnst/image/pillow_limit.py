"""Pillow's own limit on pixels, which belongs to the whole process."""

from __future__ import annotations

import threading
from types import TracebackType

from PIL import Image


class WithoutPillowsLimit:
    """A context in which Pillow reads images of any size, for callers that check the size themselves.

    Pillow asks its limit as it opens a file, and for some formats (TIFF, WebP, ICO) again as it decodes. The
    limit of the process is back once no thread is in such a context.
    """

    _lock = threading.Lock()
    _inside = 0
    _limit: int | None = None

    def __enter__(self) -> None:
        """Lift the limit."""
        shared = WithoutPillowsLimit
        with shared._lock:
            if not shared._inside:
                shared._limit = Image.MAX_IMAGE_PIXELS
                Image.MAX_IMAGE_PIXELS = None
            shared._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore it after the last."""
        shared = WithoutPillowsLimit
        with shared._lock:
            shared._inside -= 1
            if not shared._inside:
                Image.MAX_IMAGE_PIXELS = shared._limit
