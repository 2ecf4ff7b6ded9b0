"""From paintings to an ordinary style file, without training."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnst.arbitrary.measure import MeasuredPainting, measure_paintings, painting_size
from fastnst.errors import FastnstError
from fastnst.model import keys
from fastnst.model.graph import OnnxGraph
from fastnst.model.metadata import read_metadata
from fastnst.version import __version__

PAINTER = Path(__file__).with_name("painter.onnx")

# A Mapping's key type is invariant: with a path type as the key, dict[str, float] would be refused.
Paintings: TypeAlias = "str | os.PathLike[str] | Mapping[Any, float]"

# What is true of the painter, and not of a style file made of it.
_OF_THE_PAINTER = (keys.KIND, keys.NETWORK_PAINTING_SIZE)
_GROUPS_OF_THE_PAINTER = ("training.",)


def freeze(paintings: Paintings, *, style_size: int | None = None) -> bytes:
    """Make a style file of paintings, without training.

    One network, which comes with fastnst, paints by the statistics of any painting (adaptive instance
    normalisation, Huang and Belongie 2017, arXiv:1703.06868, at several levels and with whole covariances).
    The file holds that network with the statistics of these paintings as constants. Everything that takes a
    style file takes it.

    Args:
        paintings: An image file; or a mapping of several to weights, of which only the proportions count:
            the file then paints by the weighted mean of their statistics.
        style_size: The longer side in pixels at which the paintings are measured, 64 to 4096; a smaller one
            gives a finer brush. None takes 768.

    Returns:
        The content of an ONNX file: uint8 `image` (N, H, W, 3) in, `stylized` of the same shape out.

    Raises:
        FastnstError: If a painting is missing, no image, too small or fully transparent, or a weight is no
            number from 0 up.

    Warns:
        FastnstWarning: If a painting is partly transparent.

    Example:
        >>> Path("wave.onnx").write_bytes(freeze("wave.jpg"))  # doctest: +SKIP
        >>> Path("both.onnx").write_bytes(freeze({"wave.jpg": 0.7, "scream.jpg": 0.3}))  # doctest: +SKIP
    """
    weights = weights_of(paintings)
    size = painting_size() if style_size is None else style_size
    measured = measure_paintings(list(weights), size)
    return freeze_measured(list(zip(measured, weights.values(), strict=True)), size)


def freeze_measured(parts: Sequence[tuple[MeasuredPainting, float]], size: int) -> bytes:
    """Make a style file of paintings that are measured already.

    Args:
        parts: The paintings with their weights, which add up to 1.
        size: The longer side in pixels at which they were measured.

    Returns:
        As `freeze`.
    """
    graph = OnnxGraph(PAINTER.read_bytes())
    graph.fix_inputs(_mixed(parts))
    graph.set_metadata(_describe(parts, size))
    return graph.encode()


def weights_of(paintings: Paintings) -> dict[Path, float]:
    """Return paintings with their parts, which add up to 1; those without weight are left out.

    Raises:
        FastnstError: If a weight is no number from 0 up, or all are 0.
    """
    weights = paintings if isinstance(paintings, Mapping) else {paintings: 1.0}
    found: dict[Path, float] = {}
    for painting, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise FastnstError(
                f"the weight of {os.fspath(painting)} must be a number from 0 up, not {weight:g}"
            )
        if weight:
            path = Path(painting).expanduser()
            found[path] = found.get(path, 0.0) + weight
    total = sum(found.values())
    if not total:
        raise FastnstError("the weights of the paintings must not all be 0")
    return {path: weight / total for path, weight in found.items()}


def name_of(paintings: Sequence[Path]) -> str:
    """Return the name of a style made of paintings: their names, joined by +, at most 150 bytes long."""
    name = "+".join(dict.fromkeys(path.stem for path in paintings))
    return name.encode()[:150].decode(errors="ignore")


def _mixed(parts: Sequence[tuple[MeasuredPainting, float]]) -> dict[str, NDArray[np.float32]]:
    names = parts[0][0].statistics
    return {
        name: np.sum([np.float32(weight) * found.statistics[name] for found, weight in parts], axis=0)
        for name in names
    }


def _describe(parts: Sequence[tuple[MeasuredPainting, float]], size: int) -> dict[str, str]:
    """Return the metadata of a frozen style."""
    of_the_network = {
        key: value
        for key, value in read_metadata(PAINTER).items()
        if key not in _OF_THE_PAINTER and not key.startswith(_GROUPS_OF_THE_PAINTER)
    }
    mixed = [
        {"name": found.name, "sha256": found.sha256, "weight": round(weight, 6)} for found, weight in parts
    ]
    style = {
        keys.STYLE_NAME: "+".join(dict.fromkeys(found.name for found, _ in parts)),
        keys.STYLE_FROZEN: "true",
        keys.STYLE_PAINTING_SIZE: str(size),
    }
    if len(parts) == 1:
        style[keys.STYLE_SHA256] = parts[0][0].sha256
    else:
        style[keys.STYLE_PAINTINGS] = json.dumps(mixed, ensure_ascii=False)
    return {**of_the_network, keys.VERSION: __version__, **style}
