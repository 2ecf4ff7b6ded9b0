"""Exact rewrites of a style network's graph, for speed: convolutions at full size, computed at half size.

They are those of training: `train.network.upsampled_conv` and `train.network.subpixel_conv` say why they are
faster. The graph computes their kernels from the trained ones, which the file holds unchanged; runtimes fold
this when they load the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from export.graph.attribute import attribute
from train.network.upsampled_conv import SMOOTHING

# More channels than this fill a processor's vectors.
_FEW_CHANNELS = 4

# ONNX Runtime's transposed convolution on CPUs keeps nine numbers for each pixel of the small image and each
# channel of the result, before it adds them up. Two parts, one after the other, share that memory: a picture
# of 12 megapixels takes 6 GB instead of 8. Four parts took 5 GB, but made OpenVINO a fifth slower in narrow
# networks.
_PARTS = 2


def compute_at_half_size(model: onnx.ModelProto) -> int:
    """Rewrite, in place, convolutions of enlarged images and convolutions to very few channels.

    * Bilinear enlargement, padding by 1 with the border and a 3x3 convolution become the same padding of the
      small image, a transposed 3x3 convolution of stride 2, and smoothing: a quarter of the multiplications,
      and fewer enlarged copies.
    * A KxK convolution to at most 4 channels becomes a (K+1)x(K+1) convolution of stride 2 to four times as
      many, and depth to space. Its input must have even height and width.

    Args:
        model: A traced style network (`export.graph.build.build_model`).

    Returns:
        How many convolutions were rewritten.
    """
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    nodes: list[onnx.NodeProto] = []
    replaced: set[str] = set()
    count = 0
    for node in graph.node:
        rewritten: list[onnx.NodeProto] | None = None
        if node.op_type == "Conv":
            pad = makers.get(node.input[0])
            resize = makers.get(pad.input[0]) if pad is not None and pad.op_type == "Pad" else None
            if pad is not None and resize is not None and _is_enlargement(resize, pad, node, constants):
                rewritten = _of_enlarged(resize.input[0], node, len(constants[node.input[1]]), model)
                replaced.update((pad.output[0], resize.output[0]))
            elif _is_to_few_channels(node, constants):
                rewritten = _to_few_channels(node, constants[node.input[1]].shape, model)
        count += rewritten is not None
        nodes += [node] if rewritten is None else rewritten
    graph.ClearField("node")
    graph.node.extend(_without_unused(nodes, replaced))
    used = {name for node in graph.node for name in node.input}
    tensors = [tensor for tensor in graph.initializer if tensor.name in used]
    graph.ClearField("initializer")
    graph.initializer.extend(tensors)
    return count


def _without_unused(nodes: Sequence[onnx.NodeProto], replaced: set[str]) -> list[onnx.NodeProto]:
    """Drop the nodes whose values were replaced and are needed by no other node."""
    kept: list[onnx.NodeProto] = []
    needed: set[str] = set()
    for node in reversed(nodes):
        if node.output[0] not in replaced or node.output[0] in needed:
            kept.append(node)
            needed.update(node.input)
    return kept[::-1]


def _is_enlargement(
    resize: onnx.NodeProto, pad: onnx.NodeProto, conv: onnx.NodeProto, constants: dict[str, NDArray[Any]]
) -> bool:
    if resize.op_type != "Resize" or len(resize.input) < 3 or len(conv.input) > 2:
        return False
    scales, pads = constants.get(resize.input[2]), constants.get(pad.input[1])
    kernel = constants.get(conv.input[1])
    return (
        scales is not None
        and list(scales) == [1, 1, 2, 2]
        and attribute(resize, "mode") == b"linear"
        and attribute(resize, "coordinate_transformation_mode") == b"half_pixel"
        and pads is not None
        and list(pads) == [0, 0, 1, 1, 0, 0, 1, 1]
        and attribute(pad, "mode") == b"edge"
        and kernel is not None
        and kernel.shape[2:] == (3, 3)
        and _is_plain(conv)
    )


def _is_to_few_channels(conv: onnx.NodeProto, constants: dict[str, NDArray[Any]]) -> bool:
    kernel = constants.get(conv.input[1])
    return (
        kernel is not None and kernel.shape[0] <= _FEW_CHANNELS and len(conv.input) == 3 and _is_plain(conv)
    )


def _is_plain(conv: onnx.NodeProto) -> bool:
    """Return whether a convolution has no stride, padding, dilation or groups."""
    return (
        all(value == 1 for value in attribute(conv, "strides") or ())
        and not any(attribute(conv, "pads") or ())
        and all(value == 1 for value in attribute(conv, "dilations") or ())
        and (attribute(conv, "group") or 1) == 1
    )


def _of_enlarged(
    small: str, conv: onnx.NodeProto, depth: int, model: onnx.ModelProto
) -> list[onnx.NodeProto]:
    name, kernel = conv.output[0], conv.input[1]
    border = _constant(model, f"{name}.border", [0, 0, 1, 1, 0, 0, 1, 1])
    smoothing = np.outer(SMOOTHING, SMOOTHING).astype(np.float32)
    model.graph.initializer.append(
        numpy_helper.from_array(np.tile(smoothing, (depth, 1, 1, 1)), f"{name}.smoothing")
    )
    # Equal parts: OpenVINO supports no other Split of this opset.
    parts = [f"{name}.part{part}" for part in range(math.gcd(_PARTS, depth))]
    return [
        *_turned_kernels(name, kernel, [f"{part}.kernel" for part in parts], model),
        helper.make_node("Pad", [small, border], [f"{name}.padded"], mode="edge"),
        *(
            helper.make_node(
                "ConvTranspose",
                [f"{name}.padded", f"{part}.kernel"],
                [part],
                kernel_shape=[3, 3],
                strides=[2, 2],
                pads=[1, 1, 1, 1],
            )
            for part in parts
        ),
        helper.make_node("Concat", parts, [f"{name}.spread"], axis=1),
        helper.make_node(
            "Conv", [f"{name}.spread", f"{name}.smoothing"], [name], kernel_shape=[4, 4], group=depth
        ),
    ]


def _turned_kernels(
    name: str, kernel: str, parts: Sequence[str], model: onnx.ModelProto
) -> list[onnx.NodeProto]:
    """Return the nodes that turn kernels by 180 degrees and order them for transposed convolutions.

    Args:
        name: Name of the convolution's output.
        kernel: Name of the trained kernels, of shape (D, C, 3, 3).
        parts: Names of the results, of shape (C, D / len(parts), 3, 3), with consecutive channels.
        model: The model that constants are added to.

    Returns:
        The nodes.
    """
    last = _constant(model, f"{name}.last", [-1, -1])
    first = _constant(model, f"{name}.first", [-4, -4])
    axes = _constant(model, f"{name}.axes", [2, 3])
    backwards = _constant(model, f"{name}.backwards", [-1, -1])
    return [
        helper.make_node("Slice", [kernel, last, first, axes, backwards], [f"{name}.turned"]),
        helper.make_node("Transpose", [f"{name}.turned"], [f"{name}.transposed"], perm=[1, 0, 2, 3]),
        helper.make_node("Split", [f"{name}.transposed"], parts, axis=1, num_outputs=len(parts)),
    ]


def _to_few_channels(
    conv: onnx.NodeProto, shape: Sequence[int], model: onnx.ModelProto
) -> list[onnx.NodeProto]:
    name = conv.output[0]
    return [
        *_phase_kernels(name, conv.input[1], shape, model),
        helper.make_node("Concat", [conv.input[2]] * 4, [f"{name}.bias"], axis=0),
        helper.make_node(
            "Conv",
            [conv.input[0], f"{name}.kernel", f"{name}.bias"],
            [f"{name}.phases"],
            kernel_shape=[shape[2] + 1] * 2,
            strides=[2, 2],
        ),
        helper.make_node("DepthToSpace", [f"{name}.phases"], [name], blocksize=2, mode="DCR"),
    ]


def _phase_kernels(
    name: str, kernel: str, shape: Sequence[int], model: onnx.ModelProto
) -> list[onnx.NodeProto]:
    """Return the nodes that compute the kernels of the four phases: trained ones, shifted within zeros.

    Args:
        name: Name of the convolution's output.
        kernel: Name of the trained kernels, of shape (D, C, K, K).
        shape: The shape of the trained kernels.
        model: The model that constants are added to.

    Returns:
        Nodes for `NAME.kernel` of shape (4D, C, K + 1, K + 1); phase 2a + b is a pixel lower where a is 1
        and a pixel further right where b is.
    """
    (depth, channels), size = shape[:2], shape[2] + 1
    places = np.concatenate([np.eye(size, size - 1, -phase, np.float32) for phase in (0, 1)])
    rows, columns = f"{name}.rows", f"{name}.columns"
    model.graph.initializer.append(numpy_helper.from_array(places, rows))
    model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(places.T), columns))
    split = _constant(model, f"{name}.split", [depth, channels, 2, size, 2, size])
    joined = _constant(model, f"{name}.joined", [4 * depth, channels, size, size])
    return [
        helper.make_node("MatMul", [rows, kernel], [f"{name}.by_row"]),
        helper.make_node("MatMul", [f"{name}.by_row", columns], [f"{name}.by_both"]),
        helper.make_node("Reshape", [f"{name}.by_both", split], [f"{name}.apart"]),
        helper.make_node("Transpose", [f"{name}.apart"], [f"{name}.in_order"], perm=[2, 4, 0, 1, 3, 5]),
        helper.make_node("Reshape", [f"{name}.in_order", joined], [f"{name}.kernel"]),
    ]


def _constant(model: onnx.ModelProto, name: str, values: Sequence[int]) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    return name
