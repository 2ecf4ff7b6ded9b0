"""Reading image files as the network needs them: upright 8-bit RGB, with what their copies keep."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fastnst.color.profile import Convert, conversion_to_srgb, to_srgb
from fastnst.color.tags import COLOR_SPACE, GAMMA
from fastnst.errors import FastnstError, FastnstWarning
from fastnst.free_memory import free_memory
from fastnst.image.formats import READABLE_FORMATS, is_heic, is_raw, register_heic, why_unread
from fastnst.image.netpbm import without_comments
from fastnst.image.pillow_limit import WithoutPillowsLimit

MAX_PIXELS = 400_000_000
"""The largest image, in pixels, that is read unless the caller allows more: room for 20000x15000."""

_BYTES_PER_PIXEL = 8
"""The memory of an image that is painted in tiles: Pillow's copy has 4 bytes a pixel, ours 3."""

_MANY_PIXELS = 100_000_000
"""An image of more pixels takes minutes: a small file may have as many."""

_STRIP_ROWS = 256

_MOST_BYTES = 2**31  # the largest file: files are read whole, and layered images are that large

# The EXIF entries that still hold for the painted copy. The rest describes the file's layout, thumbnail and
# orientation, or is a maker's note, whose offsets no longer hold.
_IMAGE_DESCRIPTION, _MAKE, _MODEL, _DATE_TIME, _ARTIST, _COPYRIGHT = (
    0x010E,
    0x010F,
    0x0110,
    0x0132,
    0x013B,
    0x8298,
)
_KEPT_TAGS = (_IMAGE_DESCRIPTION, _MAKE, _MODEL, _DATE_TIME, _ARTIST, _COPYRIGHT)
_EXIF_IFD, _GPS_IFD, _INTEROP_IFD, _MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x927C
_ORIENTATION, _PIXEL_WIDTH, _PIXEL_HEIGHT = 0x0112, 0xA002, 0xA003


