from argparse import Namespace

import pytest
import torch

from bench import train
from bench.loader import enough_photos, photos_needed
from tests.train.make_photos import make_jpeg


@pytest.fixture
def options(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(make_jpeg(seed=number))
    return Namespace(data=str(tmp_path), image_size=32, batch_size=1, loss_network="vgg16", device="cpu")


def test_a_step_of_ours_moves_every_weight_by_a_clipped_gradient(options, monkeypatch):
    monkeypatch.setattr(train, "keep_freed_memory", lambda: None)  # of the process that runs the tests
    step = train.our_step(options)
    module = step()
    before = [weight.detach().clone() for weight in module.network.parameters()]
    step()
    after = list(module.network.parameters())
    assert not any(torch.equal(*pair) for pair in zip(before, after, strict=True))
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in after])
    assert 0 < norm <= 1.001 * module.config.gradient_clip
    # Muon's steps of a kernel are nearly orthogonal: no direction is taken much further than another.
    kernels = [
        (new.detach() - old).flatten(1) for new, old in zip(after, before, strict=True) if old.ndim == 4
    ]
    for values in map(torch.linalg.svdvals, kernels[:2]):
        assert values.max() < 10 * values.min()  # 50 and more by Adam


def test_as_many_photos_are_written_as_the_loader_needs():
    assert all(enough_photos(workers) >= photos_needed(workers) for workers in range(65))


def test_a_folder_that_is_too_small_for_the_loader_is_said(options):
    needed = photos_needed(1)
    line = train.loader_alone(options, consumed=1.0)
    assert line.strip() == f"- {options.data} holds 4 photos; 1 workers need {needed}"
