"""Writing pictures as image files, with their profile, EXIF, resolution and transparency."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.errors import FastnstError
from fastnst.image.file import Picture

WRITABLE_SUFFIXES = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".avif": "AVIF",
}
"""Pillow's format for each suffix that results may have."""

_WITH_ALPHA = ("PNG", "WEBP", "TIFF", "AVIF")


def output_format(suffix: str) -> str:
    """Return Pillow's format for an output's suffix such as `.jpg`.

    Raises:
        FastnstError: If it is no format that fastnst writes.
    """
    file_format = WRITABLE_SUFFIXES.get(suffix.lower())
    Image.preinit()
    if file_format not in Image.SAVE:
        Image.init()
    if file_format not in Image.SAVE:
        known = sorted(known for known, name in WRITABLE_SUFFIXES.items() if name in Image.SAVE)
        raise FastnstError(
            f"cannot write {suffix if suffix else 'a file without a suffix'}: choose one of {' '.join(known)}"
        )
    return str(file_format)


def result_format(picture: Picture, suffix: str | None) -> str:
    """Return the format of a result without a file name: that of a suffix, else the picture's own, else PNG.

    Raises:
        FastnstError: If the suffix is no format that fastnst writes.
    """
    if suffix is not None:
        return output_format(suffix)
    return picture.format if picture.format in WRITABLE_SUFFIXES.values() else "PNG"


def encode_image(picture: Picture, file_format: str, *, quality: int = 95) -> bytes:
    """Return the picture as a file of the given format, with its profile, EXIF and resolution.

    Where the format has no transparency (JPEG, BMP), the picture is laid on white.

    Args:
        picture: What to write.
        file_format: Pillow's name, as `output_format` gives it.
        quality: 1 to 100, for JPEG, WebP and AVIF; the others lose nothing.

    Raises:
        FastnstError: If the format cannot hold the picture, as WebP above 16383 pixels.
    """
    if not 1 <= quality <= 100:
        raise FastnstError(f"quality must be 1 to 100, not {quality}")
    # Painted strokes have hard coloured edges, which halved chroma would blur.
    options_of: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": quality, "subsampling": "4:4:4"},
        "WEBP": {"quality": quality},
        "AVIF": {"quality": quality, "subsampling": "4:4:4"},
        # Pillow's compressing TIFF writer cannot hold the inner tables of EXIF.
        "TIFF": {"compression": "raw" if picture.exif else "tiff_adobe_deflate"},
    }
    options = options_of.get(file_format, {})
    kept = {"icc_profile": picture.icc_profile, "exif": picture.exif, "dpi": picture.dpi}
    if file_format == "JPEG" and picture.exif is not None and len(picture.exif) > 65_533:
        del kept["exif"]  # a JPEG segment holds no more
    pixels = picture.pixels
    if picture.alpha is not None:
        if file_format in _WITH_ALPHA:
            pixels = np.dstack([pixels, picture.alpha])
        else:
            pixels = on_white(pixels, picture.alpha)
    buffer = io.BytesIO()
    try:
        Image.fromarray(pixels).save(
            buffer, file_format, **options, **{key: value for key, value in kept.items() if value}
        )
    except (OSError, ValueError) as error:
        height, width = pixels.shape[:2]
        raise FastnstError(
            f"cannot write {width}x{height} pixels as {file_format}: {error or 'too large'}"
        ) from None
    return buffer.getvalue()


def on_white(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RGB of shape (H, W, 3), uint8, laid on white by its opacity of shape (H, W), uint8."""
    opacity = alpha[..., np.newaxis].astype(np.uint16)
    return ((rgb * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
