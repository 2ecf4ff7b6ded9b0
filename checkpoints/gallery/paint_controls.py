"""Paint the pictures of docs/control.md, on scikit-image's sample photos.

The photos are in the public domain or CC0. The repository holds only the painted results. The masks are soft
ellipses, drawn by this script.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from fastnst import Painter

HEIGHT = 270
GAP = 6

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]


def main() -> None:
    """Write control_NAME.jpg beside this file for each control: photos with the control at several values."""
    astronaut, coffee, rocket = (
        np.asarray(Image.fromarray(photo).convert("RGB"))
        for photo in (skimage.data.astronaut(), skimage.data.coffee(), skimage.data.rocket())
    )
    portrait = _portrait()
    _write("strength", [Painter("wave", strength=value)(astronaut) for value in (0, 0.4, 0.7, 1, 1.3)])
    _write(
        "preserve_color",
        [
            Painter("kandinsky", preserve_color=keep)(photo)
            for photo in (astronaut, coffee)
            for keep in (False, True)
        ],
    )
    _write(
        "mask",
        [
            Painter("the_scream", mask=portrait)(astronaut),
            Painter("the_scream", mask=1 - portrait)(astronaut),
            Painter("kandinsky", mask=1 - _ellipse(400, 600, (0.5, 0.5), (0.44, 0.36)))(coffee),
        ],
    )
    _write(
        "region",
        [
            Painter("starry_night", regions=[("kandinsky", portrait)])(astronaut),
            Painter(
                "starry_night", regions=[("the_scream", _ellipse(427, 640, (1, 0.5), (0.6, 2), soft=0.9))]
            )(rocket),
        ],
    )
    _write(
        "blend",
        [Painter({"kandinsky": 1 - share, "starry_night": share})(astronaut) for share in (0, 0.35, 0.65, 1)],
    )
    _write("size", [Painter("the_scream", size=size)(astronaut) for size in (256, 384, 512, 1024)])
    # Fine detail is only visible without scaling, so this strip shows a crop.
    closer = np.s_[10 : 10 + HEIGHT, 60 : 60 + 360]
    _write(
        "detail", [Painter("kandinsky", size=224, detail=value)(astronaut)[closer] for value in (0, 0.5, 1)]
    )


def _portrait() -> Plane:
    """Return a mask of the astronaut in the foreground: head, collar and suit."""
    head = _ellipse(512, 512, (0.19, 0.44), (0.17, 0.15), soft=0.2)
    suit = _ellipse(512, 512, (0.85, 0.38), (0.55, 0.4))
    return np.maximum(head, suit)


def _ellipse(
    height: int, width: int, centre: tuple[float, float], radii: tuple[float, float], soft: float = 0.12
) -> Plane:
    """Return a soft ellipse, float32 (height, width) in [0, 1].

    `centre` and `radii` are (vertical, horizontal) fractions of the sides.
    """
    down, across = np.ogrid[:height, :width]
    distance = np.hypot((down / height - centre[0]) / radii[0], (across / width - centre[1]) / radii[1])
    return np.clip((1 - distance) / soft + 0.5, 0, 1).astype(np.float32)


def _write(name: str, pictures: Sequence[Pixels]) -> None:
    shown = [
        Image.fromarray(picture).resize(
            (round(picture.shape[1] * HEIGHT / picture.shape[0]), HEIGHT), Image.Resampling.LANCZOS
        )
        for picture in pictures
    ]
    strip = Image.new("RGB", (sum(each.width + GAP for each in shown) - GAP, HEIGHT), "white")
    left = 0
    for each in shown:
        strip.paste(each, (left, 0))
        left += each.width + GAP
    path = Path(__file__).parent / f"control_{name}.jpg"
    strip.save(path, quality=84)
    print(path)


if __name__ == "__main__":
    main()
