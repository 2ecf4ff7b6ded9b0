"""Processing a picture a few rows at a time, so that float arithmetic needs little memory."""

from __future__ import annotations

from collections.abc import Iterator

_PIXELS = 1 << 16  # small enough for the processor's cache, large enough that NumPy's calls cost nothing


def row_strips(height: int, width: int) -> Iterator[slice]:
    """Yield slices of rows, in order and without overlap, that together cover a picture.

    Args:
        height: The picture's rows.
        width: Its columns, which decide how many rows make a strip: at least one.
    """
    rows = max(1, _PIXELS // max(1, width))
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height))
