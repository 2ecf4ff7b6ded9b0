"""An exported style gives the weights that it was made of, from which another training starts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import pytest
import torch

from export.graph.build import store_weights_as_float16
from export.style_file import ExportedStyle
from tests.export.conftest import SMALL, SMALL_WIDE
from tests.train.network.style_weights import assert_weights
from train.network.shape import NetworkShape
from train.network.trained_weights import read_trained_weights


@pytest.fixture(params=[("exported", SMALL), ("wide", SMALL_WIDE)], ids=["full", "wide"])
def style(request: pytest.FixtureRequest) -> tuple[ExportedStyle, NetworkShape]:
    name, shape = request.param
    return request.getfixturevalue(name), shape


def test_in_float32_they_are_the_same(style: tuple[ExportedStyle, NetworkShape]) -> None:
    exported, shape = style
    weights = read_trained_weights(str(exported.path))
    assert_weights(weights, exported.checkpoint.network(), shape)
    digest = hashlib.sha256(exported.path.read_bytes()).hexdigest()
    assert (weights.name, weights.sha256) == (exported.path.name, digest)


def test_in_half_they_are_the_same_in_its_precision(
    style: tuple[ExportedStyle, NetworkShape], tmp_path: Path
) -> None:
    exported, shape = style
    model = onnx.load(exported.path)
    store_weights_as_float16(model)
    onnx.save(model, tmp_path / "half.onnx")
    weights = read_trained_weights(str(tmp_path / "half.onnx"))
    network = exported.checkpoint.network()
    assert_weights(weights, network, shape, rtol=2**-11, atol=2**-24)
    kernel = "to_rgb.weight"
    assert not torch.equal(weights.state[kernel], network.state_dict()[kernel])  # float16 it was
