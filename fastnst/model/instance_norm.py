"""What every rewriting of a graph's instance norms needs."""

from __future__ import annotations

from collections.abc import Callable

from fastnst.model.graph import Node, OnnxGraph, cast

DEFAULT_EPSILON = 1e-5
"""What ONNX adds to the variance where a norm does not say."""


def in_float32(
    graph: OnnxGraph, norm: Node, prefix: str, compute: Callable[[str, str, str, str], list[Node]]
) -> list[Node]:
    """Return what stands in the place of an instance norm, computed in float32 whatever the norm's type is.

    Args:
        graph: The norm's.
        norm: The instance norm.
        prefix: Of the names of new values.
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
