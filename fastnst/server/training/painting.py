"""An uploaded painting, checked before a training begins."""

from __future__ import annotations

import io

from PIL import Image

from fastnst.errors import FastnstError
from fastnst.image.file import TooManyPixelsError, read_image
from fastnst.image.formats import READABLE_SUFFIXES
from fastnst.server.errors import ApiError

_THUMBNAIL = 768  # the painting's longer side, in pixels


def read_uploaded(data: bytes, max_pixels: int) -> tuple[bytes, str]:
    """Check a painting's file.

    Args:
        data: The file.
        max_pixels: More are refused.

    Returns:
        The painting as a small JPEG, on white where it is transparent, and the suffix of its file's format.

    Raises:
        ApiError: 413 if it is too large, 422 if it is no image or fully transparent.
    """
    try:
        picture = read_image(data, name="the painting", max_pixels=max_pixels, first_frame=True)
    except TooManyPixelsError as error:
        raise ApiError(413, str(error)) from None
    except FastnstError as error:
        raise ApiError(422, str(error)) from None
    if picture.alpha is not None and picture.alpha.max() == 0:
        raise ApiError(422, "the painting is fully transparent: there is no style to learn from it")
    image = Image.fromarray(picture.pixels)
    if picture.alpha is not None:
        white = Image.new("RGB", image.size, "white")
        image = Image.composite(image, white, Image.fromarray(picture.alpha))
    image.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    suffix = f".{picture.format.lower()}"
    return buffer.getvalue(), suffix if suffix in READABLE_SUFFIXES else ".png"
