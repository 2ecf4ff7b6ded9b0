"""Control after training: strength, place, colours and brush of a style."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from fastnst.arbitrary.frozen_files import find_or_freeze
from fastnst.color.oklab import with_colours_of
from fastnst.errors import FastnstError
from fastnst.image.blend import blend_pictures
from fastnst.image.detail import restore_detail
from fastnst.image.file import MAX_PIXELS
from fastnst.image.mask import Mask, MaskSource, Plane, mix, normalized
from fastnst.image.resize import fit
from fastnst.stylizer import Stylizer

if TYPE_CHECKING:
    from fastnst.video.stylizer import VideoStylizer

__all__ = ["Painter"]

MAX_STRENGTH = 2
MIN_SIZE = 16
_CONTROLS = 0.25
"""Memory that the controls take for a pixel, some planes of float32, as a part of what a network takes."""

Pixels = NDArray[np.uint8]
Style = str | os.PathLike[str] | Stylizer
# A Mapping's key type is invariant: with Style as the key, dict[str, float] would be refused.
Blend = Style | Mapping[Any, float]


class Painter:
    """One or several styles with controls; call it with photos.

    A photo is painted in this order:

    1. It is scaled to `size`.
    2. Each style paints the whole photo, and the styles of a blend are mixed.
    3. The result is resized to the photo's size, and the photo's fine `detail` is restored.
    4. Regions are laid over the style, or over the photo if there is no style.
    5. `preserve_color` restores the photo's colours.
    6. The photo and the result are mixed by `strength` times `mask`.

    With all controls at their defaults, the result is the Stylizer's, at no extra cost. Calls are
    thread-safe.

    Args:
        style: The style outside of regions: a name, an ONNX file, an image file with a painting, or an opened
            `Stylizer`; for a blend, a mapping of these to weights, of which only the proportions count. None
            keeps the photo.
        regions: Pairs of a style, as above, and a mask of where it is applied. Where masks overlap with a sum
            above 1, each keeps its share.
        strength: 0 is the photo, 1 the painting; values between mix them, and up to 2 exaggerate.
        preserve_color: Keep the photo's colours; only the lightness is painted.
        mask: The part of the photo to paint, white for painted: an image file, or an array of shape (H, W),
            bool, uint8, uint16, or float from 0 to 1. It is scaled to each photo.
        size: The longer side in pixels at which the style is applied; a smaller size gives a larger brush.
            None takes the photo's own size.
        detail: From 0 to 1, how much fine detail to restore that a smaller `size` loses. It has no effect
            unless `size` is smaller than the photo.
        device: As for `Stylizer`; opened ones keep their own.
        threads: As for `Stylizer`.
        tile: As for `Stylizer`.
        on_progress: As for `Stylizer`.
        input_range: As for `Stylizer`.
        bgr: As for `Stylizer`.

    Attributes:
        name: The names of the styles, joined by +, as in result names.
        stylizers: The styles opened, each once.

    Raises:
        FastnstError: If a control is out of its range, a mask cannot be read, or a style cannot be opened.

    Example:
        >>> painter = Painter("kandinsky", strength=0.8, preserve_color=True)  # doctest: +SKIP
        >>> painter = Painter({"kandinsky": 0.7, "wave": 0.3}, size=512, detail=0.5)  # doctest: +SKIP
        >>> painter = Painter(None, regions=[("wave", "sky.png"), ("kandinsky", "sea.png")])  # doctest: +SKIP
        >>> Image.fromarray(painter(np.asarray(Image.open("photo.jpg").convert("RGB"))))  # doctest: +SKIP
    """

    name: str
    stylizers: tuple[Stylizer, ...]

    def __init__(
        self,
        style: Blend | None = None,
        *,
        regions: Iterable[tuple[Blend, MaskSource]] = (),
        strength: float = 1.0,
        preserve_color: bool = False,
        mask: MaskSource | None = None,
        size: int | None = None,
        detail: float = 0.0,
        device: str = "auto",
        threads: int | None = None,
        tile: int | None = None,
        on_progress: Callable[[float], None] | None = None,
        input_range: str | None = None,
        bgr: bool | None = None,
    ) -> None:
        self._strength = _checked("strength", strength, MAX_STRENGTH)
        self._detail = _checked("detail", detail, 1)
        self._preserve_color = preserve_color
        if size is not None and size < MIN_SIZE:
            raise FastnstError(f"size must be at least {MIN_SIZE} pixels, not {size}")
        if detail and size is None:
            raise FastnstError("detail brings back what a smaller size loses: give a size too")
        self._size = size
        self._mask = None if mask is None else Mask(mask)
        # Cheap checks come before the models are loaded.
        everywhere = None if style is None else _weights(style)
        parts = [(_weights(blend), Mask(where)) for blend, where in regions]
        if everywhere is None and not parts:
            raise FastnstError("give a style, or regions with styles")
        opened: dict[Any, Stylizer] = {}
        open_blend = functools.partial(
            _open,
            opened=opened,
            open_style=functools.partial(
                Stylizer,
                device=device,
                threads=threads,
                tile=tile,
                on_progress=on_progress,
                input_range=input_range,
                bgr=bgr,
            ),
        )
        self._everywhere = None if everywhere is None else open_blend(everywhere)
        self._regions = [(open_blend(weights), where) for weights, where in parts]
        self.stylizers = tuple(dict.fromkeys(opened.values()))
        # For a video, the object that paints its frames for each style.
        self._steady: dict[Stylizer, VideoStylizer] = {}
        self._rate = 0.0
        self.name = "+".join(dict.fromkeys(stylizer.name for stylizer in self.stylizers))

    def __repr__(self) -> str:
        return f"Painter({self.name!r})"

    def __call__(self, image: ArrayLike, *, out: Pixels | None = None) -> Pixels:
        """Paint a photo.

        Args:
            image: sRGB of shape (H, W, 3), uint8 in [0, 255], any H and W from 1 up. Also anything that
                NumPy converts to such an array, such as a Pillow image of mode RGB.
            out: An array of the same shape and dtype for the result; it may be `image`.

        Returns:
            The painting: the same shape, uint8; `out` if it was given. Otherwise the input stays unchanged.

        Raises:
            ValueError: If the shape or dtype is wrong.
            FastnstError: If a model fails on this photo, or there is too little memory.

        Warns:
            FastnstWarning: If a mask has other proportions than the photo.
        """
        photo: Pixels = np.asarray(image)
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or 0 in photo.shape:
            raise ValueError(
                f"image must be uint8 RGB of shape (H, W, 3), not {photo.dtype} of shape {photo.shape}"
            )
        if self._is_plain and self._everywhere is not None:
            stylizer = self._everywhere.stylizers[0]
            return self._steady.get(stylizer, stylizer)(photo, out=out)
        result = self._controlled(photo)
        if out is None:
            return result
        out[...] = result
        return out

    def for_video(self, rate: float = 0.1) -> Painter:
        """Return a Painter for the frames of a video, called in their order from one thread.

        Args:
            rate: See `Stylizer.for_video`.
        """
        painter = copy(self)
        painter._rate = rate
        painter._steady = {stylizer: stylizer.for_video(rate) for stylizer in self.stylizers}
        return painter

    def with_one_thread(self) -> Painter | None:
        """Return a Painter whose calls compute in the calling thread; see `Stylizer.with_one_thread`."""
        opened: dict[Stylizer, Stylizer] = {}
        for stylizer in self.stylizers:
            changed = stylizer.with_one_thread()
            if changed is None:
                return None
            opened[stylizer] = changed

        def with_opened(blend: _OpenBlend) -> _OpenBlend:
            return replace(blend, stylizers=tuple(opened[stylizer] for stylizer in blend.stylizers))

        painter = copy(self)
        painter.stylizers = tuple(opened.values())
        painter._everywhere = None if self._everywhere is None else with_opened(self._everywhere)
        painter._regions = [(with_opened(blend), where) for blend, where in self._regions]
        return painter

    def fit_together(self, height: int, width: int, count: int) -> bool:
        """Return whether the memory holds so many photos at once; see `Stylizer.fit_together`."""
        try:
            rows, columns = self._reduced_size(height, width)
        except FastnstError:  # which the photo's painting will say
            return False
        most: float = count * len(self.stylizers)  # each keeps its memory while the next one paints
        if not self._is_plain:
            most *= 1 + _CONTROLS * height * width / (rows * columns)
        return all(stylizer.fit_together(rows, columns, most) for stylizer in self.stylizers)

    def __getstate__(self) -> dict[str, Any]:
        """Let pickle and copy.deepcopy open the styles again; for a video, the copy begins a shot."""
        return {**self.__dict__, "_steady": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._rate:
            self._steady = {stylizer: stylizer.for_video(self._rate) for stylizer in self.stylizers}

    def begin_shot(self) -> None:
        """Forget earlier frames, in a Painter for a video: the next frame begins a shot."""
        for stylizer in self._steady.values():
            stylizer.begin_shot()

    @property
    def _is_plain(self) -> bool:
        """Whether all controls are at their defaults and there is one style."""
        return (
            self._everywhere is not None
            and len(self._everywhere.stylizers) == 1
            and not self._regions
            and self._strength == 1
            and self._mask is None
            and self._size is None
            and not self._preserve_color
        )

    def _controlled(self, photo: Pixels) -> Pixels:
        weight: Plane | float = self._strength
        if self._mask is not None:
            weight = np.float32(self._strength) * self._mask.fit(*photo.shape[:2])
        if not np.any(weight):
            unpainted: Pixels = photo.copy()
            return unpainted
        picture = self._painted(photo)
        if self._preserve_color:
            picture = with_colours_of(picture, photo)
        return mix(photo, [(picture, weight)])

    def _painted(self, photo: Pixels) -> Pixels:
        """Return the painting by the styles alone, at the photo's size."""
        paint = _Canvas(photo, self._reduced_size(*photo.shape[:2]), self._detail, self._steady)
        if not self._regions:
            return photo if self._everywhere is None else paint(self._everywhere)
        masks = normalized([mask.fit(*photo.shape[:2]) for _, mask in self._regions])
        covered = np.sum(masks, axis=0).min() > 1 - 1e-4  # the rest would not change a byte
        ground = photo if self._everywhere is None or covered else paint(self._everywhere)
        layers = [
            (paint(blend), mask) for (blend, _), mask in zip(self._regions, masks, strict=True) if mask.any()
        ]
        return mix(ground, layers) if layers else ground

    def _reduced_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width at which a photo of this size is painted."""
        if self._size is None:
            return height, width
        size = fit((height, width), self._size)
        if size[0] * size[1] > max(MAX_PIXELS, height * width):
            raise FastnstError(
                f"at size {self._size} this photo would have {size[1]}x{size[0]} pixels, "
                f"more than {MAX_PIXELS:,}: give a smaller size"
            )
        return size


@dataclass(frozen=True)
class _OpenBlend:
    """A style, or a blend of several with their weights."""

    stylizers: tuple[Stylizer, ...]
    weights: tuple[float, ...]


class _Canvas:
    """One photo, painted in blends at one size; each style paints it once."""

    def __init__(
        self,
        photo: Pixels,
        size: tuple[int, int],
        detail: float,
        steady: Mapping[Stylizer, VideoStylizer],
    ) -> None:
        self._photo = photo
        self._reduction = max(photo.shape[:2]) / max(size)
        self._detail = detail
        self._steady = steady
        self._motif = _scaled(photo, size)
        self._painted: dict[Stylizer, Pixels] = {}

    def __call__(self, blend: _OpenBlend) -> Pixels:
        for stylizer in blend.stylizers:
            if stylizer not in self._painted:
                self._painted[stylizer] = self._steady.get(stylizer, stylizer)(self._motif)
        picture = blend_pictures([self._painted[stylizer] for stylizer in blend.stylizers], blend.weights)
        picture = _scaled(picture, self._photo.shape[:2])
        return restore_detail(picture, self._photo, self._reduction, self._detail)


def _scaled(picture: Pixels, size: tuple[int, ...]) -> Pixels:
    """Resize a picture of shape (H, W, 3) to `size` (height, width)."""
    if picture.shape[:2] == size:
        return picture
    # Lanczos keeps the most detail when reducing; when enlarging, it rings at hard strokes.
    smaller = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    resampling = Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), resampling))


def _checked(control: str, value: float, greatest: int) -> float:
    if not 0 <= value <= greatest:  # NaN too
        raise FastnstError(f"{control} must be 0 to {greatest}, not {value:g}")
    return float(value)


def _weights(blend: Blend) -> dict[Any, float]:
    weights = dict(blend) if isinstance(blend, Mapping) else {blend: 1.0}
    for style, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            name = style.name if isinstance(style, Stylizer) else os.fspath(style)
            raise FastnstError(f"the weight of {name} must be a number from 0 up, not {weight:g}")
    # A style with weight 0 need not exist.
    weights = {style: weight for style, weight in weights.items() if weight}
    if not weights:
        raise FastnstError("the weights of a blend must not all be 0")
    return weights


def _open(
    blend: dict[Any, float], *, opened: dict[Any, Stylizer], open_style: Callable[[Any], Stylizer]
) -> _OpenBlend:
    stylizers = []
    for style in blend:
        if not isinstance(style, str | os.PathLike | Stylizer):
            raise FastnstError(
                "a style is a name, a file or a Stylizer, not a "
                f"{type(style).__name__}; for a video, Painter.for_video() takes the frames"
            )
        key = style if isinstance(style, Stylizer) else find_or_freeze(style)
        if key not in opened:
            opened[key] = key if isinstance(key, Stylizer) else open_style(key)
        stylizers.append(opened[key])
    return _OpenBlend(tuple(stylizers), tuple(blend.values()))
