"""From a picture's own colours to sRGB, in which styles paint."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.color.space import ColorSpace, ToSrgb, is_srgb
from fastnst.color.tags import stated_color

Convert: TypeAlias = Callable[[NDArray[Any]], NDArray[np.uint8]]
"""A conversion of RGB of shape (H, W, 3), uint8 or uint16, to sRGB, uint8."""

_GREY_MODES = ("1", "L", "LA", "La", "F")  # and those that begin with I
_RGB_MODES = ("RGB", "RGBA", "RGBX", "RGBa", "P", "PA")


@dataclass(frozen=True)
class Conversion:
    """How a picture's values become sRGB.

    Attributes:
        to_srgb: Takes the picture as RGB of shape (H, W, 3), uint8 (greyscale also uint16), and returns sRGB,
            uint8; None where the values are sRGB already.
        icc_profile: The profile of the results: sRGB's where the values were converted, the picture's own
            where that is sRGB's anyway, and None where it says nothing.
    """

    to_srgb: Convert | None = None
    icc_profile: bytes | None = None


def conversion_to_srgb(image: Image.Image, data: bytes, exif: Image.Exif | None) -> Conversion:
    """Return how a picture's values become sRGB, by its profile or by what else it says.

    A profile that is damaged, or for another kind of values than the picture's, counts for nothing.

    Args:
        image: The loaded image, of any mode but CMYK and LAB, which `to_srgb` converts.
        data: The file's bytes.
        exif: Its EXIF, if it has any.
    """
    stated = stated_color(image, data, exif)
    profile = stated if isinstance(stated, bytes) else image.info.get("icc_profile")
    convert: Convert | None = None
    kept = None
    if isinstance(profile, bytes):
        is_grey = image.mode in _GREY_MODES or image.mode.startswith("I")
        convert, is_own = _by_profile(profile, is_grey)
        if image.mode in _RGB_MODES and profile[16:20] == b"RGB " and (is_own or not _has_little_cms()):
            kept = profile
        convert = None if is_own else convert
    if isinstance(stated, ColorSpace):
        try:
            convert = ToSrgb(stated)
        except ValueError:  # what it says is damaged
            convert = None
        convert = None if convert is not None and is_srgb(convert) else convert
    if convert is None:
        return Conversion(icc_profile=kept)
    return Conversion(convert, srgb_profile())


def to_srgb(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """Convert an image of CMYK or LAB to sRGB.

    Args:
        image: An image of Pillow's mode CMYK or LAB. CMYK without a usable profile is converted by Pillow's
            formula.

    Returns:
        An image of mode RGB, and sRGB's profile if the image's own was used.
    """
    if not _has_little_cms():
        return image.convert("RGB"), None
    from PIL import ImageCms

    srgb = ImageCms.createProfile("sRGB")
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image, None
    if profile := image.info.get("icc_profile"):
        try:
            inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, inks, srgb, outputMode="RGB") or image, srgb_profile()
        except (ImageCms.PyCMSError, OSError):  # a damaged profile, or one for another space
            pass
    return image.convert("RGB"), None


@functools.cache
def srgb_profile() -> bytes | None:
    """Return sRGB's ICC profile, the same bytes always; None in a Pillow without Little CMS."""
    if not _has_little_cms():
        return None
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Little CMS writes the time at which it is made: year, month, day, hour, minute and second of 16 bits.
    profile[24:36] = b"".join(part.to_bytes(2, "big") for part in (2020, 1, 1, 0, 0, 0))
    return bytes(profile)


@functools.lru_cache(maxsize=16)  # many photos have the same, and it takes as long as decoding one
def _by_profile(profile: bytes, is_grey: bool) -> tuple[Convert | None, bool]:
    """Return a profile's conversion of RGB, or of greyscale as RGB, if any, and whether it is sRGB's."""
    convert = _read_profile(profile, is_grey) if _has_little_cms() else None
    return convert, convert is not None and is_srgb(convert)


def _read_profile(profile: bytes, is_grey: bool) -> Convert | None:
    from PIL import ImageCms

    mode = "L" if profile[16:20] == b"GRAY" and is_grey else "RGB"
    # Little CMS's optimisation costs linear greys up to ten levels, and colours at most one.
    flags = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE
    try:
        own, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(own, srgb, mode, "RGB", flags=flags)
    except (ImageCms.PyCMSError, OSError):
        return None

    def transformed(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(ImageCms.applyTransform(Image.fromarray(values), transform))

    if mode == "RGB":
        return lambda rgb: transformed(rgb if rgb.dtype == np.uint8 else _eight_bits(rgb))
    table = transformed(np.arange(256, dtype=np.uint8).reshape(1, 256))[0, :, 1]
    # Little CMS reads 8 bits of grey in Pillow; between them the curve is nearly straight.
    fine = np.rint(np.interp(np.arange(65_536) / 257, np.arange(256), table)).astype(np.uint8)
    return lambda rgb: (table if rgb.dtype == np.uint8 else fine).take(rgb)


def _eight_bits(values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _has_little_cms() -> bool:
    try:
        from PIL import ImageCms

        ImageCms.createProfile("sRGB")
    except ImportError:  # a Pillow built without Little CMS
        return False
    return True
