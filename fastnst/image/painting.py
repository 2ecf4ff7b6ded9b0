"""A painting as every part of the project reads it: upright, opaque, in sRGB."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from PIL import Image

from fastnst.errors import FastnstError
from fastnst.image.file import MAX_PIXELS, read_image

# Pillow's own limit. Smaller JPEGs are decoded whole, so that a resumed training finds the pixels that it
# began with, if an older version began it on an sRGB painting.
_REDUCED_ABOVE = 178_956_970


def read_painting(content: bytes, path: Path, *, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image, bool]:
    """Read a painting.

    It is turned upright and converted to sRGB by its colour profile. A partly transparent one is laid on
    white. A JPEG above 179 megapixels is decoded at a half, a quarter or an eighth of its size; other formats
    are read up to 400 megapixels. Of several frames the first is taken.

    Args:
        content: The file's content.
        path: The file, for messages.
        max_pixels: Paintings with more pixels are refused.

    Returns:
        The painting as an RGB image, and whether it was laid on white.

    Raises:
        FastnstError: If it is no image, too large, damaged or fully transparent.
    """
    with warnings.catch_warnings():  # Pillow warns of damage that does not concern the pixels
        warnings.simplefilter("ignore")
        picture = read_image(
            io.BytesIO(content),
            name=f"the painting {path}",
            max_pixels=max_pixels,
            first_frame=True,
            reduce_above=_REDUCED_ABOVE,
        )
    image = Image.fromarray(picture.pixels)
    if picture.alpha is None or picture.alpha.min() == 255:
        return image, False
    if picture.alpha.max() == 0:
        raise FastnstError(f"the painting {path} is fully transparent: there is no style to learn from it")
    image.putalpha(Image.fromarray(picture.alpha))
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"), True
