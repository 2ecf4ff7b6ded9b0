"""The content of a generated photo: a place, objects with details on them, clusters of small objects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from train.generated.photo import texture_bank
from train.generated.photo.dead_leaves import Floats, Leaves
from train.generated.photo.leaf_groups import Look, cut_leaves, draw_look, power_law
from train.generated.photo.palette import Palette


@dataclass(frozen=True)
class Scene:
    """The content of a photo; the unit of length is its longer side.

    Attributes:
        far: The background; it fills the frame.
        near: The objects in front of it.
        close: Objects so close to the lens that they are out of focus; None if there are none.
        light: Direction towards the light, a unit vector x, y.
    """

    far: Leaves
    near: Leaves | None
    close: Leaves | None
    light: Floats


def draw_scene(generator: np.random.Generator, width: float, height: float) -> Scene:
    """Draw the content of a photo.

    Args:
        generator: Source of all draws.
        width: Width of the frame, in units of its longer side.
        height: Height of the frame, likewise.

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
        near += [self._cluster() for _ in range(self.generator.poisson(1.8))]
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
        """Sky, hills or roofs at the horizon, and a ground where distant objects are smaller."""
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
            parts.append(cut_leaves(self.generator, look, self._shades(count, 0.05), centres, radii))
        return parts

    def _room(self) -> list[Leaves]:
        """Walls that meet at edges, with flat objects on them."""
        generator = self.generator
        parts = [self._rectangle(self._wall(), -0.02, self.height + 0.02)]
        for _ in range(generator.integers(1, 4)):
            # A wall lies beyond a straight line, which is mostly horizontal or vertical.
            angle = generator.choice((0, 0.5, 1)) * np.pi + generator.normal(0, 0.2)
            normal = np.array([np.cos(angle), abs(np.sin(angle))])
            along = np.array([-normal[1], normal[0]])
            start = generator.uniform(0.15, 0.85, 2) * (self.width, self.height)
            outline = start + np.array([[-2, 0], [2, 0], [2, 2], [-2, 2]]) @ np.array([along, normal])
            parts.append(
                cut_leaves(self.generator, self._wall(), self._dull(), start[None], np.ones(1), [outline])
            )
        for _ in range(generator.integers(1, 4)):
            look = replace(self._look(), squareness=20.0, lobes=0.0, dome=0.0, disorder=0.03)
            look = replace(look, angle=generator.choice((0, 0.5)) * np.pi + generator.normal(0, 0.05))
            parts.append(self._scatter(look, int(generator.integers(1, 12)), (0.02, 0.3)))
        return parts

    def _backdrop(self) -> list[Leaves]:
        """One surface, plain or covered with leaves of all sizes."""
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
        """Hills, woods or roofs in front of the sky."""
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
        # Haze makes distant objects paler and bluer.
        shade = self._shades(1, 0.0)
        haze = generator.uniform(0, 0.7)
        shade = (1 - haze) * shade + haze * np.array([0.75, -0.005, -0.025])
        look = replace(look, contrast=look.contrast * (1 - haze))
        return cut_leaves(self.generator, look, shade, centre, np.full(1, self.width / 2), [outline])

    def _rectangle(self, look: Look, top: float, bottom: float) -> Leaves:
        right = self.width + 0.02
        outline = np.array([[-0.02, top], [right, top], [right, bottom], [-0.02, bottom]])
        centre = np.array([[self.width / 2, (top + bottom) / 2]])
        return cut_leaves(self.generator, look, self._dull(), centre, np.full(1, 0.5), [outline])

    def _scatter(
        self,
        look: Look,
        count: int,
        sizes: tuple[float, float],
        where: Floats | None = None,
        spread: float | Floats = 0.0,
    ) -> Leaves:
        """Leaves of one look and similar colour, all over the frame or around a place."""
        generator = self.generator
        if where is None:
            centres = generator.uniform(-0.05, 1.05, (count, 2)) * (self.width, self.height)
        else:
            centres = where + spread * generator.normal(size=(count, 2))
        radii = power_law(generator, count, *sizes)
        # Mostly the large leaves lie behind, or they would hide all others.
        order = np.argsort(-np.log(radii) + generator.normal(0, 0.7, count))
        shades = self._shades(count, generator.uniform(0.03, 0.1))
        return cut_leaves(self.generator, look, shades, centres, radii[order])

    def _cluster(self) -> Leaves:
        """Many small objects in one place: foliage, a crowd, stones."""
        generator = self.generator
        where = self._place()
        spread = generator.uniform(0.04, 0.25) * np.exp(generator.normal(0, 0.3, 2))
        least = generator.uniform(0.004, 0.012)
        count = int(generator.integers(40, 250))
        leaves = self._scatter(self._look(), count, (least, 10 * least), where, spread)
        # Lit on the side of the light, shaded on the other.
        lit = ((leaves.centres - where) / spread @ self.light).clip(-2, 2)[:, None] * (0.05, 0, 0)
        return replace(leaves, dark=leaves.dark + lit, bright=leaves.bright + lit)

    def _thing(self, size: float) -> list[Leaves]:
        """One to three large parts above each other, with details: a person, a car, a house."""
        generator = self.generator
        place, shades = self._place(), self.palette.colours(generator, 3)
        parts: list[Leaves] = []
        for part in range(generator.integers(1, 4)):
            look = replace(self._look(), disorder=0.0)
            parts.append(
                cut_leaves(self.generator, look, shades[part : part + 1], place[None], np.full(1, size))
            )
            if generator.random() < 0.75:
                parts += self._details(place, size, shades[part], look)
            place = place + np.array([generator.normal(0, 0.25), -generator.uniform(0.7, 1.3)]) * size
            size *= generator.uniform(0.4, 0.9)
        return parts

    def _details(self, place: Floats, size: float, shade: Floats, body: Look) -> list[Leaves]:
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
                half = generator.uniform(0.05, 0.55, (count, 2)) * (1, generator.choice((-1, 1)))
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
            parts.append(cut_leaves(self.generator, look, shades, place + size * (places @ turn), radii))
        return parts

    def _lines(self) -> Leaves:
        """Poles, wires, twigs: thin, mostly parallel, across the frame."""
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

    def _wall(self) -> Look:
        """Return the look of a large object, which is usually plain."""
        generator = self.generator
        look = self._look()
        if generator.random() < 0.45:
            texture = int(generator.integers(texture_bank.SOFT.start, texture_bank.SOFT.stop))
            look = replace(look, texture=texture, roughness=abs(generator.normal(0, 0.2)))
        plane, dome = generator.normal(0, 0.5, 2), generator.normal(0, 0.3)
        return replace(look, contrast=generator.uniform(0.02, 0.16), plane=plane, dome=dome)

    def _look(self) -> Look:
        return draw_look(self.generator, self.light)

    def _dull(self) -> Floats:
        """Return one colour, Oklab of shape (1, 3), for a large object, which is rarely vivid."""
        return self.palette.colours(self.generator, 1) * (1, 0.75, 0.75)

    def _shades(self, count: int, spread: float, base: Floats | None = None) -> Floats:
        """Return Oklab of shape (count, 3) around one colour."""
        if base is None:
            base = self.palette.colours(self.generator, 1)[0]
        varied = self.generator.normal(size=(count, 3)) * (spread, 0.12 * spread, 0.12 * spread)
        return base + varied * (1, 1 if base[1] or base[2] else 0, 1 if base[1] or base[2] else 0)


def _rotation(angle: float) -> Floats:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
