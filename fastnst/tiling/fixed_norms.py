"""The statistics of instance norm: measured over a whole picture in parts, and held fixed in a model.

Instance norm looks at the whole picture. With the statistics of the whole, any part of it is painted as the
whole would be; with its own, parts show seams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnst.model.graph import Node, OnnxGraph
from fastnst.model.image_model import run_session
from fastnst.model.instance_norm import DEFAULT_EPSILON, in_float32
from fastnst.tiling.tiles import Tile

# The mean and the variance of each channel, float64 of shape (C,).
Statistics: TypeAlias = "tuple[NDArray[np.float64], NDArray[np.float64]]"
# Opens a model's bytes as a session of ONNX Runtime.
Open: TypeAlias = "Callable[[bytes], Any]"

# Besides instance norm, what mixes pixels from all over a picture.
_GLOBAL_OPERATORS = frozenset(
    {
        "Attention",
        "GlobalAveragePool",
        "GlobalLpPool",
        "GlobalMaxPool",
        "GroupNormalization",
        "LayerNormalization",
        "MeanVarianceNormalization",
        "ReduceL2",
        "ReduceMean",
        "ReduceSum",
    }
)


def can_measure(data: bytes) -> bool:
    """Return whether a model is the same on a part as on the whole once its instance norms are fixed.

    Args:
        data: The model file's bytes.

    Raises:
        FastnstError: If the bytes are no ONNX model.
    """
    return not any(node.op_type in _GLOBAL_OPERATORS for node in OnnxGraph(data).nodes)


def measure_statistics(
    data: bytes,
    tiles: Sequence[Tile],
    read: Callable[[Tile], NDArray[Any]],
    open_session: Open,
    *,
    memory: int,
    progress: Callable[[float], None] | None = None,
) -> list[Statistics]:
    """Measure the statistics of every instance norm over all tiles together, in the order of the graph.

    Each norm's input depends on all norms before it, and small errors grow from layer to layer: with
    statistics from a fifth of a picture, the result differs visibly. So the layers are measured one after
    the other, each over all tiles with the ones before it fixed, which is exact. What a tile has come to is
    kept between layers where it is small enough, and computed again from there where it is not.

    Args:
        data: The model file's bytes.
        tiles: Parts of the picture, each pixel in one of them; or a sample of such parts.
        read: Returns the model's input for a tile with its margins.
        open_session: Opens a model's bytes.
        memory: Bytes that may be kept between layers.
        progress: Called with the part that is done, in (0, 1].

    Returns:
        The statistics of each instance norm.

    Raises:
        FastnstError: If the model fails on a tile or the memory does not suffice.
    """
    layers = sum(node.op_type == "InstanceNormalization" for node in OnnxGraph(data).nodes)
    found: list[Statistics] = []
    kept = _Kept({})
    for layer in range(layers):
        graph = OnnxGraph(data)
        x, live = _cut_before_norm(graph, layer)
        _fix(graph, found)
        graph.cut(kept.types, [x, *live])
        statistics, kept = _measure_norm(open_session(graph.encode()), [x, *live], tiles, read, kept, memory)
        found.append(statistics)
        if progress is not None:
            progress((layer + 1) / layers)
    return found


def fix_statistics(data: bytes, statistics: Sequence[Statistics]) -> bytes:
    """Return the model with statistics as constants in the place of the first instance norms.

    ONNX Runtime then folds each such norm into the convolution before it.

    Args:
        data: The model file's bytes.
        statistics: Those of all instance norms, or of the first.

    Returns:
        The model as bytes. Where statistics are given for all, it paints a part of a picture, apart from a
        margin as wide as its receptive field, exactly as it paints the whole.
    """
    graph = OnnxGraph(data)
    _fix(graph, statistics)
    return graph.encode()


def _fix(graph: OnnxGraph, statistics: Sequence[Statistics]) -> None:
    nodes: list[Node] = []
    remaining = iter(enumerate(statistics))
    for node in graph.nodes:
        layer, values = next(remaining, (0, None)) if node.op_type == "InstanceNormalization" else (0, None)
        if values is None:
            nodes.append(node)
            continue
        epsilon = node.attributes.get("epsilon", DEFAULT_EPSILON)
        assert isinstance(epsilon, float)
        prefix = f"fixed_norm_{layer}"
        nodes += in_float32(graph, node, prefix, partial(_fixed_norm, graph, prefix, values, epsilon))
    graph.nodes = nodes


def _fixed_norm(
    graph: OnnxGraph,
    prefix: str,
    statistics: Statistics,
    epsilon: float,
    x: str,
    scale: str,
    bias: str,
    y: str,
) -> list[Node]:
    mean, variance = statistics
    shape = graph.add_initializer(f"{prefix}.shape", np.array([1, len(mean), 1, 1], np.int64))
    deviation = np.sqrt(variance + epsilon)
    inverse = graph.add_initializer(f"{prefix}.inverse", _column(1 / deviation))
    shift = graph.add_initializer(f"{prefix}.shift", _column(mean / deviation))
    scale4, bias4, factor, moved, offset, product = (
        f"{prefix}.{name}" for name in ("scale", "bias", "factor", "moved", "offset", "product")
    )
    # All but the last two are constants, which ONNX Runtime folds when it loads the model.
    return [
        Node("Reshape", [scale, shape], [scale4]),
        Node("Reshape", [bias, shape], [bias4]),
        Node("Mul", [scale4, inverse], [factor]),
        Node("Mul", [scale4, shift], [moved]),
        Node("Sub", [bias4, moved], [offset]),
        Node("Mul", [x, factor], [product]),
        Node("Add", [product, offset], [y]),
    ]


def _column(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32).reshape(1, -1, 1, 1)


@dataclass(frozen=True)
class _Kept:
    """What the tiles have come to: for each the values that the rest of the graph needs; nothing at first."""

    types: Mapping[str, str]
    values: list[dict[str, NDArray[Any]]] = field(default_factory=list)


def _measure_norm(
    session: Any,
    names: list[str],
    tiles: Sequence[Tile],
    read: Callable[[Tile], NDArray[Any]],
    kept: _Kept,
    memory: int,
) -> tuple[Statistics, _Kept]:
    """Return the statistics of a norm's input, the first of `names`, and what the next is computed from."""
    state = _Kept({node.name: node.type for node in session.get_outputs()})
    moments = _Moments()
    keeps = True
    for number, tile in enumerate(tiles):
        before = kept.values[number] if kept.values else {}
        feed = {
            node.name: _unpacked(before[node.name], node.type) if node.name in before else read(tile)
            for node in session.get_inputs()
        }
        part = f"a tile of {tile.width}x{tile.height} pixels"
        outputs = run_session(session, names if keeps else names[:1], feed, part)
        moments.add(tile.inner(outputs[0]))
        if number == 0:
            per_pixel = sum(_packed(output).nbytes for output in outputs) / tile.pixels
            keeps = per_pixel * sum(each.pixels for each in tiles) <= memory
        if keeps:
            state.values.append({name: _packed(output) for name, output in zip(names, outputs, strict=True)})
            if kept.values:
                kept.values[number] = {}  # the new state replaces it
    return moments.statistics(), state if keeps else kept


