"""Rewriting a graph's instance norms: the parts that tiling and video share."""

from __future__ import annotations

from collections.abc import Callable

from fastnst.model.graph import Node, OnnxGraph, cast

DEFAULT_EPSILON = 1e-5
"""ONNX's default epsilon, which is added to the variance."""


def in_float32(
    graph: OnnxGraph, norm: Node, prefix: str, compute: Callable[[str, str, str, str], list[Node]]
) -> list[Node]:
    """Return nodes that replace an instance norm and compute it in float32, whatever its type.

    Args:
        graph: The norm's graph.
        norm: The instance norm.
        prefix: Prefix of the names of new values.
        compute: Returns the nodes in float32, from the names of x, scale and bias and of the result.
    """
    kind = graph.float_type(norm.inputs[1])
    if kind == "float32":
        x, scale, bias = norm.inputs
        return compute(x, scale, bias, norm.outputs[0])
    x, scale, bias, y = (f"{prefix}.{name}.float32" for name in ("x", "scale", "bias", "y"))
    return [
        *(cast(value, name, "float32") for value, name in zip(norm.inputs, (x, scale, bias), strict=True)),
        *compute(x, scale, bias, y),
        cast(y, norm.outputs[0], kind),
    ]
