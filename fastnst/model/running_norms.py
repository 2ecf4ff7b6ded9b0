"""Instance norm over a video: statistics that are smoothed over its frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnst.model.graph import Node, OnnxGraph
from fastnst.model.instance_norm import DEFAULT_EPSILON, in_float32

_RATE = "temporal_norm.rate"


class TemporalNormSession:
    """A session whose instance norms remember the frames before; it stands in the place of the model's own.

    Instance norm divides by what it finds in the whole picture. When something enters a frame, the
    statistics jump, and with them the colours everywhere. Here each norm uses the running mean of its
    statistics: `rate` times the frame's own, the rest from before.

    Args:
        data: The model file's bytes.
        open_session: Opens a model's bytes.
        rate: How much of the running mean a frame replaces, above 0 to 1; 1 is the model as it is.

    Raises:
        ValueError: If `rate` is out of its range.
        FastnstError: If ONNX Runtime does not take the changed model.
    """

    def __init__(self, data: bytes, open_session: Callable[[bytes], Any], *, rate: float) -> None:
        if not 0 < rate <= 1:
            raise ValueError(f"rate must be above 0 and at most 1, not {rate}")
        changed, self._statistics = _with_running_statistics(data)
        self._session = open_session(changed)
        self._rate = rate
        self.reset()

    def reset(self) -> None:
        """Forget the frames before, as at a cut."""
        self._running: dict[str, NDArray[Any]] = {}

    def run(
        self, names: Sequence[str], feed: Mapping[str, NDArray[Any]], options: Any = None
    ) -> list[NDArray[Any]]:
        """Run the model on the next frame, as `InferenceSession.run` does.

        Frames come one after the other, from one thread.
        """
        if not self._statistics:
            plain: list[NDArray[Any]] = self._session.run(names, feed, options)
            return plain
        none = np.zeros((1, 1, 1, 1), np.float32)
        running = {f"{name}.before": self._running.get(name, none) for name in self._statistics}
        rate = np.array([self._rate if self._running else 1.0], np.float32)
        outputs = self._session.run([*names, *self._statistics], {**feed, **running, _RATE: rate}, options)
        self._running = dict(zip(self._statistics, outputs[len(names) :], strict=True))
        found: list[NDArray[Any]] = outputs[: len(names)]
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def _with_running_statistics(data: bytes) -> tuple[bytes, list[str]]:
    """Return the model with its norms' statistics going in and out, and their names."""
    graph = OnnxGraph(data)
    norms = [node for node in graph.nodes if node.op_type == "InstanceNormalization"]
    if not norms:
        return data, []
    rate = graph.add_input(_RATE, "float32")
    axes = graph.add_initializer("temporal_norm.axes", np.array([2, 3], np.int64))
    column = graph.add_initializer("temporal_norm.column", np.array([1, -1, 1, 1], np.int64))
    statistics: list[str] = []
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.op_type != "InstanceNormalization":
            nodes.append(node)
            continue
        prefix = f"temporal_norm.{len(statistics) // 2}"
        epsilon = graph.add_initializer(
            f"{prefix}.epsilon", np.array([node.attributes.get("epsilon", DEFAULT_EPSILON)], np.float32)
        )
        running_norm = partial(_running_norm, graph, prefix, rate, axes, column, epsilon)
        nodes += in_float32(graph, node, prefix, running_norm)
        statistics += [f"{prefix}.mean", f"{prefix}.variance"]
    graph.nodes = nodes
    for name in statistics:
        graph.add_output(name)
    return graph.encode(), statistics


def _running_norm(
    graph: OnnxGraph,
    prefix: str,
    rate: str,
    axes: str,
    column: str,
    epsilon: str,
    x: str,
    scale: str,
    bias: str,
    y: str,
) -> list[Node]:
    def mean_of(value: str, name: str) -> Node:
        if graph.opset >= 18:  # from then on the axes are an input
            return Node("ReduceMean", [value, axes], [name], {"keepdims": 1})
        return Node("ReduceMean", [value], [name], {"keepdims": 1, "axes": (2, 3)})

    def running(own: str, name: str) -> list[Node]:
        before = graph.add_input(f"{name}.before", "float32")
        return [
            Node("Sub", [own, before], [f"{name}.change"]),
            Node("Mul", [f"{name}.change", rate], [f"{name}.step"]),
            Node("Add", [before, f"{name}.step"], [name]),
        ]

    def inner(name: str) -> str:
        return f"{prefix}.{name}"

    return [
        mean_of(x, inner("own_mean")),
        Node("Sub", [x, inner("own_mean")], [inner("centred")]),
        Node("Mul", [inner("centred"), inner("centred")], [inner("squared")]),
        mean_of(inner("squared"), inner("own_variance")),
        *running(inner("own_mean"), inner("mean")),
        *running(inner("own_variance"), inner("variance")),
        Node("Add", [inner("variance"), epsilon], [inner("positive")]),
        Node("Sqrt", [inner("positive")], [inner("deviation")]),
        Node("Reshape", [scale, column], [inner("scale")]),
        Node("Reshape", [bias, column], [inner("bias")]),
        Node("Div", [inner("scale"), inner("deviation")], [inner("factor")]),
        Node("Mul", [inner("mean"), inner("factor")], [inner("moved")]),
        Node("Sub", [inner("bias"), inner("moved")], [inner("offset")]),
        Node("Mul", [x, inner("factor")], [inner("product")]),
        Node("Add", [inner("product"), inner("offset")], [y]),
    ]
