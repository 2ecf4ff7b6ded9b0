"""One photo: decode it whatever its format, cut random crops out of it, or scale it as a whole."""

from __future__ import annotations

import io
import logging
import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from fastnst.errors import FastnstError
from train.generated.photo.image import GeneratedImage

_log = logging.getLogger(__name__)

# Formats that photos come in. Pillow knows more, but a crafted file could reach programs through them
# (EPS runs Ghostscript), and GIMP or PDF files are no photos.
# fmt: off
PHOTO_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".ppm",
    ".pgm", ".avif", ".jp2",
})
# fmt: on
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "AVIF", "JPEG2000")

# So many unreadable photos in a row are no accident: the disk is gone, or these are no photos.
UNREADABLE_IN_A_ROW = 1000

# The longer side at which a generated image is made: as long as this, or so many times the side of a crop.
_GENERATED_SIDE, _GENERATED_TO_CROP = 512, 1.25

_ASPECTS = (3 / 4, 4 / 3)  # torchvision's RandomResizedCrop
_WIDEST_PREVIEW = 4  # a whole photo is at most this many times longer than wide

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

Box = tuple[float, float, float, float]


class Photo(NamedTuple):
    """An undecoded photo.

    Attributes:
        name: What to call it in a message: its path, or its place in a data set.
        source: The path of its file, or the file's bytes, or an image that can be generated; None where a
            data set's row holds neither.
    """

    name: str
    source: str | bytes | GeneratedImage | None


class UnreadablePhotoError(Exception):
    """A photo that is corrupt, truncated, empty, too large, or no image at all."""


