"""A style for the frames of a video: the statistics of its norms are smoothed over time."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from numpy.typing import ArrayLike

from fastnst.model.image_model import ImageModel, Images, checked_pictures
from fastnst.model.running_norms import TemporalNormSession
from fastnst.model.session import open_changed


class VideoStylizer:
    """A style that remembers the frames before; call it with the frames in their order, from one thread.

    Each frame is painted as a whole: tiles would have statistics of their own.

    Args:
        model: The style's model, which is left as it is.
        data: The bytes of its file.
        rate: How much of the norms' running statistics a frame replaces, above 0 to 1; 1 paints each frame
            by itself.

    Raises:
        ValueError: If `rate` is out of its range.
        FastnstError: If ONNX Runtime does not take the changed model.
    """

    def __init__(self, model: ImageModel, data: bytes, rate: float) -> None:
        self._session = TemporalNormSession(data, partial(open_changed, model.session), rate=rate)
        self._model = replace(model, session=self._session)

    def __call__(self, image: ArrayLike, *, out: Images | None = None) -> Images:
        """Paint the next frame; arguments, result and errors are those of `Stylizer.__call__`."""
        images, result = checked_pictures(image, out)
        result[...] = self._model(images.reshape(-1, *images.shape[-3:])).reshape(images.shape)
        return result

    def begin_shot(self) -> None:
        """Forget the frames before: the next one is the first of another shot."""
        self._session.reset()
