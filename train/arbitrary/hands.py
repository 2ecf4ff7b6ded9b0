"""Other hands: any picture painted again in strokes, tiles, hatches or bands."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

_Random: TypeAlias = np.random.Generator
_Floats: TypeAlias = NDArray[np.float64]


def in_another_hand(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Paint a picture again by a hand that chance chooses: its tools, sizes, directions and grounds.

    A few paintings show few of the statistics that a painting may have, however their colours are changed.
    Stroke-based rendering (Hertzmann 1998, "Painterly rendering with curved brush strokes of multiple sizes")
    makes as many hands as there are sizes, lengths and directions of strokes.

    Args:
        image: The picture, RGB.
        random: Of all chances.

    Returns:
        A picture of the same size.
    """
    hands = (_strokes, _strokes, _strokes, _tiles, _hatches, _bands)
    return hands[int(random.integers(len(hands)))](image, random)


def _strokes(image: Image.Image, random: _Random) -> Image.Image:
    """Curved strokes along a flow, the wide ones first."""
    width = _between(2.5, 18, random)
    length = width * random.uniform(1.2, 9)
    flow = _flow(image, random)
    shade = random.uniform(-60, 60) if random.random() < 0.6 else 0.0
    loose = random.uniform(0, 45)
    painted = _ground(image, random)
    draw = ImageDraw.Draw(painted)
    layers = 1 if random.random() < 0.5 else 2
    for layer in range(layers):
        wide = width / (1 + 1.5 * layer)
        colours = np.asarray(image.filter(ImageFilter.BoxBlur(wide / 2)), np.float64)
        # Each layer covers the picture about once and a half; the finer one leaves half of it open.
        count = int((1.5 - layer) * image.width * image.height / (wide * length))
        for start in _places(image.size, min(count, 9000), random):
            line = _curve(start, flow, length, wide)
            colour = _at(colours, start) + loose * random.standard_normal(3)
            if shade:  # the ridge of thick paint
                moved = [(x + 0.25 * wide, y + 0.25 * wide) for x, y in line]
                draw.line(moved, _ink(colour + shade), round(wide))
            draw.line(line, _ink(colour), round(wide))
    return painted


def _tiles(image: Image.Image, random: _Random) -> Image.Image:
    """Blocks in rows, with joints of the ground between them."""
    side = _between(6, 40, random)
    long = random.uniform(1, 2.5)
    joint = random.uniform(0, 0.25)
    disorder, turn = random.uniform(0, 0.5), random.uniform(0, 0.6)
    loose = random.uniform(0, 50)
    flow = _flow(image, random) if random.random() < 0.5 else None
    painted = _ground(image, random)
    draw = ImageDraw.Draw(painted)
    colours = np.asarray(image.filter(ImageFilter.BoxBlur(side / 3)), np.float64)
    rows, columns = int(image.height / side) + 1, int(image.width / (side * long)) + 1
    for row, column in np.ndindex(rows, columns):
        x = (column + 0.5 * (row % 2) + disorder * random.uniform(-0.5, 0.5)) * side * long
        y = (row + disorder * random.uniform(-0.5, 0.5)) * side
        angle = turn * random.standard_normal() if flow is None else _at(flow, (x, y))
        half = np.array([[-long, -1], [long, -1], [long, 1], [-long, 1]]) * side * (1 - joint) / 2
        cosine, sine = np.cos(angle), np.sin(angle)
        corners = half @ np.array([[cosine, sine], [-sine, cosine]]) + (x, y)
        colour = _at(colours, (x, y)) + loose * random.standard_normal(3)
        draw.polygon([(float(a), float(b)) for a, b in corners], _ink(colour))
    return painted


def _hatches(image: Image.Image, random: _Random) -> Image.Image:
    """Lines of one or two directions, the denser the darker."""
    step = random.uniform(3, 12)
    grey = np.asarray(image.convert("L").filter(ImageFilter.BoxBlur(2)), np.float64)
    y, x = np.mgrid[: image.height, : image.width]
    dark = np.zeros(grey.shape)
    for number in range(1 if random.random() < 0.5 else 2):
        angle = random.uniform(0, np.pi)
        across = x * np.sin(angle) + y * np.cos(angle) + 0.35 * grey * random.uniform(0, 1) + number
        dark = np.maximum(dark, np.sin(2 * np.pi * across / step) - (grey / 127.5 - 1))
    return _inked(image, dark, random)


