import os
import re
from pathlib import Path

import pytest
import safetensors.torch
import torch

from fastnst.errors import FastnstError
from train.config import DEFAULT_STYLE_LAYERS, TrainingConfig
from train.loss import choice as loss_network_choice
from train.loss.choice import load_loss_network
from train.loss.compact import CompactFeatures
from train.loss.vgg import DownloadError, random_vgg_state

VGG_LAYERS = {name: ("relu3_3", *DEFAULT_STYLE_LAYERS[name]) for name in ("vgg16", "vgg19")}


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    for name in ("LOCAL_RANK", "FASTNST_LOSS_NETWORK"):
        monkeypatch.setenv(name, "")  # so that what the test sets is undone
        monkeypatch.delenv(name)


@pytest.fixture
def offline(monkeypatch):
    """Nothing can be downloaded; files can still be read."""
    read = loss_network_choice.load_vgg_state

    def load(architecture, weights=None):
        if weights is None:
            raise DownloadError(architecture, "https://example.org/vgg.pth", OSError("no network"))
        return read(architecture, weights)

    monkeypatch.setattr(loss_network_choice, "load_vgg_state", load)


@pytest.fixture
def online(monkeypatch):
    """VGG can be had; what was asked for."""
    asked = []

    def load(architecture, weights=None):
        asked.append(architecture)
        return random_vgg_state(architecture, VGG_LAYERS[architecture])

    monkeypatch.setattr(loss_network_choice, "load_vgg_state", load)
    return asked


def load(**options):
    said = []
    config, features = load_loss_network(TrainingConfig(style=Path("a.jpg"), **options), said.append)
    return config, features, said


def test_auto_is_vgg16_where_it_can_be_had(online):
    config, features, said = load()
    assert (config.loss_network, features.architecture, online) == ("vgg16", "vgg16", ["vgg16"])
    assert config.resolved_style_layers == DEFAULT_STYLE_LAYERS["vgg16"]
    assert said == ["reading the weights of vgg16"]


def test_auto_is_compact_where_vgg16_cannot_be_had_and_says_so(offline):
    config, features, said = load()
    assert (config.loss_network, type(features)) == ("compact", CompactFeatures)
    assert config.resolved_style_layers == DEFAULT_STYLE_LAYERS["compact"]
    assert features.layers == ("relu3_3", "relu1_2", "relu2_2", "relu3_4", "relu4_1")
    assert len(said) == 2
    assert re.match(r"cannot download the vgg16 weights .*no network\): this run uses compact", said[1])
    assert all("\n" not in line for line in said)


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_a_network_that_is_named_is_never_replaced(offline, name):
    with pytest.raises(FastnstError, match=f"cannot download the {name} weights .*--loss-network-weights"):
        load(loss_network=name)


def test_compact_needs_no_download(offline):
    config, features, said = load(loss_network="compact")
    assert (config.loss_network, type(features), said) == ("compact", CompactFeatures, [])


@pytest.mark.parametrize(("name", "reaches"), [("vgg16", "vgg16"), ("vgg19", "vgg19")])
def test_auto_recognises_whose_weights_a_file_holds(offline, tmp_path, name, reaches):
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(random_vgg_state(name, VGG_LAYERS[name]), path)
    config, features, said = load(loss_network_weights=path)
    assert (config.loss_network, features.architecture) == (reaches, reaches)
    assert config.resolved_style_layers == DEFAULT_STYLE_LAYERS[name]
    assert str(path) in said[0]


def test_a_file_that_ends_before_the_two_differ_is_vgg16s(offline, tmp_path):
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(random_vgg_state("vgg19", ["relu3_3"]), path)
    config, _, _ = load(loss_network_weights=path, style_layers=("relu1_2",))
    assert config.loss_network == "vgg16"


def test_a_file_that_cannot_be_read_is_an_error_and_not_replaced(offline):
    with pytest.raises(FastnstError, match=r"cannot read .*absent"):
        load(loss_network_weights=Path("absent.pth"))


def test_compact_with_a_file_is_one_line():
    with pytest.raises(FastnstError, match=r"--loss-network compact .* --loss-network-weights") as error:
        TrainingConfig(style=Path("a.jpg"), loss_network="compact", loss_network_weights=Path("vgg.pth"))
    assert "\n" not in str(error.value)


def test_layers_that_a_network_lacks_are_told_before_a_download(monkeypatch):
    monkeypatch.setattr(loss_network_choice, "load_vgg_state", lambda *_: pytest.fail("downloaded"))
    for options, line in (
        ({"content_layers": ("relu9_9",)}, "vgg16 has no layer 'relu9_9'; it has relu1_1"),
        ({"loss_network": "vgg19", "style_layers": ("relu4_9",)}, "vgg19 has no layer 'relu4_9'"),
        ({"loss_network": "compact", "style_layers": ("relu4_3",)}, "compact has no layer 'relu4_3'"),
    ):
        with pytest.raises(FastnstError, match=line):
            load(**options)


def test_layers_that_only_vgg_has_are_an_error_where_auto_comes_to_compact(offline):
    with pytest.raises(FastnstError, match="compact has no layer 'relu4_3'; it has relu1_2"):
        load(style_layers=("relu4_3",))


def test_processes_that_train_together_compare_with_one_network(offline, online, monkeypatch):
    load()
    assert os.environ["FASTNST_LOSS_NETWORK"] == "vgg16"
    # Another process that this one starts: what it could have by itself no longer counts.
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("FASTNST_LOSS_NETWORK", "compact")
    assert load()[0].loss_network == "compact"
    assert online == ["vgg16"]


def test_the_networks_give_finite_features_of_their_own_precision(online):
    for name in ("vgg16", "vgg19", "compact"):
        _, features, _ = load(loss_network=name)
        found = features(torch.rand(1, 3, 32, 32))
        assert set(found) == set(features.layers)
        assert all(value.isfinite().all() for value in found.values())
