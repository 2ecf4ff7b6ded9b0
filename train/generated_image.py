"""A photo that was never taken: a scene painted, lit, and seen through a lens and a sensor."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from train.dead_leaves import Painted, paint
from train.generated_scene import Scene, draw_scene

_Pixels = NDArray[np.float32]

# So that an image and the training's own draws of the same seed share no numbers.
_KEY = 73

# Longer side to shorter, as wide and tall images, and how often.
_SHAPES = ((4 / 3, 0.6), (3 / 4, 0.2), (3 / 2, 0.12), (1.0, 0.08))


class GeneratedImage(NamedTuple):
    """Names an image; it is made when its pixels are asked for.

    Attributes:
        seed: Of the series, from 0 up.
        index: Number in the series, from 0 up.
    """

    seed: int
    index: int

    def pixels(self, longer_side: int) -> NDArray[np.uint8]:
        """Make the image.

        Args:
            longer_side: In pixels, from 1 up. The same scene is in images of all sizes.

        Returns:
            RGB of shape (H, W, 3), uint8; a function of the seed, the index and the side alone.
        """
        generator = np.random.default_rng([_KEY, self.seed, self.index])
        shape = _SHAPES[generator.choice(len(_SHAPES), p=[often for _, often in _SHAPES])][0]
        width = longer_side if shape >= 1 else max(1, round(longer_side * shape))
        height = longer_side if shape <= 1 else max(1, round(longer_side / shape))
        scene = draw_scene(generator, width / longer_side, height / longer_side)
        return _photograph(scene, width, height, generator)


def _photograph(scene: Scene, width: int, height: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    blur = generator.choice((1, 2, 4, 8), p=(0.55, 0.2, 0.15, 0.1))
    far = paint(scene.far, -(-width // blur), -(-height // blur), generator).pixels
    pixels = far if blur == 1 else _enlarged(far, width, height)
    if scene.near is not None:
        near = paint(scene.near, width, height, generator)
        assert near.covered is not None or True
        _cast_shadow(pixels, near, scene, generator)
        if near.covered is None:
            pixels = near.pixels
        else:
            np.copyto(pixels, near.pixels, where=near.covered[..., None])
    if scene.close is not None:
        _overlay(pixels, paint(scene.close, -(-width // 8), -(-height // 8), generator))
    _blur(pixels)
    pixels *= _light(width, height, generator)[..., None]
    return _exposed(pixels, generator)


def _enlarged(pixels: _Pixels, width: int, height: int) -> _Pixels:
    """Return an image at another size, as smooth as what is out of focus."""
    small = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    large = small.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(large).astype(np.float32)


def _cast_shadow(pixels: _Pixels, near: Painted, scene: Scene, generator: np.random.Generator) -> None:
    """Darken what is behind, on the side away from the light."""
    depth = abs(generator.normal(0, 0.35))
    if near.covered is None or depth < 0.05:
        return
    height, width = near.covered.shape
    longer = max(width, height)
    mask = Image.fromarray(near.covered.astype(np.uint8) * 255)
    soft = mask.resize((max(1, width // 8), max(1, height // 8)), Image.Resampling.BOX)
    plane = np.asarray(soft).astype(np.float32)
    for axis in (0, 1):
        plane = (np.roll(plane, 1, axis) + 2 * plane + np.roll(plane, -1, axis)) / 4
    shift = np.rint(-scene.light * generator.uniform(0, 0.04) * longer / 8).astype(int)
    plane = np.roll(plane, (shift[1], shift[0]), (0, 1))
    full = np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
    pixels *= (1 - min(depth, 0.7) / 255 * full)[..., None]


def _overlay(pixels: _Pixels, close: Painted) -> None:
    """Lay what is close to the lens over an image, blurred with its edges."""
    height, width = pixels.shape[:2]
    covered = np.ones(close.pixels.shape[:2], bool) if close.covered is None else close.covered
    layers = np.concatenate([close.pixels, 255.0 * covered[..., None]], axis=-1).astype(np.float32)
    for axis in (0, 1):
        layers = (np.roll(layers, 1, axis) + 2 * layers + np.roll(layers, -1, axis)) / 4
    small = Image.fromarray(layers.clip(0, 255).astype(np.uint8), "RGBA")
    large = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR)).astype(np.float32)
    pixels *= 1 - large[..., 3:] / 255
    pixels += large[..., :3]


def _blur(pixels: _Pixels) -> None:
    """Blur in place by 1 2 1 along both sides: a lens, and the antialiasing of all edges."""
    for view in (pixels, pixels.swapaxes(0, 1)):
        sums = view[:-1] + view[1:]
        view[1:-1] = sums[:-1]
        view[1:-1] += sums[1:]
        view[1:-1] *= 0.25


def _light(width: int, height: int, generator: np.random.Generator) -> _Pixels:
    """Return the light that falls on each pixel: uneven over the scene, less in the corners."""
    y, x = np.mgrid[-1:1:7j, -1:1:9j]
    slope = generator.normal(0, 0.12, 2)
    vignette = abs(generator.normal(0, 0.12))
    uneven = generator.normal(0, abs(generator.normal(0, 0.08)), x.shape)
    grid = 1 + slope[0] * x + slope[1] * y - vignette * (x**2 + y**2) / 2 + uneven
    plane = Image.fromarray(grid.clip(0.2, 1.6).astype(np.float32))
    return np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC))


def _exposed(pixels: _Pixels, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return what a sensor makes of an image: contrast, noise and 8 bits, clipped at white and black."""
    gain, offset = np.exp(generator.normal(0.05, 0.15)), generator.normal(0, 6)
    noise = _sensor_noise()
    strength = abs(generator.normal(0, 1.6))
    first = int(generator.integers(len(noise) - pixels.size)) if pixels.size < len(noise) else 0
    grain = np.resize(noise[first : first + pixels.size], pixels.shape)
    pixels *= gain
    pixels += grain * np.float32(strength)
    pixels += np.float32(offset + 0.5)
    return pixels.clip(0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _sensor_noise() -> NDArray[np.float32]:
    """Return normal noise of deviation 1, of which each image takes a part: drawing it anew takes longer."""
    noise = np.random.default_rng(1973).standard_normal(1 << 21, dtype=np.float32)
    noise.flags.writeable = False
    return noise
