"""What C and S3 are measured with, found before training."""

from pathlib import Path

import pytest
import torch

from train.config import TrainingConfig
from train.run import final_quality as final_measure
from train.run.final_quality import find_quality_features


@pytest.fixture
def no_download(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))  # with no weights in it
    monkeypatch.setattr(final_measure, "load_quality_features", lambda _: pytest.fail("would download"))


def config(**options):
    return TrainingConfig(style=Path("wave.jpg"), **options)


def test_a_run_with_the_compact_network_downloads_nothing(no_download, capsys):
    assert find_quality_features(config(loss_network="compact")) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("C and S3 will not be measured: vgg19 is not here")
    assert "--quality-weights" in line


def test_what_is_not_wanted_is_not_looked_for(no_download, capsys):
    assert find_quality_features(config(loss_network="vgg16", quality_size=0)) is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("network", ["compact", "vgg16", "vgg19"])
def test_a_file_that_was_given_is_read(monkeypatch, network):
    asked = []
    monkeypatch.setattr(final_measure, "load_quality_features", asked.append)
    find_quality_features(config(loss_network=network, quality_weights=Path("vgg19.pth")))
    assert asked == [Path("vgg19.pth")]


def test_weights_that_are_here_serve_the_compact_network_too(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    asked = []
    monkeypatch.setattr(final_measure, "load_quality_features", asked.append)
    kept = final_measure.downloaded_weights("vgg19")
    kept.parent.mkdir()
    kept.touch()
    find_quality_features(config(loss_network="compact"))
    assert asked == [None]
