"""How thoroughly a style is trained from the page: quick or good, each with its options and its time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastnst.server.training import environment

# A picture every so many seconds; each takes some seconds of a CPU.
_PREVIEW_SECONDS = 30


@dataclass(frozen=True)
class Recipe:
    """One quality.

    Attributes:
        options: Of `python -m train`.
        minutes: What it takes on two CPU cores; None where nothing has been measured.
    """

    options: tuple[str, ...]
    minutes: int | None


# `good` is three times as long: its second half, at 512 px, sees 1,000 crops instead of 300.
_ON_CPU = {
    "quick": Recipe(("--preset=quick",), 10),
    "good": Recipe(("--preset=quick", "--images=4800"), 30),
}
_ON_GPU = {
    "quick": Recipe(("--preset=quick",), None),
    "good": Recipe(("--preset=default",), None),
}

QUALITIES = tuple(_ON_CPU)


def recipe(quality: str) -> Recipe:
    """Return how a quality is reached on this machine."""
    return (_ON_GPU if environment.has_gpu() else _ON_CPU)[quality]


def train_options(quality: str, data: str, more: Iterable[str] = ()) -> list[str]:
    """Return the options of `python -m train` that a new training keeps to its end.

    Args:
        quality: One of `QUALITIES`.
        data: Its photos, as `--data` takes them.
        more: Options that come last.
    """
    shown = ("--logger=none", f"--preview-seconds={_PREVIEW_SECONDS}")
    return [*recipe(quality).options, f"--data={data}", *shown, *more]