@dataclass(frozen=True)
class Picture:
    """A picture, upright, and what is kept with it.

    Attributes:
        pixels: sRGB of shape (H, W, 3), uint8 in [0, 255].
        alpha: Opacity of shape (H, W), uint8, or None where the picture has none.
        format: Pillow's name of the format that it was read from.
        icc_profile: A profile of sRGB that the file is written with, or None.
        exif: The EXIF block, without orientation and thumbnail.
        dpi: Dots per inch, across and down.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    format: str = "PNG"
    icc_profile: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None

    def painted(self, pixels: NDArray[np.uint8]) -> Picture:
        """Return the picture with other pixels and all else kept."""
        return replace(self, pixels=pixels)


def read_image(
    source: Path | BinaryIO | bytes,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    first_frame: bool = False,
    reduce_above: int | None = None,
    has_option: bool = False,
) -> Picture:
    """Read an image file as upright 8-bit sRGB.

    Values of 16 bits are scaled, greyscale and palettes become RGB, and what is in another colour space
    becomes sRGB, by its profile or by what else the file says about it. The colours that hide under full
    transparency are replaced by the mean of the visible ones, so that the network does not paint them.

    Calls are thread-safe. Pillow warns of damage that it can read past, as in EXIF; the caller
    decides whether those warnings are shown, since Python's filters belong to the whole process.

    Args:
        source: A path, an open binary file, or a file's bytes.
        name: The image's name in errors; by default the path, or standard input.
        max_pixels: Images with more pixels are refused as soon as the header is read.
        first_frame: Read the first frame of an animation or page of a TIFF, instead of refusing the file.
        reduce_above: JPEGs of more pixels are decoded at a half, a quarter or an eighth of their size, in
            the memory that this takes. Other formats cannot be.
        has_option: Whether the command has --max-pixels, which messages then name.

    Raises:
        TooManyPixelsError: If it has more than `max_pixels`.
        SeveralFramesError: If it has several frames.
        FastnstError: If the file is missing, empty, damaged, no image, or too large.
    """
    path = source if isinstance(source, Path) else None
    if name is None:
        name = "standard input" if path is None else str(path)
    most = max(_MOST_BYTES, 16 * max_pixels)
    try:
        if isinstance(source, Path):
            if source.is_char_device() or source.is_block_device():
                raise FastnstError(f"{name} is a device, not an image")
            if (size := source.stat().st_size) > most:
                raise FastnstError(
                    f"{name} has {size / 1e9:,.1f} GB, more than an image of {max_pixels:,} pixels takes"
                )
            data = source.read_bytes()
        elif isinstance(source, bytes):
            data = source
        else:
            data = _read_at_most(source, min(most, free_memory() // 2), name)
    except FileNotFoundError:
        raise FastnstError(f"{name} does not exist") from None
    except IsADirectoryError:
        raise FastnstError(f"{name} is a folder, not an image") from None
    except OSError as error:
        raise FastnstError(f"{name} cannot be read: {error.strerror or error}") from None
    if not data:
        raise FastnstError(f"{name} is empty")
    try:
        if path is not None and is_raw(path):
            raise UnidentifiedImageError
        with WithoutPillowsLimit():
            return _decode(data, name, max_pixels, first_frame, reduce_above, has_option)
    except FastnstError:
        raise
    except UnidentifiedImageError:
        reason = why_unread(data, path) or "is no image that fastnst reads, or its header is damaged"
        raise FastnstError(f"{name} {reason}") from None
    except MemoryError:
        raise FastnstError(f"{name} does not fit into memory: resize it") from None
    except Exception as error:  # noqa: BLE001 - damaged files make Pillow's decoders raise anything
        lines = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise FastnstError(f"{name} is damaged or cut short: {lines[0]}") from None


# An MPO is a photo with a preview or a gain map behind it, a PSD's first frame is the whole picture, and an
# HEIC file opens at its main picture.
_STILL = ("MPO", "PSD", "HEIF")


class TooManyPixelsError(FastnstError):
    """The image has more pixels than the caller allows."""


class SeveralFramesError(FastnstError):
    """The file is an animation, or a TIFF of several pages."""


class _UnknownScaleError(Exception):
    pass


def _read_at_most(file: BinaryIO, most: int, name: str) -> bytes:
    """Read a stream, which may never end, to its end.

    Raises:
        FastnstError: If it has more than `most` bytes.
    """
    parts, size = [], 0
    while part := file.read(2**24):
        parts.append(part)
        size += len(part)
        if size > most:
            raise FastnstError(f"{name} has more than {most / 1e9:,.1f} GB, which is no image that fits")
    return b"".join(parts)


def _decode(
    data: bytes, name: str, max_pixels: int, first_frame: bool, reduce_above: int | None, has_option: bool
) -> Picture:
    with _open(data) as image:
        if reduce_above is not None:
            _reduce(image, reduce_above)
        width, height = image.size
        if width * height > max_pixels:
            advice = "resize it"
            if has_option:
                advice += (
                    f", or allow it with --max-pixels {width * height}, which takes some "
                    f"{width * height * _BYTES_PER_PIXEL / 1e9:.1f} GB of memory"
                )
            raise TooManyPixelsError(
                f"{name} has {width}x{height} = {width * height:,} pixels, more than {max_pixels:,}: {advice}"
            )
        if width * height > _MANY_PIXELS and has_option:
            warnings.warn(
                f"{name} has {width * height:,} pixels, which take minutes: --max-pixels refuses such images",
                FastnstWarning,
                stacklevel=3,
            )
        # Counting frames would read the whole file.
        if not first_frame and image.format not in _STILL and getattr(image, "is_animated", False):
            raise SeveralFramesError(
                f"{name} has several frames: fastnst stylises still images; --first-frame takes the first"
            )
        # Pillow turns a TIFF upright as it loads it, and then no longer says that it did.
        stored = _exif(image) if image.format == "TIFF" else None
        turned = stored.get(_ORIENTATION, 1) if stored is not None else 1
        image.load()
        file_format = "JPEG" if image.format == "MPO" else image.format or "PNG"
        dpi = _dpi(image)
        exif = _exif(image)
        orientation = exif.get(_ORIENTATION, 1) if exif is not None else 1
        if dpi is not None and (orientation in (5, 6, 7, 8) or turned in (5, 6, 7, 8)):
            dpi = dpi[::-1]
        upright = ImageOps.exif_transpose(image) if orientation in range(2, 9) else image
        try:
            if upright.mode in ("CMYK", "LAB"):
                upright, icc_profile = to_srgb(upright)
                pixels, alpha = _rgb(upright, None), None
                is_converted = True
            else:
                conversion = conversion_to_srgb(image, data, stored or exif)
                icc_profile, is_converted = conversion.icc_profile, conversion.to_srgb is not None
                pixels, alpha = _rgb_and_alpha(upright, conversion.to_srgb)
        except _UnknownScaleError as error:
            raise FastnstError(f"{name} {error}, whose black and white are unknown: convert it") from None
    return Picture(
        pixels=pixels,
        alpha=alpha,
        format=file_format,
        icc_profile=icc_profile,
        exif=_kept_exif(exif, pixels.shape[1], pixels.shape[0], is_converted),
        dpi=dpi,
    )


def _open(data: bytes) -> Image.Image:
    """Open an image, trying Pillow's common formats first: loading all others takes a quarter of a second."""
    data = without_comments(data)
    for load in (Image.preinit, Image.init):
        load()
        formats = [known for known in READABLE_FORMATS if known in Image.OPEN]
        try:
            return Image.open(io.BytesIO(data), formats=formats)
        except UnidentifiedImageError:
            if load is Image.init:
                if is_heic(data) and register_heic():
                    return Image.open(io.BytesIO(data), formats=["HEIF"])
                raise
    raise AssertionError  # the second round returns or raises


