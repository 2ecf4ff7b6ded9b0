"""What the network for any painting gives at once, before training has begun."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastnst import Stylizer


class FirstLook:
    """Paint photos in a thread of its own, on half of the cores, while the run prepares what it needs.

    Args:
        painting: The painting's file.
        photos: RGB photos, uint8 of shape (H, W, 3).
    """

    def __init__(self, painting: Path, photos: Sequence[NDArray[np.uint8]]) -> None:
        self._painting, self._photos = painting, photos
        self._painted: list[NDArray[np.uint8]] = []
        self._error: Exception | None = None
        # A daemon: a run that ends for another reason does not wait for it.
        self._thread = threading.Thread(target=self._paint, name="first look", daemon=True)
        self._thread.start()

    def pictures(self) -> list[NDArray[np.uint8]]:
        """Return the stylised photos, of the photos' shapes, as soon as they are painted.

        Raises:
            FastnstError: If the painting cannot be taken, because it is too small for instance.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._painted

    def _paint(self) -> None:
        try:
            stylize = Stylizer(self._painting, device="cpu", threads=max(1, (os.cpu_count() or 1) // 2))
            self._painted = [stylize(photo) for photo in self._photos]
        except Exception as error:  # noqa: BLE001 - raised where the pictures are asked for
            self._error = error
