"""What is in a generated photo: a place, things in it with smaller things on them, clusters of small ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from train import texture_bank
from train.dead_leaves import Floats, Leaves
from train.natural_colours import Palette

_POINTS = 32  # of an outline
_ANGLES = 2 * np.pi * np.arange(_POINTS) / _POINTS
_ORDERS = np.arange(2, 7)[:, None]
# What makes an outline uneven: waves around it, the shorter the lower.
_WAVES = np.concatenate([wave(_ORDERS * _ANGLES) / _ORDERS**0.5 for wave in (np.cos, np.sin)])


# Squareness and lobes of leaves, see `_Look`, and families of their textures: each as often as it is here.
_SHAPES = ((2.0, 0.0), (2.0, 0.12), (2.0, 0.12), (2.0, 0.3), (2.0, 0.3), (3.0, 0.1), (4.0, 0.05), (20.0, 0.0))
_FAMILIES = (
    (texture_bank.SOFT,) * 3
    + (texture_bank.GRAINED,) * 2
    + (texture_bank.BROKEN,) * 3
    + (texture_bank.REGULAR,)
)


@dataclass(frozen=True)
class Scene:
    """What a photo shows, in lengths of its longer side.

    Attributes:
        far: What lies behind; it fills the frame.
        near: What stands in front of it.
        close: What is so close to the lens that it is out of focus; None where nothing is.
        light: Where the light comes from, a unit vector: x, y.
    """

    far: Leaves
    near: Leaves | None
    close: Leaves | None
    light: Floats


@dataclass(frozen=True)
class _Look:
    """What the leaves of one group have in common.

    Attributes:
        squareness: Exponent of the superellipse: 2 for ellipses, 20 for rectangles.
        lobes: How uneven the outlines are, 0 for none.
        elongation: Length to width.
        angle: Of the length, in radians.
        disorder: Standard deviation of the angles.
        texture: Number in the bank.
        roughness: Of the surface, see `Leaves`.
        zoom: Pixels of the texture to one of the image.
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


def draw_scene(generator: np.random.Generator, width: float, height: float) -> Scene:
    """Draw what a photo shows.

    Args:
        generator: Source of all draws.
        width: Of the frame in its longer sides.
        height: Likewise.

    Returns:
        The scene.
    """
    return _Stage(generator, width, height).scene()


