"""One request's painting: from the photo's bytes to the result's, as `fastnst stylize` makes them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst.errors import FastnstError
from fastnst.image.encode import encode_image, result_format
from fastnst.image.file import Picture, SeveralFramesError, TooManyPixelsError, read_image
from fastnst.image.mask import read_mask
from fastnst.image.resize import fit
from fastnst.model.running import raise_if_cancelled
from fastnst.painter import Painter
from fastnst.server.errors import ApiError
from fastnst.server.open_styles import OpenStyles
from fastnst.server.parameters import Blend, Wish
from fastnst.stylizer import Stylizer


@dataclass(frozen=True)
class Result:
    """A painted picture.

    Attributes:
        data: The file.
        media_type: Such as `image/jpeg`.
        pixels: How many it has.
        seconds: How long painting took, without reading and writing.
    """

    data: bytes
    media_type: str
    pixels: int
    seconds: float


def paint(wish: Wish, styles: OpenStyles, max_pixels: int) -> Result:
    """Paint what a request asks for; called in a thread of the painting queue.

    Args:
        wish: What is asked for.
        styles: Opens the styles.
        max_pixels: Images, masks, and the size that is painted at, may have no more pixels.

    Raises:
        ApiError: 413 if the picture is too large, 422 if it cannot be read or painted.
        Cancelled: If a `Cancellation` ends it.
    """
    try:
        picture = read_image(
            wish.image, name="the image", max_pixels=max_pixels, first_frame=wish.first_frame
        )
        height, width = picture.pixels.shape[:2]
        if wish.size is not None:
            rows, columns = fit((height, width), wish.size)
            if rows * columns > max_pixels:
                raise ApiError(
                    413,
                    f"at size {wish.size} the image has {columns}x{rows} pixels, more than {max_pixels:,}: "
                    "give a smaller size",
                )
        painter = _painter(wish, styles, max_pixels)
        raise_if_cancelled()
        start = time.perf_counter()
        painted = picture.painted(painter(picture.pixels, out=picture.pixels))
        seconds = time.perf_counter() - start
        used = wish.names if wish.paintings is None else [*wish.names, wish.paintings.key]
        for name in used:
            styles.painted(name, height * width if wish.size is None else rows * columns)
        raise_if_cancelled()
        return _encoded(painted, wish, seconds)
    except TooManyPixelsError as error:
        raise ApiError(413, str(error)) from None
    except SeveralFramesError:
        raise ApiError(
            422, "the image has several frames: first_frame=true takes the first of them"
        ) from None
    except FastnstError as error:
        raise ApiError(422, str(error)) from None
    except MemoryError:
        raise ApiError(413, "the image does not fit into the server's memory: send a smaller one") from None


def _painter(wish: Wish, styles: OpenStyles, max_pixels: int) -> Painter:
    def opened(blend: Blend) -> Mapping[Stylizer, float]:
        return {styles.open(name): weight for name, weight in blend.items() if weight}

    def mask(data: bytes, name: str) -> NDArray[np.uint8]:
        return read_mask(data, name=name, max_pixels=max_pixels)

    style: Mapping[Stylizer, float] | None = None
    if wish.paintings is not None:
        style = {styles.open_paintings(wish.paintings, max_pixels): 1.0}
    elif wish.styles is not None:
        style = opened(wish.styles)
    return Painter(
        style,
        regions=[(opened(blend), mask(data, "region_mask")) for blend, data in wish.regions],
        strength=wish.strength,
        preserve_color=wish.preserve_color,
        mask=None if wish.mask is None else mask(wish.mask, "mask"),
        size=wish.size,
        detail=wish.detail,
    )


def _encoded(painted: Picture, wish: Wish, seconds: float) -> Result:
    file_format = result_format(painted, wish.suffix)
    data = encode_image(painted, file_format, quality=wish.quality)
    height, width = painted.pixels.shape[:2]
    return Result(data, Image.MIME.get(file_format, "application/octet-stream"), height * width, seconds)
