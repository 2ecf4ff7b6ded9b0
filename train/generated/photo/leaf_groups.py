"""Groups of leaves that share shape, surface and direction: stones, foliage, bricks, people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.generated.photo import texture_bank
from train.generated.photo.dead_leaves import Floats, Leaves

_POINTS = 32  # of an outline
_ANGLES = 2 * np.pi * np.arange(_POINTS) / _POINTS
_ORDERS = np.arange(2, 7)[:, None]
# Waves around an outline make it uneven; shorter waves have lower amplitudes.
_WAVES = np.concatenate([wave(_ORDERS * _ANGLES) / _ORDERS**0.5 for wave in (np.cos, np.sin)])


# Squareness and lobes (see `_Look`) with families of textures, each with the frequency of its entries.
_SHAPES = ((2.0, 0.0), (2.0, 0.12), (2.0, 0.12), (2.0, 0.3), (2.0, 0.3), (3.0, 0.1), (4.0, 0.05), (20.0, 0.0))
_FAMILIES = (
    (texture_bank.SOFT,) * 3
    + (texture_bank.GRAINED,) * 2
    + (texture_bank.BROKEN,) * 3
    + (texture_bank.REGULAR,)
)


@dataclass(frozen=True)
class Look:
    """What the leaves of one group share.

    Attributes:
        squareness: Exponent of the superellipse: 2 for ellipses, 20 for rectangles.
        lobes: Unevenness of the outlines; 0 for none.
        elongation: Length divided by width.
        angle: Direction of the length, in radians.
        disorder: Standard deviation of the angles.
        texture: Index in the texture bank.
        roughness: See `Leaves`.
        zoom: Pixels of the texture per pixel of the image.
        contrast: Half the difference of L between the bright and the dark end of the surface.
        plane: See `Leaves`.
        dome: See `Leaves`.
    """

    squareness: float
    lobes: float
    elongation: float
    angle: float
    disorder: float
    texture: int
    roughness: float
    zoom: float
    contrast: float
    plane: Floats
    dome: float


def draw_look(generator: np.random.Generator, light: Floats) -> Look:
    """Draw the look of a group; `light` is the direction of the light, a unit vector x, y."""
    chance, size, spread = generator.random(8), generator.normal(size=5), generator.random(2)
    squareness, lobes = _SHAPES[int(chance[0] * len(_SHAPES))]
    family = _FAMILIES[int(chance[1] * len(_FAMILIES))]
    upright = chance[2] < 0.3
    return Look(
        squareness=squareness,
        lobes=lobes * (0.5 + chance[3]),
        elongation=float(np.exp(abs(0.6 * size[0]))),
        angle=np.pi / 2 if upright else 0.0 if chance[2] < 0.6 else np.pi * spread[0],
        disorder=(0.05, 0.3, 2.0)[int(3 * chance[4])],
        texture=family[int(chance[5] * len(family))],
        roughness=0.05 if chance[6] < 0.25 else min(abs(0.9 * size[1]), 1.3),
        zoom=float(np.exp(0.35 * size[2])),
        contrast=0.05 + 0.22 * spread[1],
        plane=light * abs(0.7 * size[3]),
        dome=abs(0.7 * size[4]) if squareness < 20 else 0.0,
    )


def cut_leaves(
    generator: np.random.Generator,
    look: Look,
    shades: Floats,
    centres: Floats,
    radii: Floats,
    outlines: list[Floats] | None = None,
) -> Leaves:
    """Create leaves that share a look.

    Args:
        generator: Draws their angles and lobes.
        look: What they share.
        shades: Colour of each leaf's centre, Oklab of shape (n, 3).
        centres: Shape (n, 2), in units of the image's longer side.
        radii: Shape (n,).
        outlines: Their outlines; by default those of the look.

    Returns:
        The leaves, in the order given.
    """
    count = len(radii)
    angles = look.angle + look.disorder * generator.normal(size=count)
    if outlines is None:
        outlines = list(_outlines(generator, look, angles, centres, radii))
    direction = np.column_stack([np.cos(angles), np.sin(angles)])
    return Leaves(
        outlines=outlines,
        centres=centres,
        radii=radii,
        dark=_darker(shades, look.contrast),
        bright=_darker(shades, -look.contrast),
        plane=np.tile(look.plane, (count, 1)),
        dome=np.full(count, look.dome),
        texture=np.full(count, look.texture),
        roughness=np.full(count, look.roughness),
        grain=direction * look.zoom,
    )


def power_law(generator: np.random.Generator, count: int, least: float, most: float) -> Floats:
    """Draw sizes with density r^-3, which makes images scale-invariant (Lee et al. 2001)."""
    part = generator.random(count)
    return 1 / np.sqrt(part * most**-2 + (1 - part) * least**-2)


def _outlines(
    generator: np.random.Generator, look: Look, angles: Floats, centres: Floats, radii: Floats
) -> Floats:
    """Return superellipses with lobes, of shape (n, _POINTS, 2)."""
    count = len(radii)
    cosine, sine = np.cos(_ANGLES), np.sin(_ANGLES)
    reach = (np.abs(cosine) ** look.squareness + np.abs(sine) ** look.squareness) ** (-1 / look.squareness)
    reach = np.broadcast_to(reach, (count, _POINTS))
    if look.lobes:
        heights = generator.normal(0, look.lobes, (count, len(_WAVES)))
        reach = reach * np.maximum(1 + heights @ _WAVES, 0.2)
    x, y = reach * cosine, reach * sine / look.elongation
    turned_x = x * np.cos(angles)[:, None] - y * np.sin(angles)[:, None]
    turned_y = x * np.sin(angles)[:, None] + y * np.cos(angles)[:, None]
    outlines: NDArray[np.float64] = np.stack([turned_x, turned_y], axis=-1) * radii[:, None, None]
    return outlines + centres[:, None]


def _darker(shades: Floats, by: float) -> Floats:
    """Return darker colours: L, a and b scaled alike, as in less light."""
    lightness = shades[:, :1]
    changed = (lightness - by).clip(0.02, 0.99)
    return np.concatenate([changed, shades[:, 1:] * (changed / lightness.clip(0.1)).clip(0, 1.3)], axis=1)
