"""Dead leaves: overlapping shapes, each with a shaded, textured surface, rendered to pixels.

The image model comes from Matheron 1968 and Lee, Mumford and Huang 2001, "Occlusion models for
natural images"; Baradad et al. 2021, "Learning to see by looking at noise" (arXiv:2106.05963), found that
networks learn to see from such images nearly as from photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fastnst.color.oklab import oklab_to_rgb
from train.generated.photo.texture_bank import LEVELS_PER_DEVIATION, SIDE, texture_bank

Floats = NDArray[np.float64]
_Plane = NDArray[np.float32]

# Number of pixels painted at a time, so that intermediate values fit the processor's second-level cache.
_CHUNK = 1 << 14

# Added to positions in a texture, so that truncation rounds down: a multiple of the texture's side.
_NEVER_NEGATIVE = np.float32(64 * SIDE)


@dataclass(frozen=True)
class Leaves:
    """Shapes with their surfaces, the farthest first. The unit of length is the image's longer side.

    The shade t of a surface, about -1 to 1 at each place, is the sum of a plane, a dome and a texture. The
    colour goes from `dark` at t = -1 to `bright` at t = 1: light and material vary mostly along one line of
    the colour space.

    Attributes:
        outlines: One closed outline of shape (points, 2) for each leaf: x, y.
        centres: Shape (n, 2).
        radii: Shape (n,): half the length of each leaf.
        dark: Oklab of shape (n, 3).
        bright: Likewise.
        plane: Shape (n, 2): slope of t along x and y, per radius.
        dome: Shape (n,): fall of t from the centre to one radius away.
        texture: Shape (n,), integers: number of the texture in the bank.
        roughness: Shape (n,): standard deviation of the texture's contribution to t.
        grain: Shape (n, 2): the unit vector along the texture, times its pixels per pixel of the image.
    """

    outlines: Sequence[Floats]
    centres: Floats
    radii: Floats
    dark: Floats
    bright: Floats
    plane: Floats
    dome: Floats
    texture: NDArray[np.int64]
    roughness: Floats
    grain: Floats

    def __len__(self) -> int:
        return len(self.outlines)

    @classmethod
    def joined(cls, parts: Sequence[Leaves]) -> Leaves:
        """Concatenate groups of leaves; the last group is in front."""
        arrays = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
            if field.name != "outlines"
        }
        return cls(outlines=[outline for part in parts for outline in part.outlines], **arrays)


def label(leaves: Leaves, width: int, height: int) -> NDArray[np.int32]:
    """Return the leaf that each pixel shows.

    Args:
        leaves: The leaves; an outline may extend beyond the image.
        width: Width of the image in pixels.
        height: Height of the image in pixels.

    Returns:
        Shape (H, W), int32: 1 + the number of the nearest leaf, 0 where there is none.
    """
    image = Image.new("I", (width, height))
    draw = ImageDraw.Draw(image)
    longer = max(width, height)
    outlines = [
        outline[::4] if is_small and len(outline) >= 16 else outline
        for outline, is_small in zip(leaves.outlines, leaves.radii * longer < 4, strict=True)
    ]
    points = (np.concatenate(outlines) * longer).ravel().tolist()
    start = 0
    for number, outline in enumerate(outlines, 1):
        end = start + outline.size
        draw.polygon(points[start:end], number)
        start = end
    return np.asarray(image)


def paint(pixels: _Plane, labels: NDArray[np.int32], leaves: Leaves, generator: np.random.Generator) -> None:
    """Paint leaves over an image, without antialiasing.

    Args:
        pixels: RGB of shape (3, H, W), float32, written where there is a leaf: 0 to 255, or a little beyond.
        labels: What `label` returned for the image's size.
        leaves: The same leaves.
        generator: Draws each leaf's position in its texture.
    """
    _, height, width = pixels.shape
    table = _Table(leaves, max(width, height), generator)
    x, y = _grid(width, height)
    flat, numbers = pixels.reshape(3, -1), labels.ravel().astype(np.int64) - 1
    if numbers.min() >= 0:
        for start in range(0, len(numbers), _CHUNK):
            part = slice(start, start + _CHUNK)
            table.colour(flat[:, part], numbers[part], x[part], y[part])
        return
    places = np.flatnonzero(numbers >= 0)
    for start in range(0, len(places), _CHUNK):
        chosen = places[start : start + _CHUNK]
        colours = np.empty((3, len(chosen)), np.float32)
        table.colour(colours, numbers.take(chosen), x.take(chosen), y.take(chosen))
        for channel, values in zip(flat, colours, strict=True):
            channel[chosen] = values


class _Table:
    """The coefficients of each leaf's colour: arrays with one number per leaf."""

    def __init__(self, leaves: Leaves, longer: int, generator: np.random.Generator) -> None:
        # t = t0 + tx x + ty y + td (x^2 + y^2): plane and dome, around the centre, as one polynomial.
        per_radius = leaves.plane / leaves.radii[:, None]
        bend = -leaves.dome / leaves.radii**2
        centre = leaves.centres
        t_x, t_y = (per_radius - 2 * bend[:, None] * centre).T
        t_0 = leaves.dome / 2 - (per_radius * centre).sum(1) + bend * (centre**2).sum(1)
        grain_x, grain_y = leaves.grain.T * longer
        dark, bright = (
            oklab_to_rgb(c.astype(np.float32)).astype(np.float32) for c in (leaves.dark, leaves.bright)
        )
        self._t = [_column(c) for c in (t_0, t_x, t_y, bend)]
        self._grain = [_column(c) for c in (grain_x, grain_y)]
        self._roughness = _column(leaves.roughness / LEVELS_PER_DEVIATION)
        self._texture = leaves.texture * SIDE * SIDE
        self._place = generator.integers(SIDE * SIDE, size=len(leaves))
        self._middle = [_column(c) for c in ((dark + bright) / 2).T]
        self._range = [_column(c) for c in ((bright - dark) / 2).T]
        self._bank = texture_bank().ravel()

    def colour(self, pixels: _Plane, labels: NDArray[np.int64], x: _Plane, y: _Plane) -> None:
        """Write RGB of shape (3, n) at n positions, given the index of each position's leaf."""
        t_0, t_x, t_y, bend = (column.take(labels) for column in self._t)
        t = t_0 + (t_x + bend * x) * x + (t_y + bend * y) * y
        np.clip(t, -1.5, 1.5, out=t)
        grain_x, grain_y = (column.take(labels) for column in self._grain)
        across = (grain_x * x + grain_y * y + _NEVER_NEGATIVE).astype(np.int32) & (SIDE - 1)
        along = (grain_x * y - grain_y * x + _NEVER_NEGATIVE).astype(np.int32) & (SIDE - 1)
        texel = self._place.take(labels) + (along * SIDE + across)
        texel &= SIDE * SIDE - 1
        texel += self._texture.take(labels)
        t += self._roughness.take(labels) * self._bank.take(texel)
        for channel, middle, span in zip(pixels, self._middle, self._range, strict=True):
            np.multiply(span.take(labels), t, out=channel)
            channel += middle.take(labels)


def _column(values: NDArray[np.generic]) -> _Plane:
    return np.ascontiguousarray(values, dtype=np.float32)


@lru_cache(maxsize=8)
def _grid(width: int, height: int) -> tuple[_Plane, _Plane]:
    """Return x and y of each pixel's centre, flattened, in units of the longer side."""
    longer = np.float32(max(width, height))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return ((x + np.float32(0.5)) / longer).ravel(), ((y + np.float32(0.5)) / longer).ravel()
