"""Paintings without end, made of a few: in other colours, crops, directions and hands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor

from fastnst.errors import FastnstError
from train.arbitrary.hands import in_another_hand
from train.arbitrary.levels import PAINTING_SIZE
from train.generated.painting.__main__ import draw_abstract_painting
from train.image_tensor import image_to_tensor
from train.loss.painting import load_painting
from train.photos.photo import Photo, UnreadablePhotoError, whole_photo

# Longer sides that paintings are kept at: crops of them are still large enough.
_KEPT_SIZE = 1100
_GENERATED_SIZE = 900
# How many paintings the project draws by itself, for more hands than the given paintings show.
_GENERATED = 48
# Parts of the chances: given paintings, drawn ones; the rest are photos, most of them in another hand.
_GIVEN, _DRAWN = 0.45, 0.1
_OF_GIVEN_IN_ANOTHER_HAND, _OF_PHOTOS_IN_ANOTHER_HAND = 0.15, 0.75
_SIZES = (512, 640, PAINTING_SIZE)


class Paintings:
    """Make paintings from given ones, from ones that the project draws, and from photos.

    A handful of paintings shows few of the statistics that a user's painting may have. So their colours are
    exchanged, they are cropped, turned, stretched, smoothed, reduced to few tones or to grey, and put side by
    side; and photos are painted in other hands (`train.arbitrary.hands`). Each is a pure function of its
    number: a resumed run sees the same.

    Args:
        files: The given paintings.
        photos: Photos that serve as paintings.
        seed: Of all chances.

    Raises:
        FastnstError: If there are no paintings, or one cannot be read.
    """

    def __init__(self, files: Sequence[Path], photos: Sequence[Photo], seed: int) -> None:
        if not files:
            raise FastnstError("there are no paintings to learn from: give them with --paintings")
        self._given = [Image.fromarray(load_painting(file, _KEPT_SIZE).pixels) for file in files]
        self._drawn: dict[int, Image.Image] = {}
        self._photos = photos
        self._seed = seed

    def __getitem__(self, number: int) -> Tensor:
        """Return a painting as float32 of shape (1, 3, H, W) in [0, 1], its longer side 512 to 768 pixels."""
        random = np.random.default_rng([self._seed, number])
        pixels = self._changed(random)
        if random.random() < 0.12:  # two side by side, which have the statistics of both
            pixels = _side_by_side(pixels, self._changed(random))
        return image_to_tensor(pixels)

    def _changed(self, random: np.random.Generator) -> NDArray[np.uint8]:
        """Return a painting after changes; a quarter of them as they are."""
        image = self._one(random)
        if random.random() < 0.25:
            return np.asarray(_resized(image, int(random.choice(_SIZES))))
        if random.random() < 0.35:
            image = _turned(image, random.uniform(-180, 180))
        image = _cropped(image, random)
        image = _other_surface(image, random)
        if random.random() < 0.5:
            image = ImageOps.mirror(image)
        pixels = np.asarray(image)
        return _other_colours(pixels, random) if random.random() < 0.8 else pixels

    def _one(self, random: np.random.Generator) -> Image.Image:
        kind = random.random()
        if kind < _GIVEN:
            return self._given_one(random, _OF_GIVEN_IN_ANOTHER_HAND)
        if kind < _GIVEN + _DRAWN:
            number = int(random.integers(_GENERATED))
            if number not in self._drawn:
                self._drawn[number] = Image.fromarray(draw_abstract_painting(number, _GENERATED_SIZE))
            return self._drawn[number]
        if not self._photos:
            return self._given_one(random, 1.0)
        try:
            photo = whole_photo(self._photos[int(random.integers(len(self._photos)))], _KEPT_SIZE)
        except UnreadablePhotoError:
            return self._given_one(random, 1.0)
        return _perhaps_in_another_hand(Image.fromarray(photo), random, _OF_PHOTOS_IN_ANOTHER_HAND)

    def _given_one(self, random: np.random.Generator, chance: float) -> Image.Image:
        image = self._given[int(random.integers(len(self._given)))]
        return _perhaps_in_another_hand(image, random, chance)


def _perhaps_in_another_hand(image: Image.Image, random: np.random.Generator, chance: float) -> Image.Image:
    return in_another_hand(image, random) if random.random() < chance else image


def _resized(image: Image.Image, longer_side: int, stretch: float = 1.0) -> Image.Image:
    factor = longer_side / max(image.size)
    width, height = image.width * factor * min(1, stretch), image.height * factor * min(1, 1 / stretch)
    return image.resize((max(64, round(width)), max(64, round(height))), Image.Resampling.LANCZOS)


def _turned(image: Image.Image, angle: float) -> Image.Image:
    """Turn a picture, and cut away most of the corners that this leaves empty."""
    width, height = image.size
    box = (round(0.19 * width), round(0.19 * height), round(0.81 * width), round(0.81 * height))
    mean = tuple(round(value) for value in np.asarray(image).mean((0, 1)))
    return image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=mean).crop(box)


def _cropped(image: Image.Image, random: np.random.Generator) -> Image.Image:
    part = random.uniform(0.35, 1)
    width, height = int(image.width * part), int(image.height * part)
    left = int(random.integers(image.width - width + 1))
    top = int(random.integers(image.height - height + 1))
    image = image.crop((left, top, left + width, top + height))
    return _resized(image, int(random.choice(_SIZES)), float(np.exp(random.uniform(-0.25, 0.25))))


def _other_surface(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Change the surface of a picture: flat patches, few tones, softer, sharper, outlines."""
    chance = random.random()
    if chance < 0.14:
        return image.filter(ImageFilter.MedianFilter(int(random.choice((3, 5, 7)))))
    if chance < 0.2:
        return ImageOps.posterize(image, int(random.choice((2, 3))))
    if chance < 0.26:
        return image.filter(ImageFilter.GaussianBlur(random.uniform(1, 3)))
    if chance < 0.32:
        return image.filter(ImageFilter.UnsharpMask(random.uniform(2, 6), 200, 0))
    if chance < 0.38:
        outlines = image.convert("L").filter(ImageFilter.SMOOTH_MORE).filter(ImageFilter.CONTOUR)
        return Image.composite(image, Image.new("RGB", image.size), outlines)
    return image


def _other_colours(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Exchange the channels, invert, and change saturation, contrast, brightness and tint."""
    x = pixels.astype(np.float32) / 255
    if random.random() < 0.7:
        x = x[..., random.permutation(3)]
    if random.random() < 0.25:
        x = 1 - x
    grey = x.mean(2, keepdims=True)
    saturation = 0.0 if random.random() < 0.12 else random.uniform(0.4, 1.4)
    x = grey + (x - grey) * saturation
    mean = x.mean((0, 1))
    contrast = random.uniform(1.4, 2.2) if random.random() < 0.15 else random.uniform(0.6, 1.4)
    tint = 0.12 * random.standard_normal(3)
    x = (x - mean) * contrast + mean * random.uniform(0.6, 1.25) + tint
    return np.asarray((x.clip(0, 1) * 255).round(), np.uint8)


def _side_by_side(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height = min(len(left), len(right))
    return np.concatenate([left[:height], right[:height]], axis=1)[:, : 2 * PAINTING_SIZE]
