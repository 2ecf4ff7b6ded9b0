"""Damaged and hostile models for the fuzzer: bytes, graphs and metadata, each made from a number."""

from __future__ import annotations

import functools
import json
import random
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from fastnst import FastnstError, FastnstWarning, Stylizer
from fastnst.cli import cli
from fastnst.model import keys
from fastnst.model.metadata import read_metadata
from fastnst.model.running import time_limit
from fastnst.model.values import CAFFE, UNIT
from fastnst.probe import model_probe
from tests.fastnst import tiny_models
from tests.fastnst.make_images import pixels

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
TRIAL_SECONDS = 0.5
"""The limit of a trial here: a hostile model should not take up the time of many others."""

# None in between: a scale of a thousand or a million only shows how much memory there is.
_NUMBERS = (-(2**63), -(2**31), -64, -3, -1, 0, 1, 2, 3, 4, 7, 64, 2**40, 2**62, 2**63 - 1)
_FLOATS = (0.0, -1.0, 0.5, 1e-30, 1e30, float("nan"), float("inf"), float("-inf"))
_OPERATORS = (
    "Abs", "AveragePool", "Cast", "Clip", "Concat", "Conv", "ConvTranspose", "DepthToSpace", "Div", "Einsum",
    "Expand", "Flatten", "Gather", "GlobalAveragePool", "Identity", "If", "InstanceNormalization", "Loop",
    "MatMul", "MaxPool", "NonZero", "Pad", "Reshape", "Resize", "Scan", "Shape", "Slice", "Softmax", "Split",
    "Squeeze", "Transpose", "Upsample", "Where", "NoSuchOperator",
)  # fmt: skip
_TEXTS = (
    "", " ", "\0", "\n", "a\nfastnst: error: faked", "\x1b[2J\x1b]0;title\x07", "\r\rback", "\u202eevil",
    "\u2028", "9" * 5000, "-1", "1e999", "nan", "NaN", "inf", "\u0663", "\u00b2", "1" * 19, "0x10", "true",
    "null", "[]", "{}", '{"a":', "[" * 2000, "%s%n{0}{x}", "../../etc/passwd", "\U0001f600" * 50, "Bgr8",
    "NominalRange_0_255", "x" * 20_000,
)  # fmt: skip
_KEYS = tuple(value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str))


@functools.cache
def model_seeds() -> tuple[bytes, ...]:
    """Return the bytes of tiny models, and of a bundled style if there is one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [
            tiny_models.invert(folder / "1.onnx"),
            tiny_models.invert_float(folder / "2.onnx"),
            tiny_models.invert_float(folder / "3.onnx", shape=(1, 3, 48, 64)),
            tiny_models.strided(folder / "4.onnx", smallest=3),
            tiny_models.doubling(folder / "5.onnx"),
            tiny_models.normalized(folder / "6.onnx", output_scale=255, output_offset=0),
            tiny_models.classifier(folder / "7.onnx"),
            tiny_models.external_weights(folder / "8.onnx"),
            *sorted(CHECKPOINTS.glob("wave.onnx")),
        ]
        return tuple(path.read_bytes() for path in paths)


@functools.cache
def graph_seeds() -> tuple[bytes, ...]:
    """Return the bytes of models with more operators, forms and sizes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [
            tiny_models.cropping(folder / "1.onnx", by=6, stride=4),
            tiny_models.cropping(folder / "2.onnx", by=8, fixed=(40, 56)),
            tiny_models.coded(folder / "3.onnx", CAFFE, UNIT, input_bgr=True),
            tiny_models.pairs(folder / "4.onnx"),
            tiny_models.network(folder / "5.onnx"),
            tiny_models.endless(folder / "6.onnx", while_above=100),
        ]
        return (*model_seeds()[:7], *(path.read_bytes() for path in paths))


def graph_case(number: int) -> bytes:
    """Return the model of a number: a whole file, of whose graph one to four things have been changed."""
    chance = random.Random(number)
    model = onnx.load_from_string(chance.choice(graph_seeds()))
    for _ in range(chance.choice((1, 1, 2, 4))):
        chance.choice(_CHANGES)(model.graph, chance)
    return model.SerializeToString()


def metadata_case(number: int) -> bytes:
    """Return the model of a number: whole, with hostile metadata."""
    chance = random.Random(number)
    model = onnx.load_from_string(chance.choice(model_seeds()[:6]))
    known = (*_KEYS, "Image.NominalPixelRange", "Image.BitmapPixelFormat")
    for _ in range(chance.randrange(1, 12)):
        key = chance.choice(known) if chance.random() < 0.7 else chance.choice(_TEXTS)
        value = chance.choice(_TEXTS) if chance.random() < 0.8 else chance.choice(_TEXTS) * 3
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()