def _packed(values: NDArray[Any]) -> NDArray[Any]:
    """Halve activations to float16, whose rounding the statistics of so many do not notice."""
    if values.dtype != np.float32 or np.abs(values).max(initial=0) > np.finfo(np.float16).max:
        return values
    return values.astype(np.float16)


def _unpacked(values: NDArray[Any], kind: str) -> NDArray[Any]:
    return values.astype(np.float32) if kind == "tensor(float)" else values


def _cut_before_norm(graph: OnnxGraph, layer: int) -> tuple[str, list[str]]:
    """Return a norm's input and the other values made before it that are used after it."""
    norms = [node for node in graph.nodes if node.op_type == "InstanceNormalization"]
    x = norms[layer].inputs[0]
    ancestors, needed = set(), {x}
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            ancestors.add(id(node))
            needed.update(node.inputs)
    made = {name for node in graph.nodes if id(node) in ancestors for name in node.outputs}
    used = {name for node in graph.nodes if id(node) not in ancestors for name in node.inputs}
    used.update(graph.outputs)
    constants = _constants(graph)
    return x, sorted((made & used) - {x} - constants)


def _constants(graph: OnnxGraph) -> set[str]:
    """Return the values that do not depend on the graph's input, such as kernels read from float16."""
    constant = graph.initializers
    for node in graph.nodes:
        if all(name in constant or not name for name in node.inputs):
            constant.update(node.outputs)
    return constant


class _Moments:
    """Sums over windows, in float64, of values and their squares."""

    def __init__(self) -> None:
        self._count = 0
        self._means: list[NDArray[np.float64]] = []
        self._variances: list[NDArray[np.float64]] = []
        self._counts: list[int] = []

    def add(self, activations: NDArray[Any]) -> None:
        values = activations.astype(np.float32, copy=False)
        self._counts.append(values.size // values.shape[1])
        mean = values.mean((0, 2, 3), dtype=np.float64)
        self._means.append(mean)
        centred = values - mean.astype(np.float32).reshape(1, -1, 1, 1)
        self._variances.append(
            np.einsum("nchw,nchw->c", centred, centred).astype(np.float64) / self._counts[-1]
        )

    def statistics(self) -> Statistics:
        weights = np.array(self._counts) / sum(self._counts)
        means, variances = np.stack(self._means), np.stack(self._variances)
        mean = weights @ means
        return mean, weights @ (variances + (means - mean) ** 2)
