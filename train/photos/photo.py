"""One photo: decode it, whatever its format, for crops or scaled as a whole."""

from __future__ import annotations

import io
import logging
import math
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fastnst.color.profile import Convert, conversion_to_srgb, to_srgb
from fastnst.errors import FastnstError
from fastnst.regular_file import open_regular_file
from train.generated.photo.image import GeneratedImage
from train.photos.crops import reduction_for_crops

_log = logging.getLogger(__name__)

# The formats of photos. Pillow reads more, but a crafted file could reach programs through them (EPS runs
# Ghostscript), and GIMP or PDF files are no photos.
# fmt: off
PHOTO_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".ppm",
    ".pgm", ".avif", ".jp2",
})
# fmt: on
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "AVIF", "JPEG2000")

# So many unreadable photos in a row are no accident: the disk is gone, or these are not photos.
UNREADABLE_IN_A_ROW = 1000

# The longer side of a generated image: this, or so many times the side of a crop if that is more.
_GENERATED_SIDE, _GENERATED_TO_CROP = 512, 1.25

_LONGEST = 4  # a whole photo is at most this many times longer than wide

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow's modes that Little CMS converts by itself, and the formats whose files say more than Pillow tells.
_BY_PILLOW = ("CMYK", "LAB")
_COLOR_IN_FILE = ("PNG", "AVIF", "JPEG2000", "BMP")

Box = tuple[float, float, float, float]


class Photo(NamedTuple):
    """An undecoded photo.

    Attributes:
        name: Its name in messages: its path, or its place in a data set.
        source: The path of its file, the file's bytes, or an image to generate; None where the row of a data
            set is empty.
    """

    name: str
    source: str | bytes | GeneratedImage | None


class UnreadablePhotoError(Exception):
    """A photo is corrupt, truncated, empty, too large, or not an image at all."""


