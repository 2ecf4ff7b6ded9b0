"""A style small enough to be trained in a second: its painting, photos, loss networks and options."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import safetensors.torch
import torch
from PIL import Image

from tests.train.make_photos import make_jpeg, make_pixels
from train.cli import main
from train.config import TrainingConfig
from train.evaluate.quality import CONTENT_LAYERS, STYLE_LAYERS
from train.loss.choice import make_loss
from train.loss.painting import load_painting
from train.loss.vgg import VGGFeatures, random_vgg_state
from train.step.style_transfer import StyleTransfer


@pytest.fixture(autouse=True)
def _no_log_of_other_tests() -> Iterator[None]:
    """Take away the handler that a training in this process leaves: it prints what other tests log."""
    _reset_log()
    yield
    _reset_log()


def _reset_log() -> None:
    log = logging.getLogger("train")
    log.handlers, log.propagate = [], True
    log.setLevel(logging.NOTSET)


class TinyStyle(NamedTuple):
    """What a tiny run reads."""

    painting: Path
    other_painting: Path
    photos: Path
    vgg16: Path
    vgg19: Path

    def options(self, output: Path, **changes: Any) -> dict[str, Any]:
        """Return the options of a run of 12 steps that writes to `output`."""
        return {
            "style": self.painting,
            "data": str(self.photos),
            "output": output,
            "name": "tiny",
            "width": 4,
            "residual_blocks": 1,
            "wide_blocks": 1,
            "style_size": 32,
            "images": 24,
            "image_size": 32,
            "batch_size": 2,
            "content_layers": ("relu2_2",),
            "style_layers": ("relu1_2", "relu2_2"),
            "loss_network_weights": self.vgg16,
            "quality_weights": self.vgg19,
            "quality_size": 32,
            "validation_photos": 2,
            "precision": "32-true",
            "accelerator": "cpu",
            "workers": 0,
            "log_every": 1,
            "logger": "none",
            "preview_seconds": 1000.0,
            "checkpoint_seconds": 1000.0,
        } | changes

    def arguments(self, output: Path, **changes: Any) -> list[str]:
        """Return the same as a command line."""
        given = []
        for name, value in self.options(output, **changes).items():
            text = f"[{','.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
            given.append(f"--{name.replace('_', '-')}={text}")
        return ["--preset=default", *given]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> TinyStyle:
    """The files of a tiny run; a dozen photos, one of them corrupt."""
    root = tmp_path_factory.mktemp("tiny")
    for number in range(12):
        path = root / "photos" / f"{number:02}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(make_jpeg(seed=number))
    (root / "photos" / "corrupt.jpg").write_bytes(b"no photo")
    Image.fromarray(make_pixels(48, 40, 98, finest=1.0)).save(root / "painting.png")
    Image.fromarray(make_pixels(48, 40, 99, finest=1.0)).save(root / "other.png")
    safetensors.torch.save_file(random_vgg_state("vgg16", ["relu2_2"]), root / "vgg16.safetensors")
    measure = random_vgg_state("vgg19", [*CONTENT_LAYERS, *STYLE_LAYERS])
    safetensors.torch.save_file(measure, root / "vgg19.safetensors")
    return TinyStyle(
        painting=root / "painting.png",
        other_painting=root / "other.png",
        photos=root / "photos",
        vgg16=root / "vgg16.safetensors",
        vgg19=root / "vgg19.safetensors",
    )


@pytest.fixture
def tiny_module(tiny, tmp_path) -> StyleTransfer:
    """An untrained module with losses, as it is after a step."""
    config = TrainingConfig(**tiny.options(tmp_path))
    features = VGGFeatures("vgg16", ["relu1_2", "relu2_2"], random_vgg_state("vgg16", ["relu2_2"]))
    torch.manual_seed(0)
    painting = load_painting(tiny.painting, 32)
    module = StyleTransfer(config, painting, make_loss(config, painting, features), 12, "32-true")
    module.training_step(torch.rand(2, 3, 32, 32), 0)
    return module


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Nothing of the user's account and cluster."""
    mine = ("WANDB_", "SLURM_", "NETRC", "RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    return kept | {"NETRC": os.devnull, "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def train(environment) -> Callable[[list[str]], tuple[int, str, str]]:
    """Train in this process; returns the exit code, standard output and standard error."""

    def run(arguments: list[str]) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            warnings.catch_warnings(),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            for name in os.environ.keys() - environment.keys():
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            # Python 3.12 warns of fork beside threads.
            warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
            code = main(arguments)
        return code, out.getvalue(), err.getvalue()

    return run
