"""Check that the numbers in the documents are what their commands give.

A number in README.md, docs/ or checkpoints/README.md names its source in a comment right behind it, which no
reader sees: `0.42<!-- number: info wave quality.content_lost -->`. The shown digits count: 0.42 stands for
0.415 to 0.425.
`within 30%` at the end allows for the noise of a measurement; `/ 1000` before it shows thousands.

    info NAME KEY            what `fastnst info NAME` says
    megabytes FILE           the size of a file of the repository
    styles                   how many styles come with fastnst
    trained least|most       the least and the most minutes of training in the catalogue of styles
    option NAME              a default of `python -m train`
    preset PRESET NAME       the same under a preset
    strength LEVEL           the style weight of a level of --strength
    parameters NETWORK       the parameters of a network
    pixels                   the most pixels of a picture, by default
    speed MODEL BASELINE SIZE
                             the ratio of `python -m bench.stylize`: measured only with --slow
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from train.config import TrainingConfig

ROOT = Path(__file__).parent.parent
DOCUMENTS = ("README.md", "checkpoints/README.md", "docs/*.md")

_MARKED = re.compile(r"(?P<before>[^\n]{0,60}?)<!-- number: (?P<source>[^\n]*?) -->")
_NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?)[^\d]*$")
_SOURCE = re.compile(r"(?P<call>.*?)(?: / (?P<unit>\d+))?(?: within (?P<noise>\d+)%)?")
_SLOW = "speed"


@dataclass(frozen=True)
class ShownNumber:
    """A number in a document that says where it comes from.

    Attributes:
        document: The path below the root of the repository.
        line: The line, from 1.
        text: The number as it is shown.
        source: What gives it: a name of this module's list, and its arguments.
        unit: What the shown number is a multiple of.
        noise: The part of the number by which a measurement may differ.
    """

    document: str
    line: int
    text: str
    source: tuple[str, ...]
    unit: float
    noise: float

    @property
    def is_slow(self) -> bool:
        """Whether its source is a measurement of time."""
        return self.source[0] == _SLOW

    def agrees(self, found: float) -> bool:
        """Whether the number is what its source gives, to its last digit or within its noise."""
        shown = float(self.text.replace(",", ""))
        decimals = len(self.text.partition(".")[2])
        allowed = max(0.5 / 10.0**decimals, self.noise * shown) + 1e-9
        return abs(found / self.unit - shown) <= allowed


def shown_numbers(text: str, document: str) -> Iterator[ShownNumber]:
    """Yield the numbers of a document that name their source.

    Raises:
        ValueError: If no number stands before a source, or there is no such source.
    """
    for mark in _MARKED.finditer(text):
        line = text.count("\n", 0, mark.start("source")) + 1
        number = _NUMBER.search(mark["before"])
        source = _SOURCE.fullmatch(mark["source"])
        if number is None or source is None or source["call"].split()[0] not in SOURCES:
            raise ValueError(f"{document}:{line}: no number, or no such source: {mark[0]!r}")
        yield ShownNumber(
            document,
            line,
            number[1],
            tuple(source["call"].split()),
            float(source["unit"] or 1),
            float(source["noise"] or 0) / 100,
        )


def of_all_documents() -> list[ShownNumber]:
    """Return the numbers of all documents that name their source."""
    paths = sorted(path for pattern in DOCUMENTS for path in ROOT.glob(pattern))
    return [
        number
        for path in paths
        for number in shown_numbers(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
    ]


def found(number: ShownNumber) -> float:
    """Return what the source of a number gives."""
    name, *arguments = number.source
    return SOURCES[name](*arguments)


def _info(name: str, key: str) -> float:
    from fastnst.model.metadata import read_metadata
    from fastnst.style_library import list_bundled_styles

    (style,) = [style for style in list_bundled_styles() if style.name == name]
    return float(read_metadata(style.path)[key])


def _megabytes(path: str) -> float:
    return (ROOT / path).stat().st_size / 1e6


def _styles() -> float:
    from fastnst.style_library import BUNDLED_STYLES

    return len(BUNDLED_STYLES)


def _trained(which: str) -> float:
    catalogue = (ROOT / "checkpoints" / "README.md").read_text(encoding="utf-8")
    minutes = [int(found) for found in re.findall(r"\| (\d+) min, one core \|$", catalogue, re.MULTILINE)]
    return {"least": min, "most": max}[which](minutes)


@cache
def _config(*options: str) -> TrainingConfig:
    from train.cli import parse_arguments

    return parse_arguments(["--style", "painting.jpg", *options])[0]


def _preset(preset: str, option: str) -> float:
    return float(getattr(_config("--preset", preset), option))


def _option(option: str) -> float:
    return _preset("default", option)


def _strength(level: str) -> float:
    return _config("--preset", "default", "--strength", level).resolved_style_weight


def _parameters(network: str) -> float:
    from train.network.build import build_network
    from train.network.shape import NETWORKS

    shape = next(shape for name, shape in NETWORKS.items() if name == network)
    return sum(parameter.numel() for parameter in build_network(shape).parameters())


def _pixels() -> float:
    from fastnst.image.file import MAX_PIXELS

    return MAX_PIXELS


def _speed(model: str, baseline: str, size: str) -> float:
    command = [
        sys.executable,
        "-m",
        "bench.stylize",
        "--model",
        model,
        "--baseline",
        baseline,
        "--size",
        size,
    ]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    heading, row = printed.splitlines()[:2]
    # The name of a style may have spaces, so the columns are counted from the end.
    names = heading.replace("peak GB", "peak").split()
    return float(row.split()[names.index("ratio") - len(names)])


SOURCES: dict[str, Callable[..., float]] = {
    "info": _info,
    "megabytes": _megabytes,
    "styles": _styles,
    "trained": _trained,
    "option": _option,
    "preset": _preset,
    "strength": _strength,
    "parameters": _parameters,
    "pixels": _pixels,
    _SLOW: _speed,
}


def main() -> None:
    """Print each number with what its source gives; exit with code 1 if one differs."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.numbers", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--slow", action="store_true", help="measure speed, too, which needs a machine with nothing beside it"
    )
    options = parser.parse_args()
    wrong = 0
    for number in of_all_documents():
        if number.is_slow and not options.slow:
            continue
        value = found(number) / number.unit
        is_right = number.agrees(value * number.unit)
        wrong += not is_right
        print(
            f"{'     ' if is_right else 'WRONG'} {number.document}:{number.line}: {number.text},"
            f" {' '.join(number.source)} gives {value:.6g}"
        )
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
