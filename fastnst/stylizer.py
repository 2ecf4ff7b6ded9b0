"""The object that a program needs: a style, ready to paint pictures."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastnst.arbitrary.frozen_files import find_or_freeze, is_painting
from fastnst.errors import FastnstError
from fastnst.free_memory import free_memory
from fastnst.model import keys
from fastnst.model.image_model import ImageModel, checked_pictures
from fastnst.model.metadata import check_format, is_own, read_metadata, whole_number
from fastnst.model.one_colour import samples, warn_of_one_colour
from fastnst.model.session import (
    PROVIDERS,
    OutOfMemoryError,
    open_changed,
    open_session,
    open_with_one_thread,
)
from fastnst.model.values import Images
from fastnst.probe.model_probe import GivenValues, read_image_model
from fastnst.tiling.fixed_norms import can_measure
from fastnst.tiling.painting import paint_in_tiles
from fastnst.tiling.tiles import receptive_field, side_of_tiles, tile_alignment

if TYPE_CHECKING:
    from fastnst.video.stylizer import VideoStylizer

__all__ = ["Stylizer"]

LEAST_TILE = 256
"""The smallest side of a tile in pixels; smaller tiles would be mostly margin."""

# Bytes per pixel and channel that ONNX Runtime takes. The full network (32 channels) takes 650 bytes a pixel
# at 1 megapixel and 490 at 12; the wide one (16 channels) 214 at 1 and 228 at 3.
_BYTES_PER_CHANNEL = 680 / 32
_BYTES_PER_CHANNEL_WIDE = 256 / 16
# The fraction of the free memory for the network; the rest is for the picture's other copies.
_MEMORY_PART = 0.7
# Any machine that runs ONNX Runtime paints this many pixels whole, so its memory is not checked.
_SURELY_WHOLE = 1_000_000


class Stylizer:
    """A style file opened on a processor; call it with pictures.

    It runs the files that fastnst trains (uint8 NHWC of any size) and style models from elsewhere, such as
    those of the ONNX model zoo and of the PyTorch example: float16, float32 or float64,
    NCHW or NHWC, values 0 to 255, 0 to 1 or -1 to 1, of fixed or dynamic size. The result always has exactly
    the input's size. For a model of fixed size, the picture is scaled to fit in its proportions, the rest is
    filled with its reflection, and the result is scaled back.

    A picture that does not fit into memory is painted in tiles, without seams. A batch is run in parts that
    fit into memory.

    The model is loaded once, here; keep the object for all pictures. Calls are thread-safe.

    Args:
        model: A path to an ONNX file, the name of a style that `fastnst styles` lists, or an image file: a
            painting, which is frozen into a style (`fastnst.freeze`).
        device: `auto` (a GPU where the installed ONNX Runtime has one that works, else the CPU), `cpu`,
            `gpu`, `cuda`, `cuda:1`, `tensorrt`, `migraphx`, `rocm`, `directml`, `openvino` or `coreml`.
        threads: Threads on the CPU; None takes one per core.
        tile: Side in pixels of the tiles that a larger picture is painted in, at least 256. By default, only
            pictures that do not fit into the free memory are painted in tiles, of 768 pixels, or of 960 by
            networks that see far. Those take tiles of at least 480.
        on_progress: Called with the finished fraction, in (0, 1], of a picture that is painted in tiles.
        input_range: The values that a model from elsewhere takes: `0..255`, `0..1`, `-1..1`, `imagenet` (0 to
            1 less ImageNet's mean, divided by its deviation) or `caffe` (0 to 255 less ImageNet's mean). By
            default, they are found by trial.
        bgr: Whether blue comes first in the input of a model from elsewhere. By default, it is found by
            trial, as far as that can tell.

    Attributes:
        name: The file's name without its suffix.
        path: The ONNX file; a temporary one if the style was given as a painting.
        metadata: The model's own `metadata_props`, such as `style.author` and `quality.content_lost`.
        providers: ONNX Runtime's execution providers in use, in the order of preference.
        model: The model, with the layout and range of its tensors.

    Raises:
        FastnstError: If the model is missing, unknown, damaged, of a newer format or no style model, if ONNX
            Runtime is not installed, or if the device does not work.

    Warns:
        FastnstWarning: If `device` is `auto` and a GPU was found that does not work.

    Example:
        >>> stylizer = Stylizer("kandinsky.onnx")  # doctest: +SKIP
        >>> Image.fromarray(stylizer(np.asarray(Image.open("photo.jpg").convert("RGB"))))  # doctest: +SKIP
    """

    name: str
    path: Path
    metadata: dict[str, str]
    providers: tuple[str, ...]
    model: ImageModel

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        device: str = "auto",
        threads: int | None = None,
        tile: int | None = None,
        on_progress: Callable[[float], None] | None = None,
        input_range: str | None = None,
        bgr: bool | None = None,
    ) -> None:
        if tile is not None and tile < LEAST_TILE:
            raise FastnstError(f"tiles must be at least {LEAST_TILE} pixels, not {tile}")
        given = GivenValues(input_range, bgr)
        self.path = find_or_freeze(model)
        self._file = self.path.absolute()  # which is found from another working folder too
        # A frozen style's file ends with this process: a copy elsewhere freezes the painting again.
        self._origin = Path(model).expanduser().absolute() if is_painting(model) else self._file
        self.name = self.path.stem
        self.metadata = read_metadata(self.path)
        check_format(self.metadata, self.path)
        session, self.model = open_session(
            self.path,
            lambda opened: read_image_model(opened, self.metadata, self.name, given),
            device=device,
            threads=threads,
        )
        self.providers = tuple(session.get_providers())
        self._options = {
            "device": device,
            "threads": threads,
            "tile": tile,
            "on_progress": on_progress,
            "input_range": input_range,
            "bgr": bgr,
        }
        self._tile = tile
        self._on_progress = on_progress
        self._held_pixels = 0
        self._lock = threading.Lock()

    def with_one_thread(self) -> Stylizer | None:
        """Return a Stylizer of this style that computes in the calling thread; None unless on the CPU.

        Several threads may call it at the same time. Many small pictures take less time so than one after the
        other on several threads. The bytes are the same.

        Raises:
            FastnstError: If the style's file is no longer what it was.
        """
        if self.providers[:1] != (PROVIDERS["cpu"],):
            return None
        stylizer = Stylizer.__new__(Stylizer)  # copy() would open the style again, with all threads
        stylizer.__dict__.update(self.__dict__)
        stylizer.model = replace(self.model, session=open_with_one_thread(self._file))
        stylizer._options = {**self._options, "threads": 1}
        stylizer._held_pixels = 0
        stylizer._lock = threading.Lock()
        return stylizer

    def fit_together(self, height: int, width: int, count: float) -> bool:
        """Return whether the memory holds so many pictures while they are painted, none of them in tiles.

        Where it does, they are taken to be painted next: what that takes is not asked for again.
        """
        batch = self.model.input.batch or 1
        pixels = math.ceil(count * batch * math.prod(self.model.canvas(height, width)))
        if (self._tile is not None and max(height, width) > self._tile) or pixels > self._room(pixels):
            return False
        with self._lock:
            self._held_pixels = max(self._held_pixels, pixels)
        return True

    def __repr__(self) -> str:
        return f"Stylizer({os.fspath(self.path)!r}, providers={list(self.providers)})"

    def __getstate__(self) -> dict[str, Any]:
        """Let pickle and copy.deepcopy open the style again from its file: a session stays in its process."""
        return {"model": self._origin, **self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Stylizer.__init__(self, **state)

    def __call__(self, image: ArrayLike, *, out: Images | None = None) -> Images:
        """Paint a picture, or a batch of pictures of one size.

        Args:
            image: sRGB of shape (H, W, 3) or (N, H, W, 3), uint8 in [0, 255], any H and W from 1 up. Also
                anything that NumPy converts to such an array, such as a Pillow image of mode RGB.
            out: An array of the same shape and dtype for the result. It may be `image`, which saves the
                memory of a second array if the picture is painted in tiles.

        Returns:
            The stylised pictures: the same shape, uint8; `out` if it was given. Otherwise the input stays
            unchanged.

        Raises:
            ValueError: If the shape or dtype is wrong.
            FastnstError: If the model fails on this picture, or there is too little memory.
            Cancelled: If a `Cancellation` ends it.

        Warns:
            FastnstWarning: If a picture comes out in one colour that was not.
        """
        images, result = checked_pictures(image, out)
        batch, results = (images, result) if images.ndim == 4 else (images[np.newaxis], result[np.newaxis])
        before = samples(batch)
        self._paint(batch, results)
        warn_of_one_colour(before, results, self.name, is_own=is_own(self.metadata))
        return result

    def for_video(self, rate: float = 0.1) -> VideoStylizer:
        """Return the style for the frames of a video, called in their order from one thread.

        Args:
            rate: How much of the norms' running statistics a frame replaces; see `VideoStylizer`.
        """
        from fastnst.video.stylizer import VideoStylizer  # photos do without

        return VideoStylizer(self.model, self.path, self.metadata, rate)

    def _paint(self, images: Images, results: Images) -> None:
        """Paint pictures of shape (N, H, W, 3): in one run, in several, or in tiles, as the memory allows."""
        height, width = images.shape[1:3]
        if self._needs_tiles(height, width):
            for image, result in zip(images, results, strict=True):
                self._paint_in_tiles(image, result)
            return
        pixels = math.prod(self.model.canvas(height, width))
        count = self.model.input.batch or max(self._room(len(images) * pixels) // pixels, 1)
        for start in range(0, len(images), count):
            part, result = images[start : start + count], results[start : start + count]
            try:
                result[...] = self.model(part)
            except OutOfMemoryError:
                if len(part) == 1 and not self._untileable:
                    self._paint_in_tiles(part[0], result[0])
                elif len(part) == 1 or (self.model.input.batch and self._untileable):
                    raise
                else:
                    for each in range(len(part)):
                        self._paint(part[each : each + 1], result[each : each + 1])
            else:
                with self._lock:
                    self._held_pixels = max(self._held_pixels, len(part) * pixels)

    def _needs_tiles(self, height: int, width: int) -> bool:
        if self.model.input.height is not None or self.model.input.width is not None:
            return False  # the picture is resized to what the model takes
        if self._tile is None:
            return height * width > self._room(height * width) and not self._untileable
        if max(height, width) <= self._tile:
            return False
        if self._untileable:
            raise FastnstError(f"{self.name} {self._untileable}: leave tile out")
        return True

    def _room(self, pixels: int) -> int:
        """Return the number of pixels that one run can hold; `pixels` is the number wanted."""
        # What was painted once fits again: ONNX Runtime keeps that memory for the next picture, so it no
        # longer counts as free.
        held = max(_SURELY_WHOLE, self._held_pixels)
        if pixels <= held:
            return held
        channels = whole_number(self.metadata, keys.NETWORK_WIDTH) or 32
        is_wide = whole_number(self.metadata, keys.NETWORK_WIDE_BLOCKS)
        bytes_per_pixel = channels * (_BYTES_PER_CHANNEL_WIDE if is_wide else _BYTES_PER_CHANNEL)
        return max(held, int(_MEMORY_PART * free_memory() / bytes_per_pixel))

    @cached_property
    def _untileable(self) -> str:
        """Why the model cannot paint in tiles; empty if it can."""
        if self.model.input.height is not None or self.model.input.width is not None:
            return "takes pictures of one size, which tiles do not have"
        if self.model.input.batch not in (None, 1):
            return f"takes {self.model.input.batch} pictures at a time, which tiles do not allow"
        if not self.model.multiple or self.model.crop != (0, 0):
            return "gives pictures of another size than it takes, which tiles do not allow"
        if not can_measure(self._file.read_bytes()):
            return "looks at the whole picture in ways that tiles do not allow"
        return ""

    def _paint_in_tiles(self, image: Images, out: Images) -> None:
        margin, grain = receptive_field(self.metadata), tile_alignment(self.metadata)
        paint_in_tiles(
            image,
            out,
            self.model,
            self._file.read_bytes(),
            partial(open_changed, self.model.session),
            side=side_of_tiles(margin, grain, self._tile),
            margin=margin,
            alignment=grain,
            progress=self._on_progress,
        )
