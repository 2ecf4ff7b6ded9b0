"""Paintings that clients send in the place of a style's name: measured, and frozen into style files."""

from __future__ import annotations

import hashlib
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fastnst.arbitrary.freeze import freeze_measured
from fastnst.arbitrary.measure import measure_content, painting_size
from fastnst.server.errors import ApiError
from fastnst.stylizer import Stylizer

IMAGE = "style_image"
"""The name of the paintings in a form."""


@dataclass(frozen=True)
class SentPaintings:
    """The paintings of one request.

    Attributes:
        parts: The content of each one's file, and its weight; the weights add up to 1.
    """

    parts: tuple[tuple[bytes, float], ...]

    @cached_property
    def key(self) -> str:
        """What is the same for the same paintings and weights, and no style's name."""
        parts = (f"{hashlib.sha256(content).hexdigest()}:{weight!r}" for content, weight in self.parts)
        return f"/{'/'.join(parts)}"

    def open(self, open_style: Callable[[Path], Stylizer], max_pixels: int) -> Stylizer:
        """Return the style of these paintings. Its file, a temporary one, ends with it.

        Args:
            open_style: Opens a style file.
            max_pixels: A painting may have no more pixels.

        Raises:
            ApiError: If there is no place for the file.
            FastnstError: If a painting cannot be read or measured, or has too many pixels.
            Cancelled: If a `Cancellation` ends it.
        """
        size = painting_size()
        measured = [
            (measure_content(content, IMAGE, size, max_pixels=max_pixels), weight)
            for content, weight in self.parts
        ]
        try:
            with tempfile.NamedTemporaryFile(prefix="fastnst-", suffix=".onnx", delete=False) as file:
                file.write(freeze_measured(measured, size))
        except OSError as error:
            raise ApiError(
                500, f"the folder for temporary files takes no style: {error.strerror or error}"
            ) from None
        path = Path(file.name)
        try:
            stylizer = open_style(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        # A picture in tiles opens the file again.
        weakref.finalize(stylizer, path.unlink, missing_ok=True)
        return stylizer


def sent_paintings(contents: list[bytes], weights: list[float]) -> SentPaintings | None:
    """Return the paintings of a form; None if there are none.

    Args:
        contents: Their files.
        weights: A weight for each, or none at all.

    Raises:
        ApiError: 400 if the numbers of both differ, 422 if all weights are 0.
    """
    if weights and len(weights) != len(contents):
        raise ApiError(
            400,
            f"there are {len(contents)} {IMAGE} and {len(weights)} {IMAGE}_weight: give each one, or none",
        )
    weights = weights or [1.0] * len(contents)
    total = sum(weights)
    if not contents:
        return None
    if not total:
        raise ApiError(422, f"the weights of {IMAGE} must not all be 0")
    parts = zip(contents, weights, strict=True)
    return SentPaintings(tuple((content, weight / total) for content, weight in parts if weight))
