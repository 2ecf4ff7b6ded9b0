"""How a video is turned and mirrored when it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to turn and mirror a picture: transposed first, then flipped."""

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: Any) -> Orientation:
        """Read a PyAV frame's display matrix, to the nearest quarter turn."""
        for side_data in frame.side_data:
            if side_data.type.name == "DISPLAYMATRIX":
                # Three rows of three: x' = a x + c y and y' = b x + d y, from the rows (a, b, u), (c, d, v).
                a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5].tolist()
                if abs(a) + abs(d) >= abs(b) + abs(c):
                    return cls(False, a < 0, d < 0)
                return cls(True, c < 0, b < 0)
        return cls()

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return pixels of shape (H, W, 3) as they are shown."""
        if self.transposed:
            pixels = pixels.transpose(1, 0, 2)
        return pixels[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
