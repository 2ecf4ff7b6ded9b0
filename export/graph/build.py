"""The ONNX model of a network: traced by PyTorch, then cleaned."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import fastnst
from export.graph.deployable_network import DeployableNetwork
from fastnst.errors import FastnstError
from train.network.build import StyleNetwork

INPUT = "image"
OUTPUT = "stylized"
DIMENSIONS = ("batch", "height", "width", 3)


@dataclass(frozen=True)
class Value:
    """An input or output of a model.

    Attributes:
        name: Its name.
        dtype: Its type, a number of `onnx.TensorProto`.
        dimensions: Its dimensions; those with a name are dynamic.
    """

    name: str
    dtype: int
    dimensions: tuple[int | str, ...]


@dataclass(frozen=True)
class Interface:
    """The inputs and the outputs that a model promises, in their order."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


STYLE = Interface(
    (Value(INPUT, TensorProto.UINT8, DIMENSIONS),), (Value(OUTPUT, TensorProto.UINT8, DIMENSIONS),)
)
"""Those of a style file."""

# ONNX Runtime 1.20 reads opset 21, but its WebGPU kernels for browsers do not: each kernel names the version
# of its operator, and Pad and Transpose, which opset 21 renewed, are registered up to 19 and 13
# (docs/webgpu-operators.md of onnxruntime-web 1.20). Conv and InstanceNormalization of opset 22 do not run
# there either. A node without a kernel would move data to the CPU and back at every layer.
OPSET = 20
# The version of the file format that came with opset 20. ONNX Runtime 1.20 reads up to 10.
IR_VERSION = 9

# The sizes to trace with: the tracer would take 0 and 1 for constants, and equal sizes for one.
EXAMPLE_SHAPE = (2, 37, 53, 3)


def build_model(network: StyleNetwork, *, progress: Callable[[str], None] | None = None) -> onnx.ModelProto:
    """Return the ONNX model of a network, with float32 weights and without metadata.

    The same network always gives the same model.

    Args:
        network: The network, on the CPU in evaluation mode.
        progress: Called with a line before each step that takes seconds.

    Returns:
        A model with the input `image` and the output `stylized`, both uint8 (batch, height, width, 3) with
        the first three dynamic.
    """
    dynamic = torch.export.Dim.DYNAMIC
    return translate(
        DeployableNetwork(network),
        (torch.zeros(EXAMPLE_SHAPE, dtype=torch.uint8),),
        {"image": {0: dynamic, 1: dynamic, 2: dynamic}},
        STYLE,
        progress=progress,
    )


def translate(
    module: nn.Module,
    example: tuple[Any, ...],
    dynamic: dict[str, Any],
    interface: Interface,
    *,
    progress: Callable[[str], None] | None = None,
) -> onnx.ModelProto:
    """Return the ONNX model of a module, with float32 weights and without metadata.

    Args:
        module: What to translate, on the CPU.
        example: Arguments to trace it with.
        dynamic: The dynamic dimensions of its arguments, as `torch.export.export` takes them.
        interface: The inputs, the tensors in the arguments, and the outputs, in their order.
        progress: Called with a line before each step that takes seconds.
    """
    say = progress or _ignore
    with _quiet_exporter():
        say("tracing the network")
        program = torch.export.export(module.eval(), example, dynamic_shapes=dynamic, strict=False)
        say(f"translating it to ONNX (opset {OPSET})")
        translated = torch.onnx.export(
            program,
            input_names=[value.name for value in interface.inputs],
            output_names=[value.name for value in interface.outputs],
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert translated is not None
    model = translated.model_proto
    _clean(model, interface)
    return model


def store_weights_as_float16(model: onnx.ModelProto) -> None:
    """Halve the size of a model, in place: kernels are stored as float16, and used as float32.

    A Cast follows each kernel. ONNX Runtime folds it when it loads the model: float16 costs nothing later,
    and the arithmetic keeps float32's accuracy on every processor. The norms' scales and shifts, the biases
    and the first kernel stay float32. They are one percent of the file, and rounding the first kernel, whose
    error passes through all layers, would add a quarter or more to the error.

    Args:
        model: A model with float32 kernels as initializers.

    Raises:
        FastnstError: If a weight is too large for float16.
    """
    graph = model.graph
    first = next(node.input[1] for node in graph.node if node.op_type == "Conv")
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) != 4 or tensor.name == first:
            continue
        name = tensor.name
        weights = numpy_helper.to_array(tensor)
        if np.abs(weights).max(initial=0) > np.finfo(np.float16).max:
            raise FastnstError(f"the weights {name} are too large for float16: export without --half")
        stored = f"{name}.float16"
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), stored))
        casts.append(
            helper.make_node("Cast", [stored], [name], name=f"{name}.to_float32", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    graph.ClearField("node")
    graph.node.extend(nodes)


def _clean(model: onnx.ModelProto, interface: Interface) -> None:
    """Name the dynamic dimensions, and drop PyTorch's notes, which name files of this machine."""
    graph = model.graph
    for message in (model, graph, *graph.node, *graph.initializer):
        message.ClearField("doc_string")
        message.ClearField("metadata_props")
    # Shapes of inner values, as formulas of height and width. Runtimes infer them.
    graph.ClearField("value_info")
    graph.ClearField("input")
    graph.ClearField("output")
    # The traced shape of an output is a formula too, though a style's is always the input's.
    for place, values in ((graph.input, interface.inputs), (graph.output, interface.outputs)):
        place.extend(
            helper.make_tensor_value_info(value.name, value.dtype, value.dimensions) for value in values
        )
    graph.name = "fastnst"
    model.producer_name = "fastnst"
    model.producer_version = fastnst.__version__
    model.ir_version = IR_VERSION


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Hide the exporter's messages to its own developers.

    They are deprecations inside PyTorch and ONNX Script, and notes about packages that this network does not
    use. Errors in the result are not left to warnings: the file is run and compared.
    """
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category in (DeprecationWarning, FutureWarning):
                warnings.filterwarnings("ignore", category=category)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _ignore(_: str) -> None:
    pass
