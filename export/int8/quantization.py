"""A style network whose convolutions multiply 8-bit integers: smaller, and if wide 1.8 times as fast on CPUs.

It is static quantization (Jacob et al. 2018, arXiv:1712.05877), written into the graph as QuantizeLinear and
DequantizeLinear, as ONNX Runtime's own tool does; ONNX Runtime fuses them with the convolutions between.
Comments say where this differs from that tool, for the sake of this network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from export.graph.attribute import attribute
from export.int8.calibration import Range, Ranges

# Weights of 7 bits: processors without VNNI add two products of a uint8 and an int8 in 16 bits, and clip the
# sum (VPMADDUBSW). 2 * 255 * 63 fits. On other processors the eighth bit would gain 0.5 to 2 dB.
_LARGEST_WEIGHT = 63

# Other photos may exceed the ranges of the calibration photos, and would be clipped.
_MARGIN = 1.25

# The middle of a byte: the zero point of a convolution's result, before each channel's own is applied.
_MIDDLE = 128

_BORDERS = (b"reflect", b"edge")


@dataclass(frozen=True)
class _Convolution:
    """A convolution to quantise.

    Attributes:
        node: The convolution.
        source: The value that it reads, before padding.
        pads: The nodes that pad that value, in order.
    """

    node: onnx.NodeProto
    source: str
    pads: Sequence[onnx.NodeProto]


def quantize(model: onnx.ModelProto, measure: Callable[[Iterable[str]], Ranges]) -> None:
    """Store, in place, the kernels of convolutions that keep or reduce the size as int8, except two.

    The first keeps float32: it reads the photo, before any norm. In a dark or hazy photo its results vary so
    little that the following norm would amplify the 8 bits to visible noise (31 dB instead of 41). The last
    keeps float32 since it makes the colours themselves. Both together take 5% of the time. Convolutions that
    enlarge keep float32 too: ONNX Runtime has no transposed integer convolution on CPUs. With a plain one,
    which multiplies 1.8 times as often and interleaves its results, a picture took 0.95 to 1.02 times as long
    and was 0.4 to 2 dB farther from the float network's. Those that smooth each channel separately would
    gain nothing.

    Args:
        model: A style network as fastnst exports it, with float32 or float16 weights.
        measure: Takes names of values in the graph and returns their ranges (`export.int8.calibration`).

    Raises:
        ValueError: If the model has fewer than three convolutions.
    """
    graph = model.graph
    convolutions = _inner_convolutions(graph)
    kernels = _evaluate(
        model, {name for convolution in convolutions for name in convolution.node.input[1:] if name}
    )
    outputs = [convolution.node.output[0] for convolution in convolutions]
    ranges = measure(dict.fromkeys([*(convolution.source for convolution in convolutions), *outputs]))
    writer = _Writer(graph)
    replacements = {
        convolution.node.output[0]: writer.quantized(convolution, ranges, kernels)
        for convolution in convolutions
    }
    nodes = [part for node in graph.node for part in replacements.get(node.output[0], [node])]
    _keep_what_is_used(graph, nodes, writer.constants)


class _Writer:
    """Writes the nodes of quantised convolutions, and collects their constants."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.constants: list[onnx.TensorProto] = []
        self._makers = {name: node for node in graph.node for name in node.output}
        self._users: dict[str, list[str]] = {}
        for node in graph.node:
            for name in node.input:
                self._users.setdefault(name, []).append(node.op_type)
        self._activations: dict[str, tuple[np.float32, list[str]]] = {}
        self._kernels: set[str] = set()
        self._constant("int8.one", np.float32(1))
        self._constant("int8.middle", np.uint8(_MIDDLE))

    def quantized(
        self, convolution: _Convolution, ranges: Ranges, constants: Mapping[str, NDArray[Any]]
    ) -> list[onnx.NodeProto]:
        """Return the nodes that replace a convolution: they pad bytes, convolve them and make floats."""
        node, nodes = convolution.node, list[onnx.NodeProto]()
        kernel, y = node.input[1], node.output[0]
        if convolution.source not in self._activations:
            nodes.append(self._quantize_activations(convolution.source, ranges[convolution.source]))
        x_scale, (x, *x_parameters) = self._activations[convolution.source]
        for pad in convolution.pads:
            padded = onnx.NodeProto()
            padded.CopyFrom(pad)
            padded.input[0], padded.output[0], padded.name = (
                x,
                f"{pad.output[0]}.uint8",
                f"Pad:{pad.output[0]}",
            )
            x = padded.output[0]
            nodes.append(padded)

        weights = constants[kernel].astype(np.float64)
        # Steps are the convolution's own, also where two have one kernel, as in frozen styles.
        kernel = f"{y}.kernel" if kernel in self._kernels else kernel
        self._kernels.add(kernel)
        largest = np.abs(weights).max((1, 2, 3))
        step = np.where(largest > 0, largest, 1) / _LARGEST_WEIGHT
        y_scale, y_zero = _affine(_widened(ranges[y]))
        # The convolution computes in steps of its own result, one for each channel: every channel's
        # bytes then use their whole range, though ONNX's QLinearConv allows only one step for all.
        w_scale = (step / y_scale).astype(np.float32)
        b_scale = x_scale * w_scale
        bias = constants[node.input[2]] / y_scale if len(node.input) > 2 else 0
        integers = np.rint((bias + y_zero.astype(np.float64) - _MIDDLE) / b_scale)
        limits = np.iinfo(np.int32)
        rounded = np.rint(weights / step.reshape(-1, 1, 1, 1)).astype(np.int8)
        w = [self._constant(f"{kernel}.int8", rounded), self._constant(f"{kernel}.scale", w_scale)]
        w.append(self._constant(f"{kernel}.zero", np.zeros(len(step), np.int8)))
        b = [self._constant(f"{y}.bias", integers.clip(limits.min, limits.max).astype(np.int32))]
        b.append(self._constant(f"{y}.bias_scale", b_scale))
        b.append(self._constant(f"{y}.bias_zero", np.zeros(len(step), np.int32)))
        own = [self._constant(f"{y}.scale", y_scale), self._constant(f"{y}.zero", y_zero)]

        dequantized = onnx.NodeProto()
        dequantized.CopyFrom(node)
        dequantized.name = f"Conv:{y}"
        dequantized.input[:] = [f"{y}.x", f"{kernel}.float", f"{y}.bias_float"]
        dequantized.output[0] = f"{y}.steps"
        return [
            *nodes,
            _node("DequantizeLinear", [x, *x_parameters], f"{y}.x"),
            _node("DequantizeLinear", w, f"{kernel}.float", axis=0),
            _node("DequantizeLinear", b, f"{y}.bias_float", axis=0),
            dequantized,
            _node("QuantizeLinear", [f"{y}.steps", "int8.one", "int8.middle"], f"{y}.uint8"),
            _node("DequantizeLinear", [f"{y}.uint8", *own], y, axis=1),
        ]

    def _quantize_activations(self, source: str, extremes: Range) -> onnx.NodeProto:
        low, high = extremes
        # What a convolution gives has bytes of that name already, with a step for each channel.
        name = f"{source}.read" if self._makers[source].op_type == "Conv" else source
        scale, zero = _affine(Range(low.min(keepdims=True), high.max(keepdims=True)))
        parameters = [
            self._constant(f"{name}.scale", scale[0]),
            self._constant(f"{name}.zero", zero[0]),
        ]
        bytes_ = f"{name}.uint8"
        self._activations[source] = scale[0], [bytes_, *parameters]
        maker = self._makers[source]
        # Bytes without negative values clip what is below 0 already.
        needless = maker.op_type == "Relu" and {"Pad", "Conv"}.issuperset(self._users[source])
        return _node("QuantizeLinear", [maker.input[0] if needless else source, *parameters], bytes_)

    def _constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name))
        return name


