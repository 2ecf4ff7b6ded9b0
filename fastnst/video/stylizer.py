"""A style for the frames of a video: the statistics of its norms are smoothed over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from fastnst.model.image_model import ImageModel, checked_pictures
from fastnst.model.metadata import is_own
from fastnst.model.one_colour import samples, warn_of_one_colour
from fastnst.model.running_norms import TemporalNormSession
from fastnst.model.session import open_changed
from fastnst.model.values import Images


class VideoStylizer:
    """A style that remembers the frames before; call it with the frames in their order, from one thread.

    Each frame is painted as a whole: tiles would have statistics of their own.

    Args:
        model: The style's model, which stays unchanged.
        path: Its file.
        metadata: Its metadata.
        rate: How much of the norms' running statistics a frame replaces, above 0 to 1; 1 paints each frame
            by itself.

    Attributes:
        name: As in `Stylizer`.
        path: As in `Stylizer`.
        metadata: As in `Stylizer`.
        providers: As in `Stylizer`.

    Raises:
        ValueError: If `rate` is out of its range.
        FastnstError: If ONNX Runtime does not take the changed model.
    """

    def __init__(self, model: ImageModel, path: Path, metadata: Mapping[str, str], rate: float) -> None:
        self.name, self.path, self.metadata = path.stem, path, metadata
        self.providers = tuple(model.session.get_providers())
        self._session = TemporalNormSession(
            path.read_bytes(), partial(open_changed, model.session), rate=rate
        )
        self._model = replace(model, session=self._session)

    def __call__(self, image: ArrayLike, *, out: Images | None = None) -> Images:
        """Paint the next frame, or the next ones; arguments, result and errors are those of `Stylizer`."""
        images, result = checked_pictures(image, out)
        batch, results = (images, result) if images.ndim == 4 else (images[np.newaxis], result[np.newaxis])
        before = samples(batch)
        self._paint(batch, results)
        warn_of_one_colour(before, results, self.name, is_own=is_own(self.metadata))
        return result

    def _paint(self, images: Images, results: Images) -> None:
        """Paint frames of shape (N, H, W, 3), as many in one run as a fixed batch holds."""
        count = self._model.input.batch or max(len(images), 1)
        for start in range(0, len(images), count):
            results[start : start + count] = self._model(images[start : start + count])

    def begin_shot(self) -> None:
        """Forget the frames before: the next one is the first of another shot."""
        self._session.reset()