def _reduce(image: Image.Image, most_pixels: int) -> None:
    """Have an image that is not loaded yet decoded small enough, where its format (JPEG) can."""
    width, height = image.size
    factor = 1
    while width * height > most_pixels * factor**2 and factor < 8:
        factor *= 2
    if factor > 1:
        image.draft(None, (width // factor, height // factor))


def _rgb_and_alpha(
    image: Image.Image, convert: Convert | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    if image.mode.startswith("I") or image.mode == "F":
        grey = _grey(np.asarray(image), np.uint8 if convert is None else np.uint16)
        rgb = np.repeat(grey[..., np.newaxis], 3, axis=2)
        return rgb if convert is None else convert(rgb), None
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        alpha = np.ascontiguousarray(rgba[..., 3])
        return _without_hidden_colours(_converted(rgba[..., :3], convert), alpha), alpha
    return _rgb(image, convert), None


def _rgb(image: Image.Image, convert: Convert | None) -> NDArray[np.uint8]:
    """Return an image's pixels, copied strip by strip: NumPy alone would hold them three times meanwhile."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(top + _STRIP_ROWS, image.height)))
        rgb = np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))
        pixels[top : top + _STRIP_ROWS] = _converted(rgb, convert)
    return pixels


def _converted(rgb: NDArray[np.uint8], convert: Convert | None) -> NDArray[np.uint8]:
    return rgb if convert is None else convert(np.ascontiguousarray(rgb))


def _grey(values: NDArray[np.generic], dtype: type[np.uint8 | np.uint16]) -> NDArray[Any]:
    """Scale greyscale of more than 8 bits, of shape (H, W), to uint8 or uint16."""
    most = np.iinfo(dtype).max
    if values.dtype.kind == "f":
        numbers = values.astype(np.float32)
        if not np.isfinite(numbers).all() or numbers.min() < 0 or numbers.max() > 1:
            raise _UnknownScaleError("has float values outside 0 to 1")
        return np.rint(numbers * most).astype(dtype)
    integers = values.astype(np.int64)
    if integers.min() < 0 or integers.max() > 65_535:
        raise _UnknownScaleError("has values of more than 16 bits")
    return (integers if dtype == np.uint16 else (integers + 128) // 257).astype(dtype)


def _without_hidden_colours(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    hidden = alpha == 0
    rgb = np.array(rgb, order="C")
    if hidden.any() and not hidden.all():
        weights = alpha.astype(np.float64)
        rgb[hidden] = np.rint(np.einsum("hwc,hw->c", rgb, weights) / weights.sum()).astype(np.uint8)
    return rgb


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    # JPEG counts them in 16 bits, and what a damaged file says may be more than any format holds.
    return (across, down) if all(1 <= value <= 65_535 for value in (across, down)) else None


def _exif(image: Image.Image) -> Image.Exif | None:
    try:
        return image.getexif()
    except Exception:  # noqa: BLE001 - damaged EXIF makes Pillow raise anything, and the picture is still good
        return None


def _kept_exif(exif: Image.Exif | None, width: int, height: int, is_converted: bool) -> bytes | None:
    if not exif:
        return None
    try:
        kept = Image.Exif()
        for tag in _KEPT_TAGS:
            if tag in exif:
                kept[tag] = exif[tag]
        details = {
            tag: value
            for tag, value in exif.get_ifd(_EXIF_IFD).items()
            if tag not in (_INTEROP_IFD, _MAKER_NOTE)
        }
        if is_converted:
            details.pop(GAMMA, None)
            if COLOR_SPACE in details:
                details[COLOR_SPACE] = 1  # sRGB
        if details:
            sizes = {_PIXEL_WIDTH: width, _PIXEL_HEIGHT: height}
            kept.get_ifd(_EXIF_IFD).update(
                {**details, **{tag: sizes[tag] for tag in sizes if tag in details}}
            )
        if location := exif.get_ifd(_GPS_IFD):
            kept.get_ifd(_GPS_IFD).update(location)
        return kept.tobytes() if len(kept) or details or location else None
    except Exception:  # noqa: BLE001 - as above
        return None
