"""Small checkpoints, and the style files made of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch

from export import style_file as onnx_export
from export.graph.build import build_model
from export.style_file import ExportedStyle, export_onnx
from train.config import TrainingConfig
from train.network.build import StyleNetwork, build_network
from train.network.checkpoint import KEY, NETWORK_PREFIX, load_checkpoint
from train.network.record import FORMAT
from train.network.shape import NetworkShape

ROOT = Path(__file__).parents[2]

# The paper's network and the wide one, but for their sizes.
SMALL = NetworkShape(width=4, residual_blocks=1, outer_kernel_size=9)
SMALL_WIDE = NetworkShape(width=4, residual_blocks=1, outer_kernel_size=5, wide_blocks=2)

WriteCheckpoint = Callable[..., Path]


def _write_checkpoint(path: Path, *, shape: NetworkShape = SMALL, **record: Any) -> Path:
    """Write a checkpoint as `StyleTransfer` and Lightning do; `record` replaces entries."""
    torch.manual_seed(0)
    network = build_network(shape)
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1:  # as after training: no two norms are alike
            torch.nn.init.uniform_(parameter, *((0.5, 2.0) if name.endswith("weight") else (-0.5, 0.5)))
    config = TrainingConfig(
        style=Path("/home/someone/paintings/kandinsky.jpg"),
        data="/home/someone/coco/train2017",
        **shape._asdict(),
        batch_size=4,
        images=2400,
        loss_network="vgg16",
    )
    checkpoint = {
        "epoch": 0,
        "global_step": 600,
        "pytorch-lightning_version": "2.6.6",
        "state_dict": {NETWORK_PREFIX + name: value for name, value in network.state_dict().items()},
        "loops": {},
        "optimizer_states": [],
        "lr_schedulers": [],
        KEY: {
            "format": FORMAT,
            "version": "0.1.0",
            "options": config.to_dict(),
            "style": {
                "name": "kandinsky",
                "sha256": "5e" * 32,
                "width": 384,
                "height": 256,
                "author": "Wassily Kandinsky, “Composition VII”",
                "licence": "public domain",
            },
            "precision": "bf16-mixed",
            "world_size": 1,
            "max_steps": 600,
            "seconds": 723.4567,
            "losses": {"val/content_loss": 0.5123, "val/style_loss": 0.0234},
            "quality": {
                "content": 0.771234567,
                "style": 0.0281,
                "style_by_scale": {1: 0.03, 2: 0.0281, 4: 0.0262},
                "flicker": 7.25,
                "style_at_trained_size": 0.0411,
                "content_by_layer": {"relu3_3": 0.7, "relu4_1": 0.8},
                "style_by_layer": {"relu1_2": 0.01, "relu2_2": 0.05},
                "photos": 8,
                "size": 512,
            },
            "finished": True,
            "tracking_run": {},
            **record,
        },
    }
    torch.save(checkpoint, path)
    return path


@pytest.fixture(scope="session")
def write_checkpoint() -> WriteCheckpoint:
    return _write_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "kandinsky.ckpt")


@pytest.fixture(scope="session")
def network(checkpoint: Path) -> StyleNetwork:
    return load_checkpoint(checkpoint).network()


@pytest.fixture(scope="session")
def export_process(
    checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[str]]:
    """`python -m export CHECKPOINT -o "my kandinsky.onnx"`, which runs beside the tests that come before.

    It takes 15 seconds, nearly all of them for imports.
    """
    output = tmp_path_factory.mktemp("process") / "my kandinsky.onnx"
    process = subprocess.Popen(
        [sys.executable, "-m", "export", checkpoint, "-o", output],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


@pytest.fixture(scope="session")
def plain(network: StyleNetwork, export_process: subprocess.Popen[str]) -> onnx.ModelProto:
    """The model as it is traced, which takes seconds."""
    return build_model(network)


@pytest.fixture(scope="session")
def exported(
    checkpoint: Path, plain: onnx.ModelProto, tmp_path_factory: pytest.TempPathFactory
) -> ExportedStyle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_export, "build_model", lambda *_, **__: _copy(plain))
        return export_onnx(checkpoint, tmp_path_factory.mktemp("exported") / "kandinsky.onnx")


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> ExportedStyle:
    """A wide network, exported."""
    folder = tmp_path_factory.mktemp("wide")
    return export_onnx(_write_checkpoint(folder / "wide.ckpt", shape=SMALL_WIDE), folder / "wide.onnx")


@pytest.fixture(scope="session")
def session(exported: ExportedStyle) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])


@pytest.fixture
def model(exported: ExportedStyle) -> onnx.ModelProto:
    """The traced model, to be changed by a test."""
    loaded = onnx.load(exported.path)
    loaded.ClearField("metadata_props")
    return loaded


@pytest.fixture
def traced(model: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> onnx.ModelProto:
    """The same, taken for the result of tracing, which takes seconds."""
    monkeypatch.setattr(onnx_export, "build_model", lambda *_, **__: model)
    return model


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied
