"""A style whose result is known wherever it is laid: one colour everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from tests.fastnst.tiny_models import NHWC, save_model


def flat(path: Path, *colour: int) -> Path:
    """Paint every picture in one colour, whatever it shows."""
    return save_model(
        path,
        [
            helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["x", "zero"], ["black"]),
            helper.make_node("Add", ["black", "colour"], ["y"]),
            helper.make_node("Cast", ["y"], ["stylized"], to=TensorProto.UINT8),
        ],
        input_type=TensorProto.UINT8,
        input_shape=NHWC,
        constants={"zero": np.float32(0), "colour": np.array(colour, np.float32)},
    )
