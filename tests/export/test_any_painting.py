"""The painter of any painting and its encoder: two files that are the checkpoint's network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.any_painting import export_any_painting, main, verify_encoder
from export.graph.any_painting import ENCODER, PAINTER, STATISTICS, as_tensors
from export.verification import FLOAT16_TOLERANCE, check_contract, example_photos, verify
from fastnst import FastnstError
from fastnst.model.metadata import read_metadata
from train.arbitrary import any_painting_net, square_root
from train.arbitrary.any_painting_net import AnyPaintingNet
from train.arbitrary.checkpoint import (
    FORMAT,
    KEY,
    AnyPaintingCheckpoint,
    AnyPaintingRecord,
    load_any_painting,
)
from train.arbitrary.painting_encoder import PaintingEncoder
from train.config import TrainingConfig
from train.image_tensor import image_to_tensor


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Trace a third of the operations: fewer blocks, and a rougher root of the covariances."""
    with pytest.MonkeyPatch.context() as patch:
        shape = any_painting_net.SHAPE._replace(wide_blocks=2, residual_blocks=1)
        patch.setattr(any_painting_net, "SHAPE", shape)
        patch.setattr(square_root, "_ROUNDS", 4)
        yield


@pytest.fixture(scope="module")
def checkpoint(small: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network, encoder = AnyPaintingNet(), PaintingEncoder()
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1:  # as after training: no two norms are alike
            torch.nn.init.uniform_(parameter, *((0.5, 1.5) if name.endswith("weight") else (-0.2, 0.2)))
    encoder.learn_photos([image_to_tensor(example_photos(1, 96, 128, seed=9)[0])])
    config = TrainingConfig(
        style=Path("/home/someone/wave.jpg"),
        data="/home/someone/coco",
        batch_size=4,
        loss_network="compact",
    )
    record = AnyPaintingRecord(
        FORMAT, "0.1.0", config.to_dict(), {"wave.jpg": "5e" * 32}, "/home/someone/kandinsky.onnx", 3000
    )
    states = {"network": network.state_dict(), "encoder": encoder.state_dict()}
    path = tmp_path_factory.mktemp("any") / "any.ckpt"
    torch.save(
        {
            KEY: record._asdict(),
            "global_step": 2500,
            "state_dict": {
                f"{part}.{name}": value for part, state in states.items() for name, value in state.items()
            },
        },
        path,
    )
    return path


@pytest.fixture(scope="module")
def loaded(checkpoint: Path) -> AnyPaintingCheckpoint:
    return load_any_painting(checkpoint)


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return export_any_painting(checkpoint, tmp_path_factory.mktemp("exported any"))


def test_the_two_files_keep_their_contract(exported: tuple[Path, Path]) -> None:
    painter, encoder = exported
    assert (painter.name, encoder.name) == ("painter.onnx", "encoder.onnx")
    check_contract(painter.read_bytes(), PAINTER)
    check_contract(encoder.read_bytes(), ENCODER)
    given = [output.name for output in onnxruntime.InferenceSession(encoder).get_outputs()]
    assert ["image", *given] == [value.name for value in onnxruntime.InferenceSession(painter).get_inputs()]
    assert painter.stat().st_size + encoder.stat().st_size < 8e6
    with pytest.raises(FastnstError, match=r"breaks the contract: its input is .*full\.matrix"):
        check_contract(painter.read_bytes())


def test_a_program_paints_with_them_as_pytorch_does(
    exported: tuple[Path, Path], loaded: AnyPaintingCheckpoint
) -> None:
    painter, encoder = map(onnxruntime.InferenceSession, exported)
    painting, photos = example_photos(1, 91, 120, seed=4), example_photos(2, 45, 71, seed=5)
    names = [value.name for value in STATISTICS]
    statistics = dict(zip(names, encoder.run(names, {"painting": painting}), strict=True))
    found = painter.run(["stylized"], {"image": photos, **statistics})[0]
    with torch.no_grad():
        expected = loaded.network(
            torch.stack([image_to_tensor(photo)[0] for photo in photos]),
            loaded.encoder(image_to_tensor(painting[0])),
        )
    expected = expected.permute(0, 2, 3, 1).numpy() * 255
    # The painter's rounded weights, and what the encoder's change.
    assert np.abs(found - expected).max() < 3
    assert np.abs(found[0].astype(float) - found[1]).mean() > 5


def test_what_the_files_say_of_themselves(exported: tuple[Path, Path]) -> None:
    painter, encoder = map(read_metadata, exported)
    assert painter["fastnst.kind"] == "painter of any painting"
    assert encoder["fastnst.kind"] == "encoder of any painting"
    for metadata in (painter, encoder):
        assert metadata["network.grain"] == "512"
        assert metadata["network.painting_size"] == "768"
        assert metadata["training.finished"] == "false"
        assert metadata["training.steps"] == "2500"
        assert metadata["training.images"] == "10000"
        assert metadata["training.init"] == "kandinsky"
        assert json.loads(metadata["training.paintings"]) == {"wave.jpg": "5e" * 32}
        assert metadata["export.weights"] == "float16"
        assert not any("someone" in value for value in metadata.values())
    assert int(painter["export.max_abs_error"]) <= 2


def test_files_that_are_not_the_checkpoints_are_found(
    exported: tuple[Path, Path], loaded: AnyPaintingCheckpoint
) -> None:
    painter, encoder = map(onnx.load, exported)
    for model, name in ((painter, "network.from_half.1.bias"), (encoder, "encoder.lifted_tensor_3")):
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) + 0.2, name))
    statistics = loaded.encoder(image_to_tensor(example_photos(1, 64, 64, seed=1)[0]))
    values = zip(STATISTICS, as_tensors(statistics), strict=True)
    with pytest.raises(FastnstError, match="not the network of its checkpoint"):
        verify(
            painter.SerializeToString(),
            lambda content: loaded.network(content, statistics),
            FLOAT16_TOLERANCE,
            interface=PAINTER,
            others={value.name: tensor.numpy() for value, tensor in values},
        )
    with pytest.raises(FastnstError, match="the exported encoder is not that of its checkpoint"):
        verify_encoder(encoder.SerializeToString(), loaded.encoder)


def test_mistakes_are_one_line(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    for arguments, says in (
        ([tmp_path / "absent.ckpt"], "there is no checkpoint"),
        ([checkpoint, "-o", tmp_path / "absent"], "is no folder that exists"),
        ([tmp_path / "foreign.ckpt"], "is no checkpoint of `python -m train.arbitrary`"),
    ):
        assert main([str(argument) for argument in arguments]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("export: error: ")
        assert says in error
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.ckpt"]
