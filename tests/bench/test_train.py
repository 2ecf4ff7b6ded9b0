from argparse import Namespace

import pytest
import torch

from bench import train
from bench.loader import enough_photos, photos_needed
from tests.train.make_photos import make_jpeg
from train.step.muon import Muon
from train.step.style_transfer import StyleTransfer


@pytest.fixture
def options(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(make_jpeg(seed=number))
    return Namespace(data=str(tmp_path), image_size=32, batch_size=1, loss_network="vgg16", device="cpu")


def test_a_step_of_ours_has_the_optimizer_and_the_clipping_of_training(options, monkeypatch):
    monkeypatch.setattr(train, "_workers", lambda device: 0)
    monkeypatch.setattr(train, "keep_freed_memory", lambda: None)
    monkeypatch.setattr(train, "resolve_precision", lambda *_: "32-true")
    configured, clipped = [], []
    configure, clip = StyleTransfer.configure_optimizers, StyleTransfer.on_before_optimizer_step

    def configure_and_keep(module):
        configured.append(configure(module))
        return configured[-1]

    def clip_and_tell(module, optimizer):
        clip(module, optimizer)
        clipped.append(optimizer)

    monkeypatch.setattr(StyleTransfer, "configure_optimizers", configure_and_keep)
    monkeypatch.setattr(StyleTransfer, "on_before_optimizer_step", clip_and_tell)
    step = train._our_step(options)
    (made,) = configured
    optimizer = made["optimizer"]
    assert isinstance(optimizer, Muon)
    before = [parameter.clone() for group in optimizer.param_groups for parameter in group["params"]]
    step()
    after = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert not all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert clipped == [optimizer]
    assert made["lr_scheduler"]["scheduler"].last_epoch == 1


def test_as_many_photos_are_written_as_the_loader_needs():
    assert all(enough_photos(workers) >= photos_needed(workers) for workers in range(65))


def test_a_folder_that_is_too_small_for_the_loader_is_said(options, monkeypatch):
    monkeypatch.setattr(train, "_workers", lambda device: 16)
    line = train._loader_alone(options, consumed=1.0)
    assert line.strip() == f"- {options.data} holds 4 photos; 16 workers need 2112"