def decode_photo(photo: Photo, size: int, scale: tuple[float, float] = (0.25, 1.0)) -> NDArray[np.uint8]:
    """Decode a photo, upright, large enough for random crops of it.

    A photo in another colour space is converted to sRGB. A much larger one is reduced to 1/2, 1/4 or 1/8 of
    its size; the smallest crop still has `size` pixels each way. A JPEG is decoded at the reduced size, which
    is faster.

    Args:
        photo: Any photo.
        size: Side of the crops in pixels, from 1 up.
        scale: Least and greatest fraction of the photo's area that a crop takes, in (0, 1].

    Returns:
        sRGB of shape (H, W, 3), uint8, 0 to 255, perhaps read-only. It depends on the arguments alone: a
        cached photo equals one decoded again.

    Raises:
        UnreadablePhotoError: If the photo cannot be decoded to its end.
    """
    with _opened(photo, _GENERATED_TO_CROP * size) as (image, convert):
        factor = reduction_for_crops(*image.size, size, scale)
        orientation = _orientation(image)
        if factor > 1 and image.draft(None, (image.width // factor, image.height // factor)):
            factor = 1  # the decoder does it
        image.load()
        # The whole photo is converted: floats would be scaled differently in each crop.
        whole = _to_srgb(image, convert)
        if factor > 1:
            whole = whole.reduce(factor)
        return np.asarray(_upright(whole, orientation))


def whole_photo(photo: Photo, longer_side: int) -> NDArray[np.uint8]:
    """Decode a whole photo to sRGB, scaled so that its longer side has a given length.

    Args:
        photo: Any photo; a smaller one is enlarged. One more than four times longer than wide loses its ends:
            the shorter side is at least a quarter of the longer.
        longer_side: Length of the result's longer side in pixels, from 1 up.

    Returns:
        RGB values of shape (H, W, 3), uint8, 0 to 255.

    Raises:
        UnreadablePhotoError: If the photo cannot be decoded to its end.
    """
    with _opened(photo, longer_side) as (image, convert):
        width, height = image.size
        kept_width = min(width, _LONGEST * height)
        kept_height = min(height, _LONGEST * width)
        left, top = (width - kept_width) // 2, (height - kept_height) // 2
        box: Box = (left, top, left + kept_width, top + kept_height)
        ratio = longer_side / max(kept_width, kept_height)
        size = (max(1, round(kept_width * ratio)), max(1, round(kept_height * ratio)))
        if _has_draft(image):
            box = _draft(image, box, size)
        whole = _upright(_resized(image, convert, box, size), _orientation(image))
        return np.ascontiguousarray(np.asarray(whole))


def whole_images(photos: Iterable[Photo], longer_side: int) -> list[NDArray[np.uint8]]:
    """Decode whole photos, as `whole_photo` does, for previews and for measuring.

    Args:
        photos: Photos that were readable when they were opened.
        longer_side: Length of each result's longer side in pixels.

    Returns:
        RGB images of shape (H, W, 3), uint8, in the same order. A photo that has disappeared is left out.
    """
    images = []
    for photo in photos:
        try:
            images.append(whole_photo(photo, longer_side))
        except UnreadablePhotoError as error:  # noqa: PERF203  nothing beside decoding
            _log.warning("validation photo left out: %s", error)
    return images


def readable_photos(photos: Iterable[Photo]) -> Iterator[Photo]:
    """Yield the photos that decode to their end.

    Raises:
        FastnstError: After too many in a row that do not.
    """
    unreadable = 0
    for photo in photos:
        try:
            whole_photo(photo, 64)
        except UnreadablePhotoError as error:
            _log.warning("unreadable photo: %s", error)
            unreadable += 1
            if unreadable == UNREADABLE_IN_A_ROW:
                raise FastnstError(
                    f"{unreadable} photos in a row cannot be read, the last {error}"
                ) from error
            continue
        unreadable = 0
        yield photo


@contextmanager
def _opened(photo: Photo, generated_side: float) -> Iterator[tuple[Image.Image, Convert | None]]:
    """Open a photo, and turn any error inside the block into UnreadablePhotoError.

    The image is decoded already, except for a JPEG, which can still be decoded smaller. With it comes its
    conversion to sRGB, if it needs one. The longer side of a generated image is at least `generated_side`
    pixels.
    """
    if isinstance(photo.source, GeneratedImage):
        yield Image.fromarray(photo.source.pixels(max(_GENERATED_SIDE, round(generated_side)))), None
        return
    if photo.source is None:
        raise UnreadablePhotoError(f"{photo.name}: the row holds no photo")
    # Pillow warns of odd metadata, which does no harm here, and of a decompression bomb from 89 megapixels,
    # which still trains. From 179 megapixels on it raises, and the photo is left out.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with _content(photo.source) as file, Image.open(file, formats=_known_formats()) as image:
                exif = _exif(image) if image.format == "TIFF" else None  # which loading forgets
                if not _has_draft(image):
                    image.load()  # TIFF turns itself upright here, and its size with it
                yield image, _conversion(image, file, exif or _exif(image))
        except UnidentifiedImageError as error:
            raise UnreadablePhotoError(f"{photo.name}: not an image") from error
        # Decoders raise nearly anything for a broken file (struct.error, SyntaxError, IndexError,
        # MemoryError, ...), and one photo must not end a long run.
        except Exception as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
            raise UnreadablePhotoError(f"{photo.name}: {reason}") from error


def _conversion(image: Image.Image, file: BinaryIO, exif: Image.Exif | None) -> Convert | None:
    if image.mode in _BY_PILLOW:
        return None
    data = b""
    if image.format in _COLOR_IN_FILE:
        file.seek(0)
        data = file.read()
    return conversion_to_srgb(image, data, exif).to_srgb


def _content(source: str | bytes) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    # By its descriptor: no library maps a file without a name into memory. If it shrank then, the process
    # would be killed.
    return os.fdopen(open_regular_file(source), "rb")


def _known_formats() -> tuple[str, ...]:
    Image.init()  # returns at once after the first call
    return tuple(name for name in _FORMATS if name in Image.OPEN)  # AVIF only in newer builds of Pillow


def _has_draft(image: Image.Image) -> bool:
    return image.format in ("JPEG", "MPO")


def _draft(image: Image.Image, box: Box, size: tuple[int, int]) -> Box:
    """Have a JPEG decoded at the smallest scale that covers `size` inside `box`; return the box there."""
    width, height = image.size
    left, top, right, bottom = box
    needed = (math.ceil(width * size[0] / (right - left)), math.ceil(height * size[1] / (bottom - top)))
    drafted = image.draft(None, needed)
    # Not from the drafted width, which is rounded up to whole pixels.
    scale = width / drafted[1][2] if drafted else 1.0
    return left / scale, top / scale, right / scale, bottom / scale


def _resized(image: Image.Image, convert: Convert | None, box: Box, size: tuple[int, int]) -> Image.Image:
    """Return the part of an image inside `box` as sRGB, resized with antialiasing."""
    if image.mode != "RGB" or image.has_transparency_data or convert is not None:
        # Only the box is converted, and before it is resized: palettes cannot be interpolated.
        left, top = math.floor(box[0]), math.floor(box[1])
        right, bottom = min(image.width, math.ceil(box[2])), min(image.height, math.ceil(box[3]))
        image = _to_srgb(image.crop((left, top, right, bottom)), convert)
        box = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)


def _to_srgb(image: Image.Image, convert: Convert | None) -> Image.Image:
    """Convert any of Pillow's modes to 8-bit sRGB; what is transparent becomes white."""
    if image.mode in _BY_PILLOW:
        return to_srgb(image)[0]
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow clips these to 255 instead of scaling them. Integers are 16 bits; floats are 0 to 1, or else
        # 0 to 255.
        values = np.asarray(image, dtype=np.float32)
        white = 65535.0 if image.mode != "F" else 1.0 if values.max() <= 1 else 255.0
        if convert is not None:
            fine = np.clip(values * (65535 / white), 0, 65535).round().astype(np.uint16)
            return Image.fromarray(convert(np.repeat(fine[..., np.newaxis], 3, axis=2)))
        image = Image.fromarray(np.clip(values * (255 / white), 0, 255).round().astype(np.uint8))
    if not image.has_transparency_data:
        return _converted(image.convert("RGB"), convert)
    # White, as the page behind a cut-out. The colours of fully transparent pixels are leftovers, often black
    # with hard edges, and must not be trained on.
    image = image.convert("RGBA")
    opaque = _converted(image.convert("RGB"), convert)
    return Image.composite(opaque, Image.new("RGB", image.size, "white"), image.getchannel("A"))


def _converted(image: Image.Image, convert: Convert | None) -> Image.Image:
    return image if convert is None else Image.fromarray(convert(np.ascontiguousarray(np.asarray(image))))


def _exif(image: Image.Image) -> Image.Exif | None:
    try:
        return image.getexif()
    except Exception:  # noqa: BLE001  broken metadata raises nearly anything, and the pixels are still good
        return None


def _orientation(image: Image.Image) -> int:
    exif = _exif(image)
    try:
        return int(exif.get(_EXIF_ORIENTATION, 1)) if exif else 1
    except (TypeError, ValueError):
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