class _Stage:
    def __init__(self, generator: np.random.Generator, width: float, height: float) -> None:
        self.generator, self.width, self.height = generator, width, height
        self.palette = Palette.draw(generator)
        angle = generator.normal(-np.pi / 2, 0.9)  # mostly from above
        self.light = np.array([np.cos(angle), np.sin(angle)])

    def scene(self) -> Scene:
        kind = self.generator.choice(3, p=(0.4, 0.35, 0.25))
        far = (self._landscape, self._room, self._backdrop)[kind]()
        near: list[Leaves] = []
        for _ in range(self.generator.poisson(1.8)):
            near += self._cluster()
        for _ in range(self.generator.poisson((2.2, 3.0, 1.8)[kind])):
            near += self._thing(self._size(0.05, (0.25, 0.3, 0.45)[kind]))
        if self.generator.random() < 0.3:
            near.append(self._lines())
        close = None
        if self.generator.random() < 0.12:
            where = self._edge()
            close = self._scatter(self._look(), 3 + int(self.generator.integers(5)), (0.1, 0.3), where, 0.2)
        return Scene(Leaves.joined(far), Leaves.joined(near) if near else None, close, self.light)

    def _landscape(self) -> list[Leaves]:
        """Sky, what rises above the horizon, and the ground, on which things are smaller farther away."""
        generator = self.generator
        horizon = generator.uniform(0.2, 0.75) * self.height
        parts = [self._sky(horizon)]
        parts += [self._ridge(horizon) for _ in range(generator.integers(4))]
        ground = replace(self._look(), roughness=abs(generator.normal(0, 0.8)), dome=0.0)
        ground = replace(ground, plane=np.array([0.0, generator.normal(0, 0.5)]))
        depth = self.height - horizon
        parts.append(self._rectangle(ground, horizon, self.height + 0.02))
        for _ in range(generator.integers(1, 4)):
            look = self._look()
            look = replace(look, angle=0.0 if generator.random() < 0.6 else np.pi / 2, disorder=0.15)
            count = int(generator.integers(20, 120))
            near = np.sort(generator.random(count)) ** 1.4
            centres = np.column_stack([generator.uniform(0, self.width, count), horizon + depth * near])
            radii = power_law(generator, count, 0.01, 0.12) * (0.1 + near)
            parts.append(self._cut(look, self._shades(count, 0.05), centres, radii))
        return parts

    def _room(self) -> list[Leaves]:
        """Walls that meet at edges, with flat things on them."""
        generator = self.generator
        parts = [self._rectangle(self._wall(), -0.02, self.height + 0.02)]
        for _ in range(generator.integers(1, 4)):
            # Beyond a straight line, which is mostly level or upright.
            angle = generator.choice((0, 0.5, 1)) * np.pi + generator.normal(0, 0.2)
            normal = np.array([np.cos(angle), abs(np.sin(angle))])
            along = np.array([-normal[1], normal[0]])
            start = generator.uniform(0.15, 0.85, 2) * (self.width, self.height)
            outline = start + np.array([[-2, 0], [2, 0], [2, 2], [-2, 2]]) @ np.array([along, normal])
            parts.append(self._cut(self._wall(), self._shades(1, 0), start[None], np.ones(1), [outline]))
        for _ in range(generator.integers(1, 4)):
            look = replace(self._look(), squareness=20.0, lobes=0.0, dome=0.0, disorder=0.03)
            look = replace(look, angle=generator.choice((0, 0.5)) * np.pi + generator.normal(0, 0.05))
            parts.append(self._scatter(look, int(generator.integers(1, 12)), (0.02, 0.3)))
        return parts

    def _backdrop(self) -> list[Leaves]:
        """One surface, covered with leaves of all sizes or not."""
        parts = [self._rectangle(self._wall(), -0.02, self.height + 0.02)]
        counts = self.generator.integers(20, 150, self.generator.poisson(1.5))
        return parts + [self._scatter(self._look(), int(count), (0.012, 0.4)) for count in counts]

    def _sky(self, horizon: float) -> Leaves:
        generator = self.generator
        top, bottom = self.palette.sky(generator)
        clouds = abs(generator.normal(0, 0.35)) if generator.random() < 0.6 else 0.02
        texture = generator.choice((3, 4, 5, 8, 9))
        sky = self._rectangle(
            replace(
                self._wall(),
                plane=np.zeros(2),
                dome=0.0,
                roughness=clouds,
                texture=int(texture),
                zoom=generator.uniform(0.25, 0.9),
                angle=0.0,
            ),
            -0.02,
            horizon + 0.02,
        )
        rise = np.array([[0.0, -1 / max(horizon, 0.1)]])  # from -1 at the horizon to 1 at the top
        return replace(
            sky,
            dark=bottom[None],
            bright=top[None],
            plane=rise,
            radii=np.ones(1),
            centres=np.array([[0, horizon / 2]]),
        )

    def _ridge(self, horizon: float) -> Leaves:
        """Hills, woods or roofs before the sky."""
        generator = self.generator
        x = np.linspace(-0.02, self.width + 0.02, 65)
        if generator.random() < 0.35:  # roofs
            steps = np.repeat(generator.random(13), 5)
            y = steps * generator.uniform(0.05, 0.3)
        else:
            waves = generator.normal(size=(2, 24)) * np.arange(1, 25) ** -generator.uniform(0.7, 1.8)
            phase = 2 * np.pi * np.outer(x, np.arange(1, 25)) / 1.3
            y = waves[0] @ np.cos(phase.T) + waves[1] @ np.sin(phase.T)
            y = (y - y.min()) * generator.uniform(0.02, 0.12)
        outline = np.column_stack([np.append(x, [x[-1], x[0]]), horizon + 0.02 - np.append(y, [0, 0])])
        look = replace(self._look(), dome=0.0, plane=self.light * abs(generator.normal(0, 0.3)))
        centre = np.array([[self.width / 2, horizon]])
        # Air between makes what is far paler and bluer.
        shade = self._shades(1, 0.0)
        haze = generator.uniform(0, 0.7)
        shade = (1 - haze) * shade + haze * np.array([0.75, -0.005, -0.025])
        look = replace(look, contrast=look.contrast * (1 - haze))
        return self._cut(look, shade, centre, np.full(1, self.width / 2), [outline])

    def _rectangle(self, look: _Look, top: float, bottom: float) -> Leaves:
        right = self.width + 0.02
        outline = np.array([[-0.02, top], [right, top], [right, bottom], [-0.02, bottom]])
        centre = np.array([[self.width / 2, (top + bottom) / 2]])
        return self._cut(look, self._shades(1, 0), centre, np.full(1, 0.5), [outline])

    def _scatter(
        self,
        look: _Look,
        count: int,
        sizes: tuple[float, float],
        where: Floats | None = None,
        spread: float = 0.0,
        shade: Floats | None = None,
    ) -> Leaves:
        """Leaves of one look and about one colour: all over the frame, or around a place."""
        generator = self.generator
        if where is None:
            centres = generator.uniform(-0.05, 1.05, (count, 2)) * (self.width, self.height)
        else:
            centres = where + spread * generator.normal(size=(count, 2))
        radii = np.sort(power_law(generator, count, *sizes))[::-1]
        # Mostly the large ones lie behind, or they would hide all others.
        order = np.argsort(-np.log(radii) + generator.normal(0, 0.7, count))
        shades = self._shades(count, generator.uniform(0.03, 0.1), shade)
        return self._cut(look, shades, centres, radii[order])

    def _cluster(self) -> list[Leaves]:
        """Many small things in one place: foliage, a crowd, stones."""
        generator = self.generator
        look = self._look()
        where = self._place()
        spread = generator.uniform(0.04, 0.25) * np.exp(generator.normal(0, 0.3, 2))
        least = generator.uniform(0.004, 0.012)
        count = int(generator.integers(40, 250))
        parts = [self._scatter(look, count, (least, 10 * least), where, 1.0)]
        inside = parts[0].centres - where
        # In the shade below, in the light above.
        height = (inside @ self.light).clip(-2, 2)[:, None] * [0.05, 0, 0]
        moved = where + inside * spread
        leaf = parts[0]
        shift = moved - leaf.centres
        return [
            replace(
                leaf,
                centres=moved,
                outlines=[outline + by for outline, by in zip(leaf.outlines, shift, strict=True)],
                dark=leaf.dark + height,
                bright=leaf.bright + height,
            )
        ]

    def _thing(self, size: float) -> list[Leaves]:
        """One to three large parts above each other, with details on them: a person, a car, a house."""
        generator = self.generator
        place, shades = self._place(), self.palette.colours(generator, 3)
        parts: list[Leaves] = []
        for part in range(generator.integers(1, 4)):
            look = self._look()
            body = self._scatter(look, 1, (size, size * 1.001), place, 0.0, shades[part])
            parts.append(body)
            if generator.random() < 0.75:
                parts += self._details(place, size, shades[part], look)
            place = place + np.array([generator.normal(0, 0.25), -generator.uniform(0.7, 1.3)]) * size
            size *= generator.uniform(0.4, 0.9)
        return parts

    def _details(self, place: Floats, size: float, shade: Floats, body: _Look) -> list[Leaves]:
        """Smaller leaves on a larger one: scattered, in pairs as eyes and wheels, or in rows as windows."""
        generator = self.generator
        parts = []
        turn = _rotation(body.angle)
        narrow = np.array([1, 1 / body.elongation])
        for _ in range(generator.integers(1, 4)):
            look = self._look()
            colour = shade + generator.normal(0, (0.15, 0.015, 0.015))
            if generator.random() < 0.25:
                colour = self.palette.colours(generator, 1)[0]
            layout = generator.random()
            if layout < 0.35:
                count = int(generator.integers(2, 15))
                radii = power_law(generator, count, 0.03 * size, 0.3 * size)
                places = generator.normal(0, 0.28, (count, 2)) * narrow
            elif layout < 0.75:
                count = int(generator.integers(1, 4))
                half = (
                    generator.uniform(0.05, 0.55, (count, 2))
                    * (1, 1)
                    * np.array([1, generator.choice((-1, 1))])
                )
                radii = np.tile(size * generator.uniform(0.04, 0.2, count), 2)
                places = np.concatenate([half, half * (-1, 1)]) * narrow
                turn = np.eye(2)
            else:
                rows, columns = generator.integers(2, 7, 2)
                y, x = np.mgrid[:rows, :columns].reshape(2, -1)
                places = np.column_stack([x / (columns - 1) - 0.5, y / (rows - 1) - 0.5]) * narrow * 1.1
                radii = np.full(len(places), generator.uniform(0.25, 0.45) * size / max(rows, columns))
                look = replace(look, disorder=0.0, angle=body.angle, squareness=20.0)
            shades = self._shades(len(radii), 0.03, colour)
            parts.append(self._cut(look, shades, place + size * (places @ turn), radii))
        return parts

    def _lines(self) -> Leaves:
        """Poles, wires, twigs: mostly parallel, thin, across the frame."""
        generator = self.generator
        count = int(generator.integers(1, 12))
        look = self._look()
        look = replace(look, squareness=20.0, lobes=0.0, elongation=float(np.exp(generator.uniform(3, 5))))
        look = replace(look, angle=generator.choice((0, 0.5)) * np.pi + generator.normal(0, 0.2))
        look = replace(look, disorder=abs(generator.normal(0, 0.2)), roughness=0.1)
        return self._scatter(look, count, (0.15, 0.8))

    def _place(self) -> Floats:
        return self.generator.normal(0.5, 0.22, 2) * (self.width, self.height)

    def _edge(self) -> Floats:
        place = self.generator.uniform(0, 1, 2)
        place[self.generator.integers(2)] = self.generator.choice((0.0, 1.0))
        return place * (self.width, self.height)

    def _size(self, least: float, most: float) -> float:
        return float(np.exp(self.generator.uniform(np.log(least), np.log(most))))

    def _wall(self) -> _Look:
        """Return the look of something large: plain more often than not."""
        generator = self.generator
        look = self._look()
        if generator.random() < 0.45:
            texture = int(generator.integers(texture_bank.SOFT.start, texture_bank.SOFT.stop))
            look = replace(look, texture=texture, roughness=abs(generator.normal(0, 0.2)))
        plane, dome = generator.normal(0, 0.5, 2), generator.normal(0, 0.3)
        return replace(look, contrast=generator.uniform(0.02, 0.16), plane=plane, dome=dome)

    def _look(self) -> _Look:
        generator = self.generator
        chance, size, spread = generator.random(8), generator.normal(size=5), generator.random(2)
        squareness, lobes = _SHAPES[int(chance[0] * len(_SHAPES))]
        family = _FAMILIES[int(chance[1] * len(_FAMILIES))]
        upright = chance[2] < 0.3
        return _Look(
            squareness=squareness,
            lobes=lobes * (0.5 + chance[3]),
            elongation=float(np.exp(abs(0.6 * size[0]))),
            angle=np.pi / 2 if upright else 0.0 if chance[2] < 0.6 else np.pi * spread[0],
            disorder=(0.05, 0.3, 2.0)[int(3 * chance[4])],
            texture=family[int(chance[5] * len(family))],
            roughness=0.05 if chance[6] < 0.25 else min(abs(0.9 * size[1]), 1.3),
            zoom=float(np.exp(0.35 * size[2])),
            contrast=0.05 + 0.22 * spread[1],
            plane=self.light * abs(0.7 * size[3]),
            dome=abs(0.7 * size[4]) if squareness < 20 else 0.0,
        )

    def _shades(self, count: int, spread: float, base: Floats | None = None) -> Floats:
        """Return Oklab of shape (count, 3) around one colour."""
        if base is None:
            base = self.palette.colours(self.generator, 1)[0]
        varied = self.generator.normal(size=(count, 3)) * (spread, 0.12 * spread, 0.12 * spread)
        return base + varied * (1, 1 if base[1] or base[2] else 0, 1 if base[1] or base[2] else 0)

    def _cut(
        self,
        look: _Look,
        shades: Floats,
        centres: Floats,
        radii: Floats,
        outlines: list[Floats] | None = None,
    ) -> Leaves:
        """Return leaves of one look, with the outlines that it says where none are given."""
        generator, count = self.generator, len(radii)
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
            plane=np.tile(-look.plane, (count, 1)),
            dome=np.full(count, look.dome),
            texture=np.full(count, look.texture),
            roughness=np.full(count, look.roughness),
            grain=direction * look.zoom,
        )


def power_law(generator: np.random.Generator, count: int, least: float, most: float) -> Floats:
    """Draw sizes with the density r^-3, which leaves an image the same at all scales (Lee et al. 2001)."""
    part = generator.random(count)
    return 1 / np.sqrt(part * most**-2 + (1 - part) * least**-2)


def _outlines(
    generator: np.random.Generator, look: _Look, angles: Floats, centres: Floats, radii: Floats
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
    """Return colours with less L, and with a and b in the same proportion to it, as in less light."""
    lightness = shades[:, :1]
    changed = (lightness - by).clip(0.02, 0.99)
    return np.concatenate([changed, shades[:, 1:] * (changed / lightness.clip(0.1)).clip(0, 1.3)], axis=1)


def _rotation(angle: float) -> Floats:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
