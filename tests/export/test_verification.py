"""Files that are not the network of their checkpoint, or not what the contract promises."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from export.verification import FLOAT16_TOLERANCE, FLOAT32_TOLERANCE, check_contract, example_photos, verify
from fastnst import FastnstError
from train.network.transformer_net import TransformerNet


def _perturb(model: onnx.ModelProto, name: str, by: float) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    changed = onnx.numpy_helper.to_array(tensor).copy()
    changed.flat[0] += by
    tensor.CopyFrom(onnx.numpy_helper.from_array(changed, name))


def test_a_sound_file_passes(model, network):
    verification = verify(model.SerializeToString(), network, FLOAT32_TOLERANCE)
    assert verification.max_abs_error <= 1
    assert verification.differing < 0.001


@pytest.mark.parametrize("tolerance", [FLOAT32_TOLERANCE, FLOAT16_TOLERANCE])
@pytest.mark.parametrize(
    ("weight", "by"),
    [
        ("network.downsampling.0.0.weight", 0.1),
        ("network.residuals.0.block.1.weight", 0.1),
        ("network.to_rgb.bias", 0.05),
    ],
)
def test_a_changed_weight_is_found(model, network, weight, by, tolerance):
    _perturb(model, weight, by)
    with pytest.raises(FastnstError, match=r"not the network of its checkpoint: at .* differ by more than"):
        verify(model.SerializeToString(), network, tolerance)


def test_a_difference_in_the_last_columns_alone_is_found(model, network):
    """Padding by repetition where the network reflects."""
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Pad" and attribute.s == b"reflect":
                attribute.s = b"edge"
    with pytest.raises(FastnstError, match="not the network"):
        verify(model.SerializeToString(), network, FLOAT32_TOLERANCE)


def test_a_network_that_gives_no_numbers_is_refused(model):
    diverged = TransformerNet(4, 1).eval().requires_grad_(False)
    diverged.to_rgb.bias.fill_(torch.nan)
    with pytest.raises(FastnstError, match="no numbers"):
        verify(model.SerializeToString(), diverged, FLOAT32_TOLERANCE)


def _rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "picture"
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == "image":
                node.input[index] = "picture"


def _fix_the_height(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 64


def _claim_a_newer_format(model: onnx.ModelProto) -> None:
    model.ir_version = 10


def _drop_a_node(model: onnx.ModelProto) -> None:
    del model.graph.node[5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_rename_input, "its input is .*picture"),
        (_fix_the_height, "its input is .*64"),
        (_claim_a_newer_format, "needs more than opset 20"),
        (_drop_a_node, "not valid ONNX"),
    ],
)
def test_a_broken_contract_is_one_line(model, change, message):
    change(model)
    with pytest.raises(FastnstError, match=message) as caught:
        check_contract(model.SerializeToString())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"no model", b""])
def test_what_is_no_model_is_one_line(content):
    with pytest.raises(FastnstError, match="not valid ONNX") as caught:
        check_contract(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 50), (2, 64, 48)])
def test_example_photos_are_repeatable_and_use_the_whole_range(shape):
    photos = example_photos(*shape, seed=3)
    assert photos.shape == (*shape, 3)
    assert photos.dtype == np.uint8
    np.testing.assert_array_equal(photos, example_photos(*shape, seed=3))
    if photos.size > 1000:
        assert photos.min() < 30
        assert photos.max() > 225
        assert (photos[0] != photos[1]).any()
