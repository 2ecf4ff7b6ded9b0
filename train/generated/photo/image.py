"""A generated photo: a scene is painted, lit, and seen through a lens and a sensor."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from train.generated.photo.dead_leaves import Floats, Leaves, label, paint
from train.generated.photo.scene import Scene, draw_scene

_Planes = NDArray[np.float32]

# Keeps an image's random numbers apart from training's own draws with the same seed.
_KEY = 73

# Aspect ratios (width to height), each with the frequency of its entries.
_SHAPES = (4 / 3, 4 / 3, 4 / 3, 4 / 3, 4 / 3, 4 / 3, 3 / 4, 3 / 4, 3 / 2, 1.0)
# Blur of the background, likewise.
_BLURS = (1, 1, 1, 1, 1, 1, 2, 2, 4, 8)

_SHADOW_SCALE = 8  # soft shadows are computed at 1/8 of the size


class GeneratedImage(NamedTuple):
    """One image of a series; it is rendered when its pixels are requested.

    Attributes:
        seed: Seed of the series, from 0 up.
        number: Index in the series, from 0 up.
    """

    seed: int
    number: int

    def pixels(self, longer_side: int) -> NDArray[np.uint8]:
        """Render the image.

        Args:
            longer_side: Longer side in pixels, from 1 up. Every size shows the same scene.

        Returns:
            RGB of shape (H, W, 3), uint8; a function of the seed, the number and the side alone.
        """
        generator = np.random.default_rng([_KEY, self.seed, self.number])
        shape = _SHAPES[int(generator.integers(len(_SHAPES)))]
        width = max(1, round(longer_side * min(1, shape)))
        height = max(1, round(longer_side * min(1, 1 / shape)))
        scene = draw_scene(generator, width / longer_side, height / longer_side)
        return _photograph(scene, width, height, generator)


def _photograph(scene: Scene, width: int, height: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    blur = _BLURS[int(generator.integers(len(_BLURS)))]
    pixels = np.empty((3, -(-height // blur), -(-width // blur)), np.float32)
    _lay(pixels, scene.far, scene.light, generator)
    if blur > 1:
        _soften(pixels, 2)
        pixels = _enlarged(pixels, width, height)
    if scene.near is not None:
        _lay(pixels, scene.near, scene.light, generator, soft_shadow=True)
    if scene.close is not None:
        _lay_out_of_focus(pixels, scene.close, generator)
    _soften(pixels, generator.uniform(4, 24))
    _light(pixels, generator)
    return _exposed(pixels, generator)


def _lay(
    pixels: _Planes,
    leaves: Leaves,
    light: Floats,
    generator: np.random.Generator,
    *,
    soft_shadow: bool = False,
) -> None:
    """Paint leaves over an image (3, H, W), with the shadows that they cast on it and on each other."""
    _, height, width = pixels.shape
    labels = label(leaves, width, height)
    depths = np.abs(generator.normal(0, 0.3, 2)).clip(0, 0.7)
    reaches = generator.uniform(0, (0.015, 0.06), 2) * max(width, height)
    if soft_shadow and depths[1] > 0.05:
        pixels *= 1 - np.float32(depths[1]) * _soft_shadow(labels > 0, -light * reaches[1])
    paint(pixels, labels, leaves, generator)
    right, down = np.rint(-light * reaches[0]).astype(int)
    if depths[0] > 0.05 and (right or down):
        # Shadow falls where something nearer stands towards the light.
        shadow = (np.roll(labels, (down, right), (0, 1)) > labels).astype(np.float32)
        _soften(shadow[None], 2)
        pixels *= 1 - np.float32(depths[0]) * shadow


def _soft_shadow(covered: NDArray[np.bool_], shift: Floats) -> _Planes:
    """Return the fraction of light, 0 to 1, that the shapes in front block at each pixel (H, W)."""
    height, width = covered.shape
    size = (max(1, width // _SHADOW_SCALE), max(1, height // _SHADOW_SCALE))
    mask = Image.fromarray(covered.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    plane = np.asarray(mask).astype(np.float32)
    right, down = np.rint(shift / _SHADOW_SCALE).astype(int)
    plane = np.roll(plane, (down, right), (0, 1))
    _soften(plane[None], 2)
    soft = Image.fromarray(plane.astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR)
    blocked: _Planes = np.asarray(soft).astype(np.float32)
    blocked /= 255
    return blocked


def _lay_out_of_focus(pixels: _Planes, leaves: Leaves, generator: np.random.Generator) -> None:
    """Lay shapes close to the lens over an image, with blurred edges."""
    _, height, width = pixels.shape
    layers = np.zeros((4, -(-height // 8), -(-width // 8)), np.float32)
    labels = label(leaves, layers.shape[2], layers.shape[1])
    paint(layers[:3], labels, leaves, generator)
    layers[3] = 255 * (labels > 0)
    _soften(layers, 2)
    layers = _enlarged(layers, width, height)
    pixels *= 1 - layers[3] / 255
    pixels += layers[:3]


def _enlarged(planes: _Planes, width: int, height: int) -> _Planes:
    """Enlarge planes of 0 to 255 smoothly."""
    images = (Image.fromarray(plane.clip(0, 255).astype(np.uint8)) for plane in planes)
    large = [image.resize((width, height), Image.Resampling.BICUBIC) for image in images]
    return np.stack([np.asarray(plane) for plane in large]).astype(np.float32)


def _soften(planes: _Planes, sharpness: float) -> None:
    """Blur planes (C, H, W) in place, by 1 `sharpness` 1 along both sides: lens and antialiasing in one."""
    weight, rest = np.float32(1 / (sharpness + 2)), np.float32(sharpness / (sharpness + 2))
    for plane in planes:
        sums = plane[2:] + plane[:-2]
        sums *= weight
        plane[1:-1] *= rest
        plane[1:-1] += sums
        sums = plane[:, 2:] + plane[:, :-2]
        sums *= weight
        plane[:, 1:-1] *= rest
        plane[:, 1:-1] += sums


def _light(pixels: _Planes, generator: np.random.Generator) -> None:
    """Light an image unevenly: from a side, with waves of light and shade, less in the corners."""
    _, height, width = pixels.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    slope_x, slope_y = generator.normal(0, 0.12, 2)
    vignette = abs(generator.normal(0, 0.1))
    down, across = 1 + slope_y * y - vignette * y**2, 1 + slope_x * x - vignette * x**2
    waves = generator.normal(0, (1, 1, 3, 3))
    shade = abs(generator.normal(0, 0.1)) * np.sin(waves[0] + waves[2] * x) * np.sin(waves[1] + waves[3] * y)
    pixels *= (down.astype(np.float32) * across.astype(np.float32)) + shade.astype(np.float32)


def _exposed(pixels: _Planes, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Simulate a sensor: contrast, noise and 8 bits, clipped at black and white."""
    contrast, brightness = np.exp(generator.normal(0.1, 0.15)), generator.normal(0, 10)
    strength = abs(generator.normal(0, 2.5))
    noise = _sensor_noise()
    first = int(generator.integers(len(noise) // 2))
    grain = noise[first : first + pixels.size]
    if grain.size < pixels.size:
        grain = np.resize(noise[first:], pixels.size)
    pixels *= np.float32(contrast)
    pixels += grain.reshape(pixels.shape) * np.float32(strength)
    pixels += np.float32(128 - 128 * contrast + brightness + 0.5)
    np.clip(pixels, 0, 255, out=pixels)
    return np.ascontiguousarray(pixels.astype(np.uint8).transpose(1, 2, 0))


@lru_cache(maxsize=1)
def _sensor_noise() -> NDArray[np.float32]:
    """Return standard normal noise. Each image takes a part of it, which is faster than drawing new noise."""
    noise = np.random.default_rng(1973).standard_normal(1 << 21, dtype=np.float32)
    noise.flags.writeable = False
    return noise
