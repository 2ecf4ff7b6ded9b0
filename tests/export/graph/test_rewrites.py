import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.graph.build import store_weights_as_float16
from export.graph.rewrites import compute_at_half_size
from train.network.transformer_net import TransformerNet


@pytest.fixture
def copy(plain):
    model = onnx.ModelProto()
    model.CopyFrom(plain)
    return model


def run(model, image):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0]


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (17, 16), (40, 61)])
def test_the_rewritten_graph_computes_the_same(plain, copy, size):
    assert compute_at_half_size(copy) == 3
    onnx.checker.check_model(copy, full_check=True)
    image = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    before, after = run(plain, image), run(copy, image)
    assert before.std() > 10 or size == (1, 1)
    # Another order of the same sums.
    assert np.abs(before.astype(int) - after).max() <= 1
    assert (before != after).mean() < 1e-3


@pytest.mark.parametrize("width", [1, 3])
def test_widths_that_have_no_halves_do_too(copy, width):
    torch.manual_seed(4)
    state = TransformerNet(width, 1).state_dict()
    # The graph as it is traced is the same for all widths, but for its weights.
    for tensor in copy.graph.initializer:
        if tensor.name.startswith("network."):
            values = state[tensor.name.removeprefix("network.")].numpy()
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(copy)
    assert compute_at_half_size(rewritten) == 3
    onnx.checker.check_model(rewritten, full_check=True)
    image = np.random.default_rng(0).integers(0, 256, (1, 20, 24, 3), dtype=np.uint8)
    before, after = run(copy, image), run(rewritten, image)
    assert before.std() > 10
    assert np.abs(before.astype(int) - after).max() <= 1


def test_only_the_smoothing_runs_on_an_enlarged_copy(copy):
    compute_at_half_size(copy)
    assert not [node for node in copy.graph.node if node.op_type == "Resize"]
    makers = {name: node.op_type for node in copy.graph.node for name in node.output}
    sources = [makers[node.input[0]] for node in copy.graph.node if node.op_type == "Conv"]
    # Three down, two in the residual block, and the last; the smoothing of the two up comes after them.
    assert sources.count("Pad") == 3 + 2 + 1
    assert sources.count("Concat") == 2 == len(sources) - 6
    spreading = [node for node in copy.graph.node if node.op_type == "ConvTranspose"]
    assert [makers[node.input[0]] for node in spreading] == ["Pad"] * 4
    made = {name for node in copy.graph.node for name in node.output}
    known = made | {tensor.name for tensor in copy.graph.initializer} | {"image", ""}
    assert {name for node in copy.graph.node for name in node.input} <= known


def test_the_kernels_stay_as_they_were_trained(network, copy):
    compute_at_half_size(copy)
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in copy.graph.initializer}
    for name, value in network.state_dict().items():
        if value.ndim == 4:
            np.testing.assert_array_equal(stored[f"network.{name}"], value.numpy())


def test_half_precision_weights_go_with_it(plain, copy):
    compute_at_half_size(copy)
    store_weights_as_float16(copy)
    image = np.random.default_rng(1).integers(0, 256, (1, 24, 36, 3), dtype=np.uint8)
    assert np.abs(run(plain, image).astype(int) - run(copy, image)).max() <= 2


@pytest.mark.parametrize("half", [False, True])
def test_runtimes_fold_the_kernels_when_they_load_the_model(copy, half, tmp_path):
    compute_at_half_size(copy)
    if half:
        store_weights_as_float16(copy)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(copy.SerializeToString(), options, providers=["CPUExecutionProvider"])
    optimized = onnx.load(tmp_path / "optimized.onnx").graph
    constants = {tensor.name for tensor in optimized.initializer}
    convolutions = [node for node in optimized.node if node.op_type in ("Conv", "ConvTranspose")]
    assert len(convolutions) == 6 + 2 * 3
    assert constants.issuperset(node.input[1] for node in convolutions)


def test_a_second_rewriting_changes_nothing(copy):
    compute_at_half_size(copy)
    before = copy.SerializeToString(deterministic=True)
    assert compute_at_half_size(copy) == 0
    assert copy.SerializeToString(deterministic=True) == before


def change_mode(model):
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Resize" and attribute.name == "mode":
                attribute.s = b"nearest"


def change_stride(model):
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Conv" and attribute.name == "strides":
                attribute.ints[:] = [2, 2]


def change_padding(model):
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Pad" and attribute.name == "mode":
                attribute.s = b"constant"


@pytest.mark.parametrize(("change", "left"), [(change_mode, 1), (change_stride, 0), (change_padding, 1)])
def test_what_is_not_this_operation_is_left(copy, change, left):
    change(copy)
    assert compute_at_half_size(copy) == left
