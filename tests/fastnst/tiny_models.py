"""Writes ONNX models of a few nodes, whose results are known exactly, in every form that the runtime runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fastnst.model.values import ValueRange

CONTRACT = {
    "fastnst.format": "1",
    "fastnst.version": "0.1.0",
    "style.name": "Inversion",
    "style.sha256": "0123456789abcdef" * 4,
    "style.author": "A. Painter",
    "style.licence": "CC0-1.0",
    "network.width": "32",
    "training.images": "288",
    "training.init": "wave",
    "quality.content_lost": "0.3612",
    "quality.style_missed_3_scales": "0.03271",
    "quality.style_missed": "0.01812",
    "export.max_abs_error": "1",
}

NHWC = ("N", "H", "W", 3)
NCHW = ("N", 3, "H", "W")


def save_model(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    *,
    input_type: int,
    input_shape: Sequence[str | int | None],
    output_type: int | None = None,
    output_shape: Sequence[str | int | None] | None = None,
    constants: Mapping[str, np.ndarray] = {},
    metadata: Mapping[str, str] = {},
) -> Path:
    """Write a graph from `image` to `stylized`."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", input_type, input_shape)],
        [
            helper.make_tensor_value_info(
                "stylized", output_type or input_type, input_shape if output_shape is None else output_shape
            )
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def invert(path: Path, metadata: Mapping[str, str] = CONTRACT) -> Path:
    """255 - image, by the contract: uint8 NHWC of any size."""
    return save_model(
        path,
        [
            helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
            helper.make_node("Sub", ["white", "x"], ["y"]),
            helper.make_node("Cast", ["y"], ["stylized"], to=TensorProto.UINT8),
        ],
        input_type=TensorProto.UINT8,
        input_shape=NHWC,
        constants={"white": np.float32(255)},
        metadata=metadata,
    )


def invert_float(
    path: Path,
    *,
    white: float = 255,
    black: float = 0,
    dtype: int = TensorProto.FLOAT,
    shape: Sequence[str | int | None] = NCHW,
    output_shape: Sequence[str | int | None] | None = None,
    clip: bool = False,
    metadata: Mapping[str, str] = {},
) -> Path:
    """Swap black and white in a model of float values."""
    numpy_dtype = helper.tensor_dtype_to_np_dtype(dtype)
    nodes = [helper.make_node("Sub", ["total", "image"], ["y" if clip else "stylized"])]
    if clip:
        nodes.append(helper.make_node("Clip", ["y", "black", "white"], ["stylized"]))
    return save_model(
        path,
        nodes,
        input_type=dtype,
        input_shape=shape,
        output_shape=output_shape,
        constants={
            "total": np.asarray(white + black, numpy_dtype),
            "black": np.asarray(black, numpy_dtype),
            "white": np.asarray(white, numpy_dtype),
        },
        metadata=metadata,
    )


def normalized(
    path: Path,
    *,
    output_scale: float,
    output_offset: float,
    tanh: bool = False,
    dtype: int = TensorProto.FLOAT,
    constant_nodes: bool = False,
) -> Path:
    """A network with instance norm, to which the scale of its input is the same as any other."""
    numpy_dtype = helper.tensor_dtype_to_np_dtype(dtype)
    weights = {"ones": np.ones(3, numpy_dtype), "zeros": np.zeros(3, numpy_dtype)}
    nodes = [
        *(
            helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))
            for name, value in weights.items()
            if constant_nodes
        ),
        helper.make_node("InstanceNormalization", ["image", "ones", "zeros"], ["x"]),
        helper.make_node("Tanh" if tanh else "Sigmoid", ["x"], ["y"]),
        helper.make_node("Mul", ["y", "scale"], ["z"]),
        helper.make_node("Add", ["z", "offset"], ["stylized"]),
    ]
    return save_model(
        path,
        nodes,
        input_type=dtype,
        input_shape=NCHW,
        constants={
            **({} if constant_nodes else weights),
            "scale": np.asarray(output_scale, numpy_dtype),
            "offset": np.asarray(output_offset, numpy_dtype),
        },
    )


