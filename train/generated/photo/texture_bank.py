"""Surfaces: periodic textures with the spectra of grass, wood, cloth, cloud, stone and water."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SIDE = 512  # pixels; a power of two, so that positions wrap around with one AND

_Plane = NDArray[np.float64]

# Levels of int8 per standard deviation of a texture, which leaves room for four deviations.
LEVELS_PER_DEVIATION = 32

# Textures are ordered by their kind.
SOFT = range(6)
GRAINED = range(6, 11)
REGULAR = range(11, 16)
BROKEN = range(16, 22)
COUNT = 22


@lru_cache(maxsize=1)
def texture_bank() -> NDArray[np.int8]:
    """Return the textures, always the same; the first call makes them, in a third of a second.

    Returns:
        Shape (COUNT, SIDE, SIDE), int8, read-only: each has mean 0 and a standard deviation of
        `LEVELS_PER_DEVIATION`, and repeats seamlessly. Four kinds
        differ in their spectra: soft ones with amplitude 1/f^a, a from 0.5 to 1.7 (clouds, walls, skin);
        grained ones, the same stretched in one direction (wood, grass, fur, water); regular ones (stripes,
        bricks, cloth); and broken ones, non-linear functions of noise (foliage, pebbles, marble, rust).
    """
    generator = np.random.default_rng(20010)
    planes: list[_Plane] = [_noise(generator, exponent) for exponent in (0.5, 0.8, 1.0, 1.2, 1.45, 1.7)]
    planes += [
        _noise(generator, exponent, stretch)
        for exponent, stretch in ((0.7, 4), (0.9, 8), (1.1, 6), (1.3, 12), (1.0, 3))
    ]
    planes += [_stripes(generator, cycles, warp) for cycles, warp in ((24, 0.1), (40, 0.25), (14, 0.6))]
    planes += [_bricks(generator), _weave(generator)]
    planes += [
        np.abs(_noise(generator, 1.1)),
        -np.abs(_noise(generator, 1.4)),
        np.tanh(4 * _noise(generator, 1.3)) + 0.3 * _noise(generator, 0.6),
        np.exp(0.8 * _noise(generator, 0.8)),
        _leaves(generator, 0.9),
        _leaves(generator, 1.3),
    ]
    bank = np.stack([_as_levels(plane) for plane in planes])
    bank.flags.writeable = False
    return bank


def _noise(generator: np.random.Generator, exponent: float, stretch: float = 1.0) -> _Plane:
    """Return noise of amplitude 1/f^exponent, stretched by `stretch`, with mean 0 and deviation 1."""
    down = np.fft.fftfreq(SIDE)[:, None] * SIDE
    right = np.fft.rfftfreq(SIDE)[None] * SIDE * stretch
    frequency = np.maximum(np.hypot(down, right), 1)
    # No waves as long as the texture itself: shading provides those.
    amplitude = frequency**-exponent * (1 - np.exp(-((frequency / 6) ** 2)))
    spectrum = np.fft.rfft2(generator.normal(size=(SIDE, SIDE))) * amplitude
    plane: _Plane = np.fft.irfft2(spectrum, (SIDE, SIDE))
    plane /= plane.std()
    return plane


def _stripes(generator: np.random.Generator, cycles: int, warp: float) -> _Plane:
    phase = 2 * np.pi * cycles * np.arange(SIDE)[:, None] / SIDE + 2 * np.pi * warp * _noise(generator, 1.7)
    edged = np.tanh(generator.uniform(1, 4) * np.sin(phase))
    return edged + 0.25 * _noise(generator, 0.7)


def _bricks(generator: np.random.Generator) -> _Plane:
    rows, columns, joint = 32, 16, 2
    down, right = np.mgrid[:SIDE, :SIDE]
    row = down * rows // SIDE
    shifted = right + (row % 2) * (SIDE // columns // 2)
    column = shifted * columns // SIDE % columns
    shade = generator.normal(size=(rows, columns))[row, column]
    is_joint = (down % (SIDE // rows) < joint) | (shifted % (SIDE // columns) < joint)
    return np.where(is_joint, -2.0, 0.6 * shade) + 0.3 * _noise(generator, 0.7)


def _weave(generator: np.random.Generator) -> _Plane:
    threads = 64
    down, right = 2 * np.pi * threads * np.mgrid[:SIDE, :SIDE] / SIDE
    over = np.sin(down / 2) * np.sin(right / 2) > 0
    woven: _Plane = np.where(over, np.abs(np.sin(down / 2)), np.abs(np.sin(right / 2)))
    return woven + 0.3 * _noise(generator, 0.8)


def _leaves(generator: np.random.Generator, exponent: float) -> _Plane:
    """Return overlapping patches of different brightness: level sets of several noises."""
    plane = np.zeros((SIDE, SIDE))
    for _ in range(5):
        plane = np.where(_noise(generator, exponent) > 0.6, generator.normal(), plane)
    return plane + 0.2 * _noise(generator, 0.6)


def _as_levels(plane: _Plane) -> NDArray[np.int8]:
    scaled = (plane - plane.mean()) * (LEVELS_PER_DEVIATION / plane.std())
    levels: NDArray[np.int8] = np.rint(scaled.clip(-127, 127)).astype(np.int8)
    return levels
