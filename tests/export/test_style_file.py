"""The contract of a style file, as any program that runs it sees it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from export.graph.build import store_weights_as_float16
from export.graph.deployable_network import DeployableNetwork
from export.metadata import describe_style
from export.style_file import ExportedStyle, export_onnx
from export.verification import example_photos, stylize_in_pytorch
from fastnst import FastnstError, __version__
from fastnst.model.metadata import read_metadata
from train.network.checkpoint import load_checkpoint
from train.network.shape import NETWORKS
from train.network.transformer_net import TransformerNet


def _levels_apart(session, network: TransformerNet, images: np.ndarray) -> np.ndarray:
    stylized = session.run(None, {"image": images})[0]
    assert stylized.dtype == np.uint8
    assert stylized.shape == images.shape
    return np.abs(stylized.astype(int) - stylize_in_pytorch(network, images))


@given(batch=st.integers(1, 3), height=st.integers(1, 50), width=st.integers(1, 50), seed=st.integers(0, 9))
@example(batch=1, height=1, width=1, seed=0)
@example(batch=2, height=3, width=7, seed=0)
@example(batch=1, height=1, width=50, seed=0)
@example(batch=1, height=4, width=4, seed=0)
@example(batch=3, height=5, width=16, seed=0)
@example(batch=1, height=16, width=15, seed=0)
@example(batch=1, height=257, width=383, seed=0)
@settings(max_examples=30, deadline=None)
def test_every_size_and_batch_gives_what_pytorch_gives(session, network, batch, height, width, seed):
    assert _levels_apart(session, network, example_photos(batch, height, width, seed)).max() <= 1


@pytest.mark.parametrize("level", [0, 7, 255])
def test_flat_images_give_what_pytorch_gives(session, network, level):
    flat = np.full((1, 21, 34, 3), level, np.uint8)
    assert _levels_apart(session, network, flat).max() <= 1


def test_images_of_a_batch_do_not_touch_each_other(session):
    images = example_photos(3, 19, 45, seed=1)
    together = session.run(None, {"image": images})[0].astype(int)
    alone = [session.run(None, {"image": image[np.newaxis]})[0][0] for image in images]
    assert np.abs(together - np.stack(alone)).max() <= 1


def test_input_and_output(session):
    (image,), (stylized,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type) == ("image", "tensor(uint8)")
    assert (stylized.name, stylized.type) == ("stylized", "tensor(uint8)")
    assert image.shape == stylized.shape == ["batch", "height", "width", 3]


def test_versions_are_those_that_older_runtimes_and_browsers_read(model):
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]
    assert model.ir_version == 9
    assert not model.functions


def test_the_graph_keeps_the_network_and_its_order_for_gpus(model):
    operators = [node.op_type for node in model.graph.node]
    # Of 1 residual block: 3 convolutions down, 2 in the block, 2 up, each of them in two parts and with its
    # smoothing, and the last, without a norm.
    assert operators.count("Conv") == 6 + 2
    assert operators.count("ConvTranspose") == 2 * 2
    assert operators.count("InstanceNormalization") == 7
    # What GPUs in browsers lack comes after all that they have.
    assert operators[-3:] == ["Add", "Floor", "Cast"]
    assert "Round" not in operators


def test_the_file_names_nothing_of_this_machine(model):
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    text = model.SerializeToString()
    for private in (
        b".py",
        b"torch",
        b"/home",
        b"site-packages",
        bytes(Path.cwd()),
        bytes(Path(__file__).parent),
    ):
        assert private not in text


def test_metadata_says_what_the_style_is(session, exported: ExportedStyle):
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata == exported.metadata == read_metadata(exported.path)
    promised = {
        "fastnst.format": "1",
        "fastnst.version": __version__,
        "style.name": "kandinsky",
        "style.sha256": "5e" * 32,
        "style.author": "Wassily Kandinsky, “Composition VII”",
        "style.licence": "public domain",
        "network.width": "4",
        "network.residual_blocks": "1",
        "network.outer_kernel_size": "9",
        "training.finished": "true",
        "training.steps": "600",
        "training.images": "2400",
        "training.data": "train2017",
        "training.image_size": "256",
        "training.style_weight": "10.0",
        "training.init": "none",
        "training.loss_network": "vgg16",
        "training.loss_network_licence": "CC BY 4.0, Visual Geometry Group, University of Oxford",
        "training.precision": "bf16-mixed",
        "training.seconds": "723.5",
        "quality.content_lost": "0.77123",
        "quality.style_missed_3_scales": "0.0281",
        "quality.style_by_scale": '{"1": 0.03, "2": 0.0281, "4": 0.0262}',
        "quality.flicker": "7.25",
        "quality.style_missed": "0.0411",
        "quality.photos": "8",
        "quality.loss_network": "vgg19",
        "quality.data": "train2017",
        "export.weights": "float32",
    }
    assert promised.items() <= metadata.items()
    assert json.loads(metadata["training.style_layers"]) == ["relu1_2", "relu2_2", "relu3_3", "relu4_3"]
    assert json.loads(metadata["quality.content_by_layer"]) == {"relu3_3": 0.7, "relu4_1": 0.8}
    assert int(metadata["export.max_abs_error"]) == exported.verification.max_abs_error <= 1
    assert "someone" not in " ".join(metadata.values())
    assert metadata.keys().isdisjoint({"training.init_sha256", "training.strength"})


def with_options(checkpoint, options):
    return dataclasses.replace(checkpoint, record=dataclasses.replace(checkpoint.record, options=options))


def test_metadata_says_what_a_style_started_from_and_its_strength(write_checkpoint, tmp_path):
    started_from = {"name": "wave", "sha256": "ab" * 32}
    checkpoint = load_checkpoint(write_checkpoint(tmp_path / "tuned.ckpt", init=started_from))
    assert checkpoint.record.options["strength"] is None
    metadata = describe_style(checkpoint)
    assert (metadata["training.init"], metadata["training.init_sha256"]) == ("wave", "ab" * 32)
    assert "training.strength" not in metadata
    options = {**checkpoint.record.options, "strength": 7, "style_weight": 25.6}
    strong = describe_style(with_options(checkpoint, options))
    assert (strong["training.strength"], strong["training.style_weight"]) == ("7", "25.6")


def test_metadata_has_the_weights_of_the_style_layers_where_there_were_any(write_checkpoint, tmp_path):
    checkpoint = load_checkpoint(write_checkpoint(tmp_path / "style.ckpt"))
    assert "training.style_layer_weights" not in describe_style(checkpoint)
    options = {**checkpoint.record.options, "style_layer_weights": [1.0, 1.0, 2.0, 2.0]}
    described = describe_style(with_options(checkpoint, options))
    assert json.loads(described["training.style_layer_weights"]) == [1.0, 1.0, 2.0, 2.0]


def test_metadata_tells_generated_photos_from_a_folder_of_this_name(write_checkpoint, tmp_path):
    checkpoint = load_checkpoint(write_checkpoint(tmp_path / "style.ckpt"))
    assert "training.generated_share" not in describe_style(checkpoint)
    for data, named in (("generated", "generated"), ("/home/me/generated", "./generated")):
        options = {**checkpoint.record.options, "data": data}
        described = describe_style(with_options(checkpoint, options))
        assert described["training.data"] == described["quality.data"] == named


def test_metadata_of_an_unmeasured_style_with_its_own_loss_network(traced, write_checkpoint, tmp_path):
    path = write_checkpoint(tmp_path / "bare.ckpt", quality=None, losses={}, finished=False)
    state = torch.load(path, weights_only=True)
    state["fastnst"]["style"] |= {"author": "", "licence": ""}
    state["fastnst"]["options"] |= {"data": "detection-datasets/coco", "loss_network_weights": "/me/vgg.pth"}
    torch.save(state, path)
    metadata = export_onnx(path, tmp_path / "bare.onnx").metadata
    assert metadata["training.finished"] == "false"
    assert metadata["style.author"] == metadata["style.licence"] == "unknown"
    assert metadata["training.data"] == "detection-datasets/coco"
    assert metadata["training.loss_network_weights"] == "vgg.pth"
    assert "training.loss_network_licence" not in metadata
    assert not [key for key in metadata if key.startswith("quality.")]


def test_metadata_of_a_style_that_the_compact_network_trained(write_checkpoint, tmp_path):
    checkpoint = load_checkpoint(write_checkpoint(tmp_path / "small.ckpt"))
    options = {**checkpoint.record.options, "loss_network": "compact", "loss_network_weights": None}
    metadata = describe_style(with_options(checkpoint, options))
    assert metadata["training.loss_network"] == "compact"
    assert metadata["training.loss_network_weights"] == "compact.safetensors"
    assert "Visual Geometry Group" in metadata["training.loss_network_licence"]


def test_half_is_within_two_levels_in_half_the_size(traced, checkpoint, network, exported, tmp_path):
    half = export_onnx(checkpoint, tmp_path / "half.onnx", half=True)
    assert half.metadata["export.weights"] == "float16"
    assert half.verification.max_abs_error <= 2
    # The first kernel, which the others build on, keeps its accuracy.
    first, *others = _bytes_of_kernels(exported.path)
    assert _bytes_of_kernels(half.path) == [first, *(size // 2 for size in others)]
    # float16 is for the disk alone: ONNX Runtime has turned it back when it has loaded the file.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    session = onnxruntime.InferenceSession(half.path, options, providers=["CPUExecutionProvider"])
    loaded = onnx.load(options.optimized_model_filepath)
    assert not [t.name for t in loaded.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    for size in ((1, 1), (3, 7), (70, 51)):
        assert _levels_apart(session, network, example_photos(2, *size, seed=5)).max() <= 2


def _bytes_of_kernels(path: Path) -> list[int]:
    return [len(tensor.raw_data) for tensor in onnx.load(path).graph.initializer if len(tensor.dims) == 4]


def test_half_refuses_weights_that_float16_cannot_hold(model):
    name = "network.to_rgb.weight"
    kernel = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    weights = onnx.numpy_helper.to_array(kernel).copy()
    weights[0, 0, 0, 0] = 1e5
    kernel.CopyFrom(onnx.numpy_helper.from_array(weights, kernel.name))
    with pytest.raises(FastnstError, match="too large for float16: export without --half"):
        store_weights_as_float16(model)


def test_the_papers_network_in_half_is_below_4_megabytes(write_checkpoint, tmp_path):
    path = write_checkpoint(tmp_path / "paper.ckpt", shape=NETWORKS["full"])
    exported = export_onnx(path, tmp_path / "paper.onnx", half=True)
    assert 3_300_000 < exported.path.stat().st_size < 4_000_000
    assert exported.verification.max_abs_error <= 2


class _Constant(nn.Module):
    def __init__(self, values: torch.Tensor) -> None:
        super().__init__()
        self.values = values

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.values


def test_bytes_pass_through_an_identity_unchanged():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(2, 16, 16, 3)
    assert torch.equal(DeployableNetwork(nn.Identity())(levels), levels)


def test_rounding_is_to_the_nearest_level_and_up_from_the_middle_of_two():
    between = torch.arange(255) + 0.5
    exact = (between / 255) * 255 == between  # where float32 meets the middle
    between = between[exact]
    assert len(between) > 50
    near = torch.tensor([0.49, 0.51, 1.49, 254.49, 254.51]) / 255
    values = torch.cat([between / 255, near, torch.tensor([-0.1, 1.1])])  # and out of range
    expected = np.append(np.ceil(between.numpy()), [0, 1, 1, 254, 255, 0, 255])
    network = DeployableNetwork(_Constant(values.reshape(1, 1, 1, -1).expand(1, 3, 1, -1)))
    found = network(torch.zeros(1, 1, len(values), 3, dtype=torch.uint8))
    np.testing.assert_array_equal(found[0, 0, :, 0].numpy(), expected)