def coded(
    path: Path,
    given: ValueRange,
    found: ValueRange,
    *,
    input_bgr: bool = False,
    output_bgr: bool = False,
    flat: bool = False,
    metadata: Mapping[str, str] = {},
) -> Path:
    """Invert a picture that comes in one range of values and goes in another, clipped to black and white.

    With `flat`, give black instead.
    """

    def column(values: Sequence[float], bgr: bool) -> np.ndarray:
        return np.array(values[::-1] if bgr else values, np.float32).reshape(1, 3, 1, 1)

    spans = [np.subtract(each.white, each.black).tolist() for each in (given, found)]
    nodes = [
        helper.make_node("Sub", ["image", "black"], ["above_black"]),
        helper.make_node("Div", ["above_black", "span"], ["unclipped"]),
        helper.make_node("Clip", ["unclipped", "zero", "one"], ["clipped"]),
        helper.make_node("Gather", ["clipped", "order"], ["ordered"], axis=1),
        helper.make_node("Sub", ["one", "ordered"], ["inverted"]),
        helper.make_node("Mul", ["inverted", "result_span"], ["scaled"]),
        helper.make_node("Add", ["scaled", "result_black"], ["stylized"]),
    ]
    return save_model(
        path,
        nodes,
        input_type=TensorProto.FLOAT,
        input_shape=NCHW,
        constants={
            "black": column(given.black, input_bgr),
            "span": column(spans[0], input_bgr),
            "zero": np.float32(0),
            "one": np.float32(1),
            "order": np.array([2, 1, 0] if input_bgr != output_bgr else [0, 1, 2]),
            "result_span": column(spans[1], output_bgr) * (0 if flat else 1),
            "result_black": column(found.black, output_bgr),
        },
        metadata=metadata,
    )


def cropping(path: Path, *, by: int = 10, stride: int = 1, fixed: tuple[int, int] | None = None) -> Path:
    """Invert the middle of a picture, as convolutions without padding do: `by` rows and columns are lost.

    With a stride, the mean of each block of `stride` by `stride` pixels is given, and only whole blocks. With
    a negative `by`, grey rows and columns are added at each side.
    """
    kept = np.zeros((3, 1, by + 1, by + 1), np.float32) if by > 0 else np.ones((3, 1, 1, 1), np.float32)
    kept[:, :, by // 2 if by > 0 else 0, by // 2 if by > 0 else 0] = -1
    pads = [-by // 2] * 2 + [by // -2] * 2 if by < 0 else [0] * 4
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "white"], ["middle"], group=3, pads=pads),
        helper.make_node(
            "AveragePool", ["middle"], ["small"], kernel_shape=[stride] * 2, strides=[stride] * 2
        ),
        helper.make_node("Resize", ["small", "", "scales"], ["stylized"], mode="nearest"),
    ]
    rows, columns = fixed or (None, None)
    less = [None if size is None else size - by for size in (rows, columns)]
    return save_model(
        path,
        nodes,
        input_type=TensorProto.FLOAT,
        input_shape=("N", 3, rows or "H", columns or "W"),
        output_shape=("N", 3, less[0] or "H2", less[1] or "W2"),
        constants={
            "kernel": kept,
            "white": np.full(3, 255, np.float32),
            "scales": np.array([1, 1, stride, stride], np.float32),
        },
    )


