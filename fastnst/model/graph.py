"""An ONNX model's graph, read and changed without the package `onnx`.

Only changed parts are decoded; everything else, above all the weights, stays as bytes. Field numbers come
from onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnst.errors import FastnstError
from fastnst.model.protobuf import (
    LENGTH_DELIMITED,
    bytes_field,
    encode_field,
    float_field,
    read_fields,
    read_packed,
    signed,
    text_field,
    varint_field,
)

_MODEL_GRAPH, _MODEL_OPSET, _MODEL_METADATA = 7, 8, 14
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OP_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 3, 4, 5, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_F, _ATTRIBUTE_I, _ATTRIBUTE_T = 1, 2, 3, 5
_ATTRIBUTE_INTS, _ATTRIBUTE_TYPE = 8, 20
_TYPE_FLOAT, _TYPE_INT, _TYPE_INTS = 1, 2, 7
_TENSOR_DIMS, _TENSOR_DATA_TYPE, _TENSOR_NAME, _TENSOR_RAW_DATA = 1, 2, 8, 9
_VALUE_NAME = 1
_ENTRY_KEY, _ENTRY_VALUE = 1, 2

_ELEMENT_TYPES = {"float32": 1, "uint8": 2, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11}
_FLOAT_TYPES = ("float32", "float16", "float64")
# What ONNX Runtime calls them.
_RUNTIME_TYPES = {
    "tensor(float)": "float32",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
}

Attribute: TypeAlias = "float | int | Sequence[int]"
# A field as it stands in the file: its number, wire type and payload.
_Field: TypeAlias = "tuple[int, int, bytes | int]"


@dataclass
class Node:
    """One operation of a graph.

    Attributes:
        op_type: The operator, such as `Conv`.
        inputs: Names of its inputs; empty for an omitted one.
        outputs: Names of its outputs.
        attributes: Its attributes that are numbers or lists of integers.
        domain: The operator's domain; empty for ONNX's own.
    """

    op_type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Attribute] = field(default_factory=dict)
    domain: str = ""
    _source: bytes | None = None

    def encode(self) -> bytes:
        """Return the node as bytes: the original ones, if it was read from a file."""
        if self._source is not None:
            return self._source
        parts = [text_field(_NODE_INPUT, name) for name in self.inputs]
        parts += [text_field(_NODE_OUTPUT, name) for name in self.outputs]
        parts += [text_field(_NODE_NAME, f"{self.op_type}:{self.outputs[0]}")]
        parts += [text_field(_NODE_OP_TYPE, self.op_type)]
        for name, value in self.attributes.items():
            parts.append(bytes_field(_NODE_ATTRIBUTE, _encode_attribute(name, value)))
        return b"".join(parts)


def cast(value: str, result: str, dtype: str) -> Node:
    """Return the node that turns a value into another type."""
    return Node("Cast", [value], [result], {"to": _ELEMENT_TYPES[dtype]})


class OnnxGraph:
    """The graph of an ONNX model; its nodes, initializers and outputs may be replaced.

    Args:
        data: The model file's bytes.

    Attributes:
        nodes: The operations in the file's order, which is a valid order of execution. Replace whole nodes;
            changes to a node that was read are not written.
        outputs: Names of the graph's outputs.
        opset: The version of ONNX's own operators.

    Raises:
        FastnstError: If the bytes are no ONNX model.
    """

    nodes: list[Node]
    outputs: list[str]
    opset: int

    def __init__(self, data: bytes) -> None:
        try:
            self._model = list(read_fields(data))
            graphs = [value for number, _, value in self._model if number == _MODEL_GRAPH]
            if len(graphs) != 1 or not isinstance(graphs[0], bytes):
                raise ValueError
            self._graph = list(read_fields(graphs[0]))
            self.nodes = [_decode_node(value) for value in self._payloads(_GRAPH_NODE)]
            self._initializers = list(self._payloads(_GRAPH_INITIALIZER))
            self._inputs = list(self._payloads(_GRAPH_INPUT))
            self._outputs = {_name(value, _VALUE_NAME): value for value in self._payloads(_GRAPH_OUTPUT)}
            self.outputs = list(self._outputs)
            self.opset = _opset(self._model)
        except (ValueError, struct.error):
            raise FastnstError("the model is no ONNX model, or one that was cut short") from None

    @property
    def initializers(self) -> set[str]:
        """Names of the graph's constants."""
        return {_name(tensor, _TENSOR_NAME) for tensor in self._initializers}

    def float_type(self, name: str) -> str:
        """Return the type of a float constant; float32, the usual one, if it is unknown."""
        number: int | bytes = 0
        for tensor in self._initializers:
            if _name(tensor, _TENSOR_NAME) == name:
                number = _first(tensor, _TENSOR_DATA_TYPE)
        for node in self.nodes:
            if name in node.outputs:
                to = node.attributes.get("to")
                if node.op_type == "Cast" and isinstance(to, int):
                    number = to
                elif node.op_type == "Constant" and node._source is not None:
                    value = _first(node._source, _NODE_ATTRIBUTE)
                    value = _first(value, _ATTRIBUTE_T) if isinstance(value, bytes) else 0
                    number = _first(value, _TENSOR_DATA_TYPE) if isinstance(value, bytes) else 0
                elif node.inputs:
                    return self.float_type(node.inputs[0])
        return next((kind for kind in _FLOAT_TYPES if _ELEMENT_TYPES[kind] == number), "float32")

    def add_initializer(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        shape = b"".join(varint_field(_TENSOR_DIMS, size) for size in value.shape)
        self._initializers.append(
            shape
            + varint_field(_TENSOR_DATA_TYPE, _ELEMENT_TYPES[value.dtype.name])
            + text_field(_TENSOR_NAME, name)
            + bytes_field(_TENSOR_RAW_DATA, np.ascontiguousarray(value).tobytes())
        )
        return name

    def add_input(self, name: str, dtype: str) -> str:
        """Add an input of any shape and return its name."""
        self._inputs.append(_value_info(name, dtype))
        return name

    def fix_inputs(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Make inputs constants.

        Args:
            values: Their values, by their names.
        """
        self._inputs = [value for value in self._inputs if _name(value, _VALUE_NAME) not in values]
        for name, value in values.items():
            self.add_initializer(name, value)

    def set_metadata(self, metadata: Mapping[str, str]) -> None:
        """Replace the model's `metadata_props`."""
        self._model = [each for each in self._model if each[0] != _MODEL_METADATA]
        for key, value in metadata.items():
            entry = text_field(_ENTRY_KEY, key) + text_field(_ENTRY_VALUE, value)
            self._model.append((_MODEL_METADATA, LENGTH_DELIMITED, entry))

    def add_output(self, name: str) -> str:
        """Make a value, whose type is inferred, an output too and return its name."""
        self._outputs[name] = text_field(_VALUE_NAME, name)
        self.outputs.append(name)
        return name

    def cut(self, inputs: Mapping[str, str], outputs: Sequence[str]) -> None:
        """Keep only the nodes that compute some values from others.

        Args:
            inputs: The given values with their types as ONNX Runtime names them, such as `tensor(float)`.
                The graph's own inputs stay if they are needed.
            outputs: The values to compute.
        """
        needed, kept = set(outputs), []
        for node in reversed(self.nodes):
            if any(name in needed and name not in inputs for name in node.outputs):
                kept.append(node)
                needed.update(node.inputs)
        self.nodes = kept[::-1]
        self._inputs = [value for value in self._inputs if _name(value, _VALUE_NAME) in needed]
        self._inputs += [
            _value_info(name, _RUNTIME_TYPES[kind]) for name, kind in inputs.items() if name in needed
        ]
        # Types of outputs are inferred.
        self._outputs = {name: text_field(_VALUE_NAME, name) for name in outputs}
        self.outputs = list(outputs)
        self._initializers = [value for value in self._initializers if _name(value, _TENSOR_NAME) in needed]

    def encode(self) -> bytes:
        """Return the changed model as bytes."""
        kept = {_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT}
        graph = b"".join(
            [
                *(bytes_field(_GRAPH_NODE, node.encode()) for node in self.nodes),
                *(encode_field(*each) for each in self._graph if each[0] not in kept),
                *(bytes_field(_GRAPH_INITIALIZER, tensor) for tensor in self._initializers),
                *(bytes_field(_GRAPH_INPUT, value) for value in self._inputs),
                *(bytes_field(_GRAPH_OUTPUT, self._outputs[name]) for name in self.outputs),
            ]
        )
        rest = b"".join(encode_field(*each) for each in self._model if each[0] != _MODEL_GRAPH)
        return rest + bytes_field(_MODEL_GRAPH, graph)

    def _payloads(self, number: int) -> Iterator[bytes]:
        for found, _, value in self._graph:
            if found == number:
                if not isinstance(value, bytes):
                    raise ValueError
                yield value


def _opset(model: Iterable[_Field]) -> int:
    for number, _, value in model:
        if number == _MODEL_OPSET and isinstance(value, bytes):
            fields = {each: content for each, _, content in read_fields(value)}
            if fields.get(1, b"") in (b"", b"ai.onnx"):
                version = fields.get(2, 1)
                return version if isinstance(version, int) else 1
    return 1


def _decode_node(data: bytes) -> Node:
    node = Node("", [], [], _source=data)
    for number, _, value in read_fields(data):
        if not isinstance(value, bytes):
            continue
        if number == _NODE_INPUT:
            node.inputs.append(value.decode())
        elif number == _NODE_OUTPUT:
            node.outputs.append(value.decode())
        elif number == _NODE_OP_TYPE:
            node.op_type = value.decode()
        elif number == _NODE_DOMAIN:
            node.domain = value.decode()
        elif number == _NODE_ATTRIBUTE:
            name, content = _decode_attribute(value)
            if content is not None:
                node.attributes[name] = content
    return node


def _decode_attribute(data: bytes) -> tuple[str, Attribute | None]:
    name, content, integers = "", None, []
    for number, _, value in read_fields(data):
        if number == _ATTRIBUTE_NAME and isinstance(value, bytes):
            name = value.decode()
        elif number == _ATTRIBUTE_F and isinstance(value, bytes):
            (content,) = struct.unpack("<f", value)
        elif number == _ATTRIBUTE_I and isinstance(value, int):
            content = signed(value)
        elif number == _ATTRIBUTE_INTS:
            integers += [value] if isinstance(value, int) else read_packed(value)
    return name, tuple(signed(value) for value in integers) if integers else content


def _encode_attribute(name: str, value: Attribute) -> bytes:
    parts = [text_field(_ATTRIBUTE_NAME, name)]
    if isinstance(value, float):
        parts.append(float_field(_ATTRIBUTE_F, value))
        kind = _TYPE_FLOAT
    elif isinstance(value, int):
        parts.append(varint_field(_ATTRIBUTE_I, value))
        kind = _TYPE_INT
    else:
        parts += [varint_field(_ATTRIBUTE_INTS, item) for item in value]
        kind = _TYPE_INTS
    return b"".join([*parts, varint_field(_ATTRIBUTE_TYPE, kind)])


def _value_info(name: str, dtype: str) -> bytes:
    tensor = varint_field(1, _ELEMENT_TYPES[dtype])
    return text_field(_VALUE_NAME, name) + bytes_field(2, bytes_field(1, tensor))


def _first(data: bytes, number: int) -> bytes | int:
    """Return the first of a message's fields of that number; 0 where there is none."""
    return next((value for each, _, value in read_fields(data) if each == number), 0)


def _name(data: bytes, number: int) -> str:
    """Return the first of a message's fields of that number as text; empty where there is none."""
    name = _first(data, number)
    return name.decode() if isinstance(name, bytes) else ""
