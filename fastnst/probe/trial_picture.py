"""The picture that foreign models are tried on."""

from __future__ import annotations

import numpy as np

from fastnst.model.image_model import ImageModel
from fastnst.model.values import Images


def trial_picture(model: ImageModel, size: tuple[int, int]) -> Images:
    """Return a picture with dark and light squares, colours and slopes.

    Args:
        model: The model that takes it.
        size: Its height and width, which are changed to those that the model takes.

    Returns:
        As many equal pictures as the model takes at a time: RGB of shape (N, H, W, 3), uint8.
    """
    height, width = model.canvas(*size)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    planes = [x / width, y / height, 1 - x / width * (y / height)]
    image = np.stack(planes, axis=-1)
    # Not at the very ends of the range, so that values that are clipped stand out.
    image[(x // 8 + y // 8) % 4 == 0] = 0.06
    image[(x // 8 + y // 8) % 4 == 2] = 0.94
    pixels = np.rint(image * 255).astype(np.uint8)
    return np.broadcast_to(pixels, (model.input.batch or 1, *pixels.shape))
