from pathlib import Path

import pytest
import torch

from train.config import TrainingConfig
from train.loss.choice import load_loss_network
from train.loss.compact import COMPACT_LAYERS, CompactFeatures, random_compact_state
from train.loss.vgg import VGGFeatures, random_vgg_state

LAYERS = ("relu1_2", "relu2_2", "relu3_3")


def network(name, **options):
    if name == "compact":
        return CompactFeatures(COMPACT_LAYERS, random_compact_state(), **options)
    return VGGFeatures(name, LAYERS, random_vgg_state(name, LAYERS), **options)


def unevenness(features):
    image = torch.tensor([0.9, 0.2, 0.4]).view(1, 3, 1, 1).expand(1, 3, 40, 24)
    with torch.no_grad():
        found = features(image, LAYERS)
    return max(
        float((value.amax((2, 3)) - value.amin((2, 3))).max() / value.std()) for value in found.values()
    )


@pytest.mark.parametrize("name", ["vgg19", "compact"])
def test_a_picture_of_one_colour_looks_alike_up_to_its_border_only_if_mirrored(name):
    assert unevenness(network(name, mirrored=True)) < 1e-3
    assert unevenness(network(name)) > 0.1


@pytest.mark.parametrize("name", ["vgg16", "compact"])
def test_training_mirrors_borders(tiny, name):
    config = TrainingConfig(
        style=Path("painting.jpg"),
        loss_network=name,
        loss_network_weights=tiny.vgg16 if name == "vgg16" else None,
        style_layers=("relu1_2", "relu2_2"),
        content_layers=("relu2_2",),
    )
    assert load_loss_network(config, print)[1].mirrored


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3)])
def test_the_smallest_pictures_have_features(size):
    for name in ("vgg16", "compact"):
        found = network(name, mirrored=True)(torch.rand(1, 3, *size), LAYERS)
        assert all(torch.isfinite(value).all() for value in found.values())