def strided(path: Path, *, smallest: int = 1) -> Path:
    """Halve twice by means over 2x2, rounding up, and double twice: sizes become multiples of 4.

    Every 4x4 block of the result is the block's mean, so what is cropped where can be told. With `smallest`,
    a reflection pad of one less is added and cropped, which fails on smaller images as real networks do.
    """
    pad, nodes, last = smallest - 1, [], "image"
    if pad:
        nodes += [
            helper.make_node("Pad", ["image", "pads"], ["padded"], mode="reflect"),
            helper.make_node("Slice", ["padded", "starts", "ends", "axes"], ["cropped"]),
        ]
        last = "cropped"
    for i in range(2):
        nodes.append(
            helper.make_node(
                "AveragePool", [last], [f"half{i}"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1
            )
        )
        last = f"half{i}"
    nodes.append(helper.make_node("Resize", [last, "", "scales"], ["stylized"], mode="nearest"))
    return save_model(
        path,
        nodes,
        input_type=TensorProto.FLOAT,
        input_shape=NCHW,
        output_shape=("N", 3, "H2", "W2"),
        constants={
            "scales": np.array([1, 1, 4, 4], np.float32),
            "pads": np.array([0, 0, pad, pad, 0, 0, pad, pad], np.int64),
            "starts": np.array([pad, pad], np.int64),
            "ends": np.array([-pad or 2**31, -pad or 2**31], np.int64),
            "axes": np.array([2, 3], np.int64),
        },
    )


def doubling(path: Path, *, shape: Sequence[str | int | None] = NCHW) -> Path:
    """Give an image of twice the size."""
    return save_model(
        path,
        [helper.make_node("Resize", ["image", "", "scales"], ["stylized"], mode="nearest")],
        input_type=TensorProto.FLOAT,
        input_shape=shape,
        output_shape=("N", 3, "H2", "W2"),
        constants={"scales": np.array([1, 1, 2, 2], np.float32)},
    )


def not_a_number(path: Path) -> Path:
    """Give NaN wherever the image is white, and the image elsewhere."""
    return save_model(
        path,
        [
            helper.make_node("Less", ["image", "white"], ["is_less"]),
            helper.make_node("Where", ["is_less", "image", "nan"], ["stylized"]),
        ],
        input_type=TensorProto.FLOAT,
        input_shape=NCHW,
        constants={"white": np.float32(255), "nan": np.float32(np.nan)},
        metadata={"Image.NominalPixelRange": "NominalRange_0_255"},
    )


def classifier(path: Path) -> Path:
    """Take an image and give three numbers."""
    return save_model(
        path,
        [helper.make_node("ReduceMean", ["image"], ["stylized"], axes=[2, 3], keepdims=0)],
        input_type=TensorProto.FLOAT,
        input_shape=NCHW,
        output_shape=("N", 3),
    )


def no_image_input(path: Path) -> Path:
    """Take a vector."""
    return save_model(
        path,
        [helper.make_node("Relu", ["image"], ["stylized"])],
        input_type=TensorProto.FLOAT,
        input_shape=("N", 10),
    )


def two_inputs(path: Path) -> Path:
    """Take an image and a strength."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["image", "strength"], ["stylized"])],
        "tiny",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, NCHW),
            helper.make_tensor_value_info("strength", TensorProto.FLOAT, ()),
        ],
        [helper.make_tensor_value_info("stylized", TensorProto.FLOAT, NCHW)],
    )
    path.write_bytes(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
        ).SerializeToString()
    )
    return path


def external_weights(path: Path) -> Path:
    """Keep its weights in another file, which is then lost."""
    model = onnx.load(invert_float(path))
    weights = numpy_helper.from_array(np.full((3, 1, 1), 255, np.float32), "total")
    del model.graph.initializer[:]
    model.graph.initializer.append(weights)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    (path.parent / "weights.bin").unlink()
    return path


def smear(path: Path) -> Path:
    """Give each pixel the mean of its column from 100 pixels above it to 100 below."""
    node = helper.make_node(
        "AveragePool", ["image"], ["stylized"], kernel_shape=[201, 1], pads=[100, 0, 100, 0]
    )
    return save_model(path, [node], input_type=TensorProto.FLOAT, input_shape=NCHW)


def with_external_weights(path: Path) -> Path:
    """Move a model's constants into another file beside it."""
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def pairs(path: Path) -> Path:
    """255 - image, of two images at a time."""
    return save_model(
        path,
        [helper.make_node("Sub", ["white", "image"], ["stylized"])],
        input_type=TensorProto.FLOAT,
        input_shape=(2, 3, "H", "W"),
        constants={"white": np.float32(255)},
    )


def network(path: Path, *, seed: int = 0, normalization: str = "InstanceNormalization") -> Path:
    """A style network in small, by the contract: strides, a residual block, enlargement, four norms.

    It sees 12 pixels far. Its metadata say that it has no residual blocks, so that 32 pixels of margin are
    taken.
    """
    random = np.random.default_rng(seed)
    constants: dict[str, np.ndarray] = {
        "doubled": np.array([1, 1, 2, 2], np.float32),
        "begin": np.array([0, 0], np.int64),
        "rows_columns": np.array([2, 3], np.int64),
        "white": np.float32(255),
    }
    nodes = [
        helper.make_node("Shape", ["image"], ["size"], start=1, end=3),
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["planes", "white"], ["x"]),
    ]

    def conv(x: str, y: str, inputs: int, outputs: int, *, stride: int = 1, relu: bool = True) -> None:
        kernel = random.normal(0, 1 / np.sqrt(9 * inputs), (outputs, inputs, 3, 3))
        constants[f"{y}.kernel"] = kernel.astype(np.float32)
        constants[f"{y}.scale"] = random.uniform(0.5, 1.5, outputs).astype(np.float32)
        constants[f"{y}.bias"] = random.normal(0, 0.3, outputs).astype(np.float32)
        convolved, normed = f"{y}.conv", f"{y}.norm" if relu else y
        nodes.append(
            helper.make_node(
                "Conv",
                [x, f"{y}.kernel"],
                [convolved],
                strides=[stride] * 2,
                pads=[1] * 4,
                kernel_shape=[3, 3],
            )
        )
        if normalization == "InstanceNormalization":
            norm = helper.make_node(
                normalization, [convolved, f"{y}.scale", f"{y}.bias"], [normed], epsilon=1e-4
            )
        else:
            norm = helper.make_node(normalization, [convolved], [normed])
        nodes.append(norm)
        if relu:
            nodes.append(helper.make_node("Relu", [normed], [y]))

    conv("x", "a", 3, 8)
    conv("a", "b", 8, 12, stride=2)
    conv("b", "c", 12, 12, relu=False)
    nodes += [
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("Resize", ["d", "", "doubled"], ["e"], mode="nearest", nearest_mode="floor"),
    ]
    conv("e", "f", 12, 3, relu=False)
    nodes += [
        helper.make_node("Slice", ["f", "begin", "size", "rows_columns"], ["g"]),
        helper.make_node("Sigmoid", ["g"], ["h"]),
        helper.make_node("Mul", ["h", "white"], ["i"]),
        helper.make_node("Round", ["i"], ["j"]),
        helper.make_node("Transpose", ["j"], ["k"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["k"], ["stylized"], to=TensorProto.UINT8),
    ]
    return save_model(
        path,
        nodes,
        input_type=TensorProto.UINT8,
        input_shape=NHWC,
        constants=constants,
        metadata={**CONTRACT, "network.residual_blocks": "0"},
    )


def endless(path: Path, *, while_above: float = -1) -> Path:
    """By the contract, give the image, but never while one of its values is greater than a number."""
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["x"], ["greatest"], keepdims=0),
        helper.make_node("Greater", ["greatest", "least"], ["goes_on"]),
        helper.make_node("Loop", ["", "goes_on", "image"], ["stylized"], body=repeating(TensorProto.UINT8)),
    ]
    return save_model(
        path,
        nodes,
        input_type=TensorProto.UINT8,
        input_shape=NHWC,
        constants={"least": np.float32(while_above)},
        metadata=CONTRACT,
    )