def check_model(data: bytes) -> None:
    """Open a model, and run it if it could be opened."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(data)
        for act in (read_metadata, _stylize):
            try:
                act(path)
            except FastnstError as error:  # noqa: PERF203
                assert_one_line(error)


def check_metadata(data: bytes) -> None:
    """Show a model by `fastnst info`: each line is a known heading or a key, and no line is a command."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(data)
        result = CliRunner().invoke(cli, ["info", str(path), "--device", "cpu"])
        assert result.exit_code in (0, 2), result.exception
        assert all(line.isprintable() for line in result.output.splitlines()), result.output
        if result.exit_code == 0:
            found = read_metadata(path)
            rest = len(result.stdout.splitlines()) - len(found)
            assert rest in (6, 7), result.stdout
            told = CliRunner().invoke(cli, ["info", str(path), "--json", "--device", "cpu"])
            assert json.loads(told.stdout)["metadata"] == found
        else:
            assert len(result.output.splitlines()) == 1
    check_model(data)


def _stylize(path: Path) -> None:
    image = pixels(9, 11)
    seconds, model_probe._SECONDS = model_probe._SECONDS, TRIAL_SECONDS
    try:
        with warnings.catch_warnings(), time_limit(2 * TRIAL_SECONDS, "the model never ends"):
            warnings.simplefilter("ignore", FastnstWarning)
            painted = Stylizer(path, device="cpu", threads=1)(image)
    finally:
        model_probe._SECONDS = seconds
    assert painted.shape == image.shape
    assert painted.dtype == np.uint8


def assert_one_line(error: FastnstError) -> None:
    """Hold an error's message to the house's form."""
    message = str(error)
    assert message.strip()
    assert len(message.splitlines()) == 1, message
    assert message.isprintable(), message
    assert len(message) < 2000, message[:300]


def _change_operator(graph: onnx.GraphProto, chance: random.Random) -> None:
    if graph.node:
        chance.choice(graph.node).op_type = chance.choice(_OPERATORS)


def _change_attribute(graph: onnx.GraphProto, chance: random.Random) -> None:
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    if not attributes:
        return
    attribute = chance.choice(attributes)
    if attribute.ints:
        attribute.ints[chance.randrange(len(attribute.ints))] = chance.choice(_NUMBERS)
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = chance.choice(_FLOATS)
    elif attribute.type == onnx.AttributeProto.STRING:
        attribute.s = chance.choice(_TEXTS).encode()
    else:
        attribute.i = chance.choice(_NUMBERS)


def _change_shape(graph: onnx.GraphProto, chance: random.Random) -> None:
    value = chance.choice([*graph.input, *graph.output])
    sizes = value.type.tensor_type.shape.dim
    if sizes and chance.random() < 0.8:
        size = chance.choice(sizes)
        if chance.random() < 0.2:
            size.dim_param = chance.choice(_TEXTS)
        else:
            size.dim_value = chance.choice(_NUMBERS)
    elif chance.random() < 0.5:
        del sizes[chance.randrange(len(sizes) + 1) :]
    else:
        value.type.tensor_type.elem_type = chance.choice((0, 1, 2, 3, 7, 8, 9, 10, 11, 14, 16, 99))


def _change_constant(graph: onnx.GraphProto, chance: random.Random) -> None:
    if not graph.initializer:
        return
    tensor = chance.choice(graph.initializer)
    values = numpy_helper.to_array(tensor).copy()
    if values.size and chance.random() < 0.6:
        kind = _FLOATS if values.dtype.kind == "f" else (0, 1, -1, 2)
        values.reshape(-1)[chance.randrange(values.size)] = chance.choice(kind)
    elif chance.random() < 0.5:
        values = values.reshape(-1)[: chance.randrange(values.size + 1)]
    else:
        values = values.astype(chance.choice((np.float16, np.float64, np.int32, np.int64, np.bool_)))
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _change_wires(graph: onnx.GraphProto, chance: random.Random) -> None:
    names = [*(name for node in graph.node for name in (*node.input, *node.output)), "image", "", "nowhere"]
    nodes = [node for node in graph.node if node.input]
    if nodes:
        node = chance.choice(nodes)
        node.input[chance.randrange(len(node.input))] = chance.choice(names)


def _drop(graph: onnx.GraphProto, chance: random.Random) -> None:
    parts = chance.choice((graph.node, graph.initializer, graph.output))
    if parts:
        del parts[chance.randrange(len(parts))]


def _repeat(graph: onnx.GraphProto, chance: random.Random) -> None:
    if graph.node and graph.output:
        kind = chance.choice((TensorProto.FLOAT, TensorProto.UINT8))
        last = graph.node[-1]
        result, last.output[0] = last.output[0], f"{last.output[0]}.before"
        graph.initializer.append(numpy_helper.from_array(np.array(True), "always"))
        body = tiny_models.repeating(kind)
        graph.node.append(helper.make_node("Loop", ["", "always", last.output[0]], [result], body=body))


def _rename(graph: onnx.GraphProto, chance: random.Random) -> None:
    value = chance.choice([*graph.input, *graph.output])
    new = chance.choice(_TEXTS)
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == value.name:
                    names[place] = new
    value.name = new


_CHANGES: tuple[Callable[[onnx.GraphProto, random.Random], None], ...] = (
    _change_operator,
    _change_attribute,
    _change_attribute,
    _change_shape,
    _change_shape,
    _change_constant,
    _change_wires,
    _drop,
    _rename,
    _repeat,
)
