"""An abstract painting that the project draws itself: `python -m train.generated.painting -o painting.png`.

A painting to train a style from that belongs to nobody else: every stroke comes from random numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from fastnst.errors import FastnstError
from fastnst.image.encode import output_format
from train.command import CommandParser, print_result, run_command, say, write_result
from train.generated.painting.brush import Canvas
from train.generated.painting.composition import Composition

DEFAULT_SEED, DEFAULT_SIZE = 11, 1024

# Each from dark to light: an ink, strong colours, and two lights, of which the last is the priming.
_PALETTES = (
    ("#211029", "#5d2a66", "#c92f5f", "#f0782f", "#1e6b66", "#86c2a4", "#f3bf8f", "#f5ead4"),
    ("#121c28", "#1f4390", "#d8402a", "#eaa724", "#1c8488", "#e48f80", "#f0d9a0", "#f3e9d3"),
    ("#15232b", "#174d6e", "#b3452a", "#dd9f35", "#58793f", "#8fc1d0", "#e6c9a4", "#eee7d8"),
    ("#1b1b2f", "#3a3f8f", "#e4503f", "#f3b23a", "#2f9a8c", "#b98cc4", "#f2c6b4", "#f6efdf"),
)


def draw_abstract_painting(seed: int = DEFAULT_SEED, size: int = DEFAULT_SIZE) -> NDArray[np.uint8]:
    """Draw an abstract composition, in the manner of the 1910s.

    Args:
        seed: Of the composition, its colours and every bristle: the same seed is the same picture.
        size: Its width in pixels; the height is four fifths of it. The picture is the same at every size.

    Returns:
        RGB, uint8 of shape (0.8 size, size, 3).

    Raises:
        FastnstError: If the seed is below 0, or the size is not from 64 to 4096.
    """
    if seed < 0:
        raise FastnstError(f"--seed must be at least 0, got {seed}")
    if not 64 <= size <= 4096:
        raise FastnstError(f"--size must be from 64 to 4096, got {size}")
    random = np.random.default_rng(seed)
    palette = _PALETTES[int(random.integers(len(_PALETTES)))]
    colours = [tuple(level / 255 for level in ImageColor.getrgb(colour)) for colour in palette]
    canvas = Canvas(size, colours[-1], random)
    Composition(canvas, colours, random).paint()
    return canvas.finish()


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw a painting as a command line says, the process's own by default; returns the exit code."""
    parser = CommandParser(
        "train.generated.painting",
        "Draw an abstract painting to train a style from: another seed is another painting.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--seed", type=int, default=DEFAULT_SEED, metavar="N", help="which painting (%(default)s)")
    add("--size", type=int, default=DEFAULT_SIZE, metavar="N", help="width in pixels (%(default)s)")
    add("-o", "--output", type=Path, default=Path("painting.png"), metavar="FILE", help="(%(default)s)")

    def draw() -> None:
        given = parser.parse_args(arguments)
        output, folder = given.output, given.output.parent
        file_format = output_format(output.suffix)
        if not folder.is_dir():
            raise FastnstError(f"there is no folder {folder} to write {output.name} to: make it first")
        say(f"drawing the painting {given.seed}")
        painting = Image.fromarray(draw_abstract_painting(given.seed, given.size))
        write_result(output, lambda temporary: painting.save(temporary, file_format))
        print_result(output)

    return run_command("painting", draw)


if __name__ == "__main__":
    sys.exit(main())