def endless_float(path: Path) -> Path:
    """A model from elsewhere whose loop never ends."""
    node = helper.make_node("Loop", ["", "true", "image"], ["stylized"], body=repeating(TensorProto.FLOAT))
    return save_model(
        path, [node], input_type=TensorProto.FLOAT, input_shape=NCHW, constants={"true": np.array(True)}
    )


def slow_constant(path: Path, side: int) -> Path:
    """Multiply a picture by a constant that is the mean of the product of two large matrices."""
    nodes = [
        helper.make_node("ConstantOfShape", ["sides"], ["matrix"]),
        helper.make_node("MatMul", ["matrix", "matrix"], ["product"]),
        helper.make_node("ReduceMean", ["product"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["image", "mean"], ["stylized"]),
    ]
    return save_model(
        path,
        nodes,
        input_type=TensorProto.FLOAT,
        input_shape=NCHW,
        constants={"sides": np.array([side, side])},
    )


def one_long_step(path: Path, times: int) -> Path:
    """By the contract, give the image, after one operation on matrices of so many times its sides."""
    nodes = [
        helper.make_node("Shape", ["image"], ["sides"], start=1, end=3),
        helper.make_node("Mul", ["sides", "times"], ["large"]),
        helper.make_node("ConstantOfShape", ["large"], ["matrix"]),
        helper.make_node("MatMul", ["matrix", "matrix"], ["product"]),
        helper.make_node("ReduceMax", ["product"], ["zero"], keepdims=0),
        helper.make_node("Cast", ["zero"], ["nothing"], to=TensorProto.UINT8),
        helper.make_node("Add", ["image", "nothing"], ["stylized"]),
    ]
    return save_model(
        path,
        nodes,
        input_type=TensorProto.UINT8,
        input_shape=NHWC,
        constants={"times": np.array([times, times])},
        metadata=CONTRACT,
    )


def repeating(kind: int) -> onnx.GraphProto:
    """The body of a loop that keeps its value and its condition."""
    return helper.make_graph(
        [helper.make_node("Identity", ["before"], ["after"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("before", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", kind, None),
        ],
        [
            helper.make_tensor_value_info("after", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", kind, None),
        ],
    )