def _inner_convolutions(graph: onnx.GraphProto) -> list[_Convolution]:
    makers = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv" and _mixes_channels(node)]
    if len(convolutions) < 3:
        raise ValueError(f"a style network has more than {len(convolutions)} convolutions")
    found = []
    for node in convolutions[1:-1]:
        source, pads = node.input[0], list[onnx.NodeProto]()
        while source in makers and _repeats_pixels(makers[source]):
            pads.insert(0, makers[source])
            source = makers[source].input[0]
        found.append(_Convolution(node, source, pads))
    return found


def _mixes_channels(convolution: onnx.NodeProto) -> bool:
    return (attribute(convolution, "group") or 1) == 1


def _repeats_pixels(node: onnx.NodeProto) -> bool:
    """Return whether a node pads with existing pixels; as bytes they take a quarter of the memory traffic."""
    return node.op_type == "Pad" and attribute(node, "mode") in _BORDERS


def _evaluate(model: onnx.ModelProto, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Compute values that depend on constants only, such as kernels stored as float16."""
    wanted = sorted(names)
    needed, nodes = set(wanted), list[onnx.NodeProto]()
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            nodes.insert(0, node)
            needed.update(node.input)
    constants = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    outputs = [helper.make_empty_tensor_value_info(name) for name in wanted]
    graph = helper.make_graph(nodes, "constants", [], outputs, constants)
    part = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return dict(zip(wanted, ReferenceEvaluator(part).run(None, {}), strict=True))


def _affine(extremes: Range) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the steps and zero points with which bytes cover ranges; 0 is always exact."""
    low = np.minimum(extremes.low.astype(np.float64), 0)
    high = np.maximum(extremes.high.astype(np.float64), 0)
    scale = np.where(high > low, (high - low) / 255, 1)
    # Rounded to 8 bits: on processors that sum in another order the last of 24 bits differs, and the file
    # must not.
    mantissa, exponent = np.frexp(scale)
    scale = np.ldexp(np.ceil(mantissa * 256) / 256, exponent)
    return scale.astype(np.float32), np.rint(-low / scale).clip(0, 255).astype(np.uint8)


def _widened(extremes: Range) -> Range:
    return Range(extremes.low * np.float32(_MARGIN), extremes.high * np.float32(_MARGIN))


def _node(op_type: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs, [output], name=f"{op_type}:{output}", **attributes)


def _keep_what_is_used(
    graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], constants: Sequence[onnx.TensorProto]
) -> None:
    needed, kept = {value.name for value in graph.output}, list[onnx.NodeProto]()
    for node in reversed(nodes):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
            # Old files have nodes without names.
            node.name = node.name or f"{node.op_type}:{node.output[0]}"
    tensors = [tensor for tensor in [*graph.initializer, *constants] if tensor.name in needed]
    graph.ClearField("node")
    graph.node.extend(kept[::-1])
    graph.ClearField("initializer")
    graph.initializer.extend(tensors)