def _bands(image: Image.Image, random: _Random) -> Image.Image:
    """Flat areas of few tones with lines along their edges, as a woodcut has."""
    tones = int(random.integers(3, 9))
    smooth = image.filter(ImageFilter.GaussianBlur(random.uniform(2, 9)))
    levels = np.asarray(smooth.convert("L"), np.float64) / 256 * tones
    edge = 1 - np.abs(levels - np.round(levels)) * random.uniform(4, 14)
    flat = np.asarray(smooth, np.float64)
    flat = np.round(flat / 255 * tones) / tones * 255
    return _inked(Image.fromarray(flat.clip(0, 255).astype(np.uint8)), edge, random)


def _inked(image: Image.Image, dark: _Floats, random: _Random) -> Image.Image:
    ink = np.array(random.uniform(0, 90, 3) if random.random() < 0.7 else random.uniform(150, 255, 3))
    part = dark.clip(0, 1)[..., None]
    mixed = np.asarray(image, np.float64) * (1 - part) + ink * part
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def _ground(image: Image.Image, random: _Random) -> Image.Image:
    """Return what shows between strokes: one colour, or the picture, blurred."""
    if random.random() < 0.5:
        return image.filter(ImageFilter.GaussianBlur(6))
    return Image.new("RGB", image.size, _ink(random.uniform(0, 255, 3)))


def _flow(image: Image.Image, random: _Random) -> _Floats:
    """Return directions in radians, (H, W): along the picture's edges, in eddies, or in waves."""
    height, width = image.height, image.width
    kind = random.random()
    if kind < 0.45 and min(image.size) > 1:
        grey = np.asarray(image.convert("L").filter(ImageFilter.GaussianBlur(random.uniform(3, 12))), float)
        down, right = np.gradient(grey)
        return np.asarray(np.arctan2(down, right) + np.pi / 2)
    y, x = np.mgrid[:height, :width] / max(height, width)
    if kind < 0.8:
        u, v = np.zeros((2, height, width))
        for _ in range(int(random.integers(2, 9))):
            a, b, spin = random.uniform(0, 1), random.uniform(0, 1), random.choice((-1, 1))
            weight = spin * np.exp(-((x - a) ** 2 + (y - b) ** 2) / random.uniform(0.005, 0.08))
            u, v = u - weight * (y - b), v + weight * (x - a)
        return np.asarray(np.arctan2(v + 1e-3, u + 2e-3))
    return np.asarray(random.uniform(0, np.pi) + random.uniform(0, 1.5) * np.sin(6 * (x + y)))


def _curve(
    start: tuple[float, float], flow: _Floats, length: float, wide: float
) -> list[tuple[float, float]]:
    x, y = start
    line = [start]
    steps = max(1, round(length / (2 * wide)))
    for _ in range(steps):
        angle = float(_at(flow, (x, y)))
        x, y = x + math.cos(angle) * length / steps, y + math.sin(angle) * length / steps
        line.append((x, y))
    return line


def _places(size: tuple[int, int], count: int, random: _Random) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in random.uniform((0, 0), size, (count, 2))]


def _between(least: float, most: float, random: _Random) -> float:
    """Return a size; all ratios are as likely."""
    return math.exp(random.uniform(math.log(least), math.log(most)))


def _at(values: NDArray[np.float64], place: tuple[float, float]) -> NDArray[np.float64]:
    height, width = values.shape[:2]
    x, y = min(max(int(place[0]), 0), width - 1), min(max(int(place[1]), 0), height - 1)
    found: NDArray[np.float64] = values[y, x]
    return found


def _ink(colour: NDArray[np.float64]) -> tuple[int, int, int]:
    red, green, blue = np.clip(colour, 0, 255)
    return int(red), int(green), int(blue)