def decode_photo(photo: Photo, size: int, scale: tuple[float, float] = (0.25, 1.0)) -> NDArray[np.uint8]:
    """Decode a photo, upright, at the size that random crops of it need at most.

    A photo that is much larger comes out at 1/2, 1/4 or 1/8 of its size, such that the smallest crop still
    has `size` pixels each way. A JPEG is decoded at that size in the first place, which is faster.

    Args:
        photo: Any photo.
        size: Side of the crops in pixels, from 1 up.
        scale: Least and greatest part of the photo's area that a crop takes, in (0, 1].

    Returns:
        RGB values of shape (H, W, 3), uint8, 0 to 255, perhaps read-only. They depend on the arguments alone,
        so that a photo that was kept is as good as one decoded again.

    Raises:
        UnreadablePhotoError: If the photo cannot be decoded to its end.
    """
    with _opened(photo, _GENERATED_TO_CROP * size) as image:
        factor = _reduction(*image.size, size, scale)
        orientation = _orientation(image)
        if factor > 1 and image.draft(None, (image.width // factor, image.height // factor)):
            factor = 1  # the decoder does it
        image.load()
        # The whole photo is converted, as floats would be scaled in another way for each crop.
        whole = image if image.mode == "RGB" else to_rgb(image)
        if factor > 1:
            whole = whole.reduce(factor)
        return np.asarray(_upright(whole, orientation))


def random_crop(
    pixels: NDArray[np.uint8],
    size: int,
    generator: np.random.Generator,
    scale: tuple[float, float] = (0.25, 1.0),
    side: int | None = None,
) -> Tensor:
    """Cut a random crop out of a photo, scale it to a square, and mirror it half of the time.

    Args:
        pixels: A photo of shape (H, W, 3), uint8; one smaller than the crop is enlarged.
        size: Side of a whole crop in pixels, from 1 up.
        generator: Decides on the box and the mirroring; nothing else is random.
        scale: Least and greatest fraction of the photo's area that a whole crop takes, in (0, 1].
        side: Side of the result in pixels, from 1 to `size`, which is the default. A smaller result is a part
            of a whole crop, at a random place in it: things keep the size that they have there, and only this
            part of the photo is resized.

    Returns:
        RGB values of shape (3, side, side), uint8, 0 to 255, contiguous.
    """
    height, width, _ = pixels.shape
    left, top, right, bottom = random_crop_box(width, height, generator, scale)
    if side is None or side == size:
        side = size
    else:
        part_width = max(1, round((right - left) * side / size))
        part_height = max(1, round((bottom - top) * side / size))
        left += int(generator.integers(right - left - part_width, endpoint=True))
        top += int(generator.integers(bottom - top - part_height, endpoint=True))
        right, bottom = left + part_width, top + part_height
    box = torch.from_numpy(pixels[top:bottom, left:right].copy())  # (h, w, 3)
    # PyTorch's resizing of uint8 is Pillow's, to a level or two, in a fifth of the time.
    crop = F.interpolate(box.permute(2, 0, 1).unsqueeze(0), (side, side), mode="bicubic", antialias=True)[0]
    if generator.random() < 0.5:
        crop = crop.flip(2)
    return crop.contiguous()


def random_crop_box(
    width: int, height: int, generator: np.random.Generator, scale: tuple[float, float] = (0.25, 1.0)
) -> tuple[int, int, int, int]:
    """Draw the box of a random resized crop, as torchvision's `RandomResizedCrop` does.

    The box's area is a uniform part of the image's, its aspect ratio log-uniform from 3:4 to 4:3. Where
    ten draws do not fit (very long or very small images), the largest box of an allowed aspect is taken,
    at a random place: torchvision takes the centre, which would never show the rest of a panorama.

    Args:
        width: Width of the image in pixels, from 1 up.
        height: Height of the image in pixels, from 1 up.
        generator: Source of the draws.
        scale: Least and greatest part of the image's area, in (0, 1].

    Returns:
        Left, top, right and bottom in pixels: a box of at least 1x1 inside the image.
    """
    for _ in range(10):
        area = width * height * generator.uniform(*scale)
        aspect = math.exp(generator.uniform(math.log(_ASPECTS[0]), math.log(_ASPECTS[1])))
        box_width, box_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < box_width <= width and 0 < box_height <= height:
            break
    else:
        box_width = min(width, max(1, round(height * _ASPECTS[1])))
        box_height = min(height, max(1, round(width / _ASPECTS[0])))
    left = int(generator.integers(width - box_width, endpoint=True))
    top = int(generator.integers(height - box_height, endpoint=True))
    return left, top, left + box_width, top + box_height


def whole_photo(photo: Photo, longer_side: int) -> NDArray[np.uint8]:
    """Decode a whole photo, scaled so that its longer side has a given length.

    Args:
        photo: Any photo; a smaller one is enlarged. One that is more than four times longer than wide
            loses its ends, so that the shorter side never falls below a quarter of the longer.
        longer_side: Length of the result's longer side in pixels, from 1 up.

    Returns:
        RGB values of shape (H, W, 3), uint8, 0 to 255.

    Raises:
        UnreadablePhotoError: If the photo cannot be decoded to its end.
    """
    with _opened(photo, longer_side) as image:
        width, height = image.size
        kept_width = min(width, _WIDEST_PREVIEW * height)
        kept_height = min(height, _WIDEST_PREVIEW * width)
        left, top = (width - kept_width) // 2, (height - kept_height) // 2
        box: Box = (left, top, left + kept_width, top + kept_height)
        ratio = longer_side / max(kept_width, kept_height)
        size = (max(1, round(kept_width * ratio)), max(1, round(kept_height * ratio)))
        if _has_draft(image):
            box = _draft(image, box, size)
        whole = _upright(_resized(image, box, size), _orientation(image))
        return np.ascontiguousarray(np.asarray(whole))


def readable_photos(photos: Iterable[Photo]) -> Iterator[Photo]:
    """Yield the photos that decode to their end, and raise FastnstError after too many that do not."""
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
def _opened(photo: Photo, generated_side: float) -> Iterator[Image.Image]:
    """Open a photo, and turn whatever goes wrong inside the block into UnreadablePhotoError.

    The image that comes out is decoded already, except for a JPEG, which still can be decoded smaller. A
    generated one has a longer side of at least `generated_side` pixels.
    """
    if isinstance(photo.source, GeneratedImage):
        yield Image.fromarray(photo.source.pixels(max(_GENERATED_SIDE, round(generated_side))))
        return
    if photo.source is None:
        raise UnreadablePhotoError(f"{photo.name}: the row holds no photo")
    source = io.BytesIO(photo.source) if isinstance(photo.source, bytes) else photo.source
    # Pillow warns of odd metadata, which does no harm here, and from 89 megapixels of a decompression bomb:
    # those still train. From 179 megapixels it raises, and the photo is left out.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(source, formats=_known_formats()) as image:
                if not _has_draft(image):
                    image.load()  # TIFF turns itself upright here, and its size with it
                yield image
        except UnidentifiedImageError as error:
            raise UnreadablePhotoError(f"{photo.name}: not an image") from error
        # A broken file makes decoders raise nearly anything (struct.error, SyntaxError, IndexError,
        # MemoryError, ...), and no single photo may end a long run.
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UnreadablePhotoError(f"{photo.name}: {reason}") from error


def _known_formats() -> tuple[str, ...]:
    Image.init()  # returns at once after the first call
    return tuple(name for name in _FORMATS if name in Image.OPEN)  # AVIF only in newer builds of Pillow


def _reduction(width: int, height: int, size: int, scale: tuple[float, float]) -> int:
    """Return by how much, 1, 2, 4 or 8, a photo can be reduced with each crop still of `size` pixels."""
    # The least side of a box that `random_crop_box` draws, and of one that it takes where no draw fits.
    least = min(math.sqrt(scale[0] * width * height * _ASPECTS[0]), width, height)
    return next((factor for factor in (8, 4, 2) if least >= factor * size), 1)


def _has_draft(image: Image.Image) -> bool:
    return image.format in ("JPEG", "MPO")


def _draft(image: Image.Image, box: Box, size: tuple[int, int]) -> Box:
    """Have a JPEG decoded at the smallest scale that still covers `size` inside `box`; return it there."""
    width, height = image.size
    left, top, right, bottom = box
    needed = (math.ceil(width * size[0] / (right - left)), math.ceil(height * size[1] / (bottom - top)))
    drafted = image.draft(None, needed)
    # The drafted width is rounded up to whole pixels, so the scale comes from the extent and not from it.
    scale = width / drafted[1][2] if drafted else 1.0
    return left / scale, top / scale, right / scale, bottom / scale


def _resized(image: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """Return the part of an image inside `box` as RGB, resized with antialiasing."""
    if image.mode != "RGB":
        # Only the crop is converted. Resizing comes after, as palettes cannot be interpolated.
        left, top = math.floor(box[0]), math.floor(box[1])
        right, bottom = min(image.width, math.ceil(box[2])), min(image.height, math.ceil(box[3]))
        image = to_rgb(image.crop((left, top, right, bottom)))
        box = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any of Pillow's modes to RGB, 8 bits; transparency is laid on white."""
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow clips these to 255 instead of scaling them. Integers are 16 bits; floats are 0 to 1, or else
        # 0 to 255.
        values = np.asarray(image, dtype=np.float32)
        white = 65535.0 if image.mode != "F" else 1.0 if values.max() <= 1 else 255.0
        image = Image.fromarray(np.clip(values * (255 / white), 0, 255).round().astype(np.uint8))
    if image.has_transparency_data:
        # On white, as a page shows a cut-out. What lies under full transparency is left-over data, often
        # black with hard edges, and must not be trained on.
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # noqa: BLE001  broken metadata raises nearly anything, and the pixels are still good
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
