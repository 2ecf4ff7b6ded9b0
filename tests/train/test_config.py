import dataclasses
import itertools
from pathlib import Path

import pytest

from fastnst.errors import FastnstError
from train.config import DEFAULT_STYLE_LAYERS, DEFAULT_STYLE_WEIGHT, STRENGTHS, TrainingConfig
from train.network_shape import NETWORKS
from train.vgg_features import layer_names


def config(**options):
    return TrainingConfig(**{"style": Path("paintings/wave.jpg")} | options)


def test_the_style_is_named_after_the_painting_unless_told_otherwise():
    assert config().style_name == "wave"
    assert config().checkpoint_path == Path("checkpoints/wave.ckpt")
    named = config(name="sea", output=Path("out"))
    assert (named.checkpoint_path, named.preview_path) == (Path("out/sea.ckpt"), Path("out/sea.png"))


@pytest.mark.parametrize("network", ["vgg16", "vgg19"])
def test_the_usual_style_layers_follow_the_loss_network(network):
    assert config(loss_network=network).resolved_style_layers == DEFAULT_STYLE_LAYERS[network]
    assert set(DEFAULT_STYLE_LAYERS[network]) <= set(layer_names(network))
    assert config(loss_network=network, style_layers=("relu1_1",)).resolved_style_layers == ("relu1_1",)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_has_its_shape_and_each_part_can_be_another(network):
    assert config(network=network).network_shape == NETWORKS[network]
    assert config(network=network, width=5).network_shape == NETWORKS[network]._replace(width=5)
    assert config(network=network, residual_blocks=0).network_shape.residual_blocks == 0
    assert config(network=network, outer_kernel_size=7).network_shape.outer_kernel_size == 7


def test_the_defaults_train_the_papers_network_on_its_layers():
    defaults = config()
    assert (defaults.network_shape, defaults.loss_network) == ((32, 5, 9), "vgg16")
    assert defaults.content_layers == ("relu3_3",)
    assert defaults.resolved_style_layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


@pytest.mark.parametrize(
    ("option", "values"),
    {
        "name": ["", "a/b", ".hidden", ".."],
        "style_size": [15, -1],
        "width": [0],
        "residual_blocks": [-1],
        "outer_kernel_size": [0, 4, 11],
        "images": [0],
        "image_size": [15],
        "batch_size": [0],
        "learning_rate": [0.0, -1.0, float("nan"), float("inf")],
        "warmup_steps": [-1],
        "gradient_clip": [-0.1],
        "strength": [0, 11, -5],
        "init": [""],
        "teacher": [""],
        "teacher_share": [-0.1, 1.1, float("nan")],
        "style_weight": [-1.0, float("nan"), float("inf")],
        "content_weight": [-1.0],
        "tv_weight": [-1.0],
        "repetition_weight": [-1.0],
        "validation_photos": [0],
        "quality_size": [-1, 1, 15],
        "log_every": [0],
        "num_nodes": [0],
        "preview_seconds": [-1.0],
        "checkpoint_seconds": [float("nan")],
        "crop_scale": [(0.0, 1.0), (0.6, 0.5), (0.5, 1.1), (float("nan"), 1.0)],
        "workers": [-1],
        "cache_gb": [-0.1, float("nan"), float("inf")],
        "seed": [-1, 2**32],
        "content_layers": [()],
        "style_layers": [()],
    }.items(),
)
def test_a_value_out_of_its_range_is_one_line_that_names_the_option(option, values):
    for value in values:
        with pytest.raises(FastnstError, match=f"--{option.replace('_', '-')}") as error:
            config(**{option: value})
        assert "\n" not in str(error.value)


def test_strength_5_is_the_default_style_weight():
    assert config().style_weight == config(strength=5).style_weight == DEFAULT_STYLE_WEIGHT
    assert config().strength is None
    assert config(style_weight=3.0).resolved_style_weight == 3.0


def test_each_level_of_strength_multiplies_the_style_weight_by_the_same_factor():
    weights = [config(strength=level).resolved_style_weight for level in STRENGTHS]
    assert (STRENGTHS[0], STRENGTHS[-1]) == (1, 10)
    ratios = [following / weight for weight, following in itertools.pairwise(weights)]
    assert ratios == pytest.approx([1.6] * 9, rel=0.01)
    assert weights[0] < DEFAULT_STYLE_WEIGHT / 5
    assert weights[-1] > DEFAULT_STYLE_WEIGHT * 5


def test_strength_and_another_style_weight_are_one_line():
    with pytest.raises(FastnstError) as error:
        config(strength=7, style_weight=3.0)
    assert str(error.value) == ("--strength 7 is a --style-weight of 15.36, not 3.0: give only one of them")


def test_options_that_were_filled_in_are_taken_as_they_are():
    filled_in = config(strength=7)
    assert dataclasses.replace(filled_in, init="wave").style_weight == 15.36
    assert filled_in.to_dict()["style_weight"] == 15.36
    assert filled_in.to_dict()["strength"] == 7


def test_the_options_as_plain_values_are_what_a_checkpoint_may_hold():
    options = config(trainer={"profiler": None, "paths": (Path("a"),)}).to_dict()
    assert set(options) == {field.name for field in dataclasses.fields(TrainingConfig)}
    assert options["style"] == "paintings/wave.jpg"
    assert options["crop_scale"] == [0.25, 1.0]
    assert options["trainer"] == {"profiler": None, "paths": ["a"]}


def test_a_run_goes_on_with_the_same_options():
    config().check_resumable(config().to_dict())


def test_what_does_not_change_the_learning_may_differ_on_resume():
    started = config().to_dict()
    config(
        style=Path("elsewhere/wave.jpg"),
        workers=3,
        cache_gb=0.0,
        logger="none",
        log_every=1,
        checkpoint_seconds=5.0,
    ).check_resumable(started)


@pytest.mark.parametrize(
    ("option", "value"),
    {
        "data": "other",
        "style_size": 512,
        "style_weight": 1.0,
        "content_layers": ("relu2_2",),
        "style_layers": ("relu1_1",),
        "loss_network": "vgg19",
        "width": 16,
        "images": 80,
        "image_size": 64,
        "batch_size": 1,
        "learning_rate": 1.0,
        "decay": "none",
        "seed": 1,
        "precision": "32-true",
        "validation_photos": 3,
        "crop_scale": (0.1, 1.0),
    }.items(),
)
def test_what_changes_the_learning_may_not_differ_on_resume(option, value):
    with pytest.raises(FastnstError, match=rf"{option} was .* and is now .*--fresh") as error:
        config(**{option: value}).check_resumable(config().to_dict())
    assert "\n" not in str(error.value)


def test_one_folder_may_be_written_in_two_ways(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    started_with = config(data="photos/train").to_dict()
    for same in ("photos/train/", "./photos/train", str(tmp_path / "photos" / "train")):
        config(data=same).check_resumable(started_with)


def test_an_option_that_an_older_version_did_not_have_does_not_stop_a_resume():
    started_with = config().to_dict()
    del started_with["decay"]
    config().check_resumable(started_with)


def test_a_run_from_before_there_was_a_strength_goes_on():
    started_with = config(style_weight=6.0).to_dict()
    del started_with["strength"], started_with["init"]
    for same in ({}, {"strength": 5}, {"style_weight": 6.0}, {"init": "none"}, {"init": "auto"}):
        config(**same).check_resumable(started_with)
    for other, says in (
        ({"strength": 6}, "style_weight was 6.0 and is now 9.6"),
        ({"init": "wave"}, "init was none and is now wave"),
    ):
        with pytest.raises(FastnstError, match=says):
            config(**other).check_resumable(started_with)


def test_a_strength_may_be_written_as_its_style_weight_on_resume():
    config(style_weight=15.36).check_resumable(config(strength=7).to_dict())
    config(strength=7).check_resumable(config(style_weight=15.36).to_dict())


@pytest.mark.parametrize("started_from", ["none", "wave", "some/folder/sea.ckpt"])
def test_what_auto_came_to_may_be_called_so_on_resume_and_nothing_else(started_from):
    started_with = config(init=started_from).to_dict()
    for same in ("auto", started_from):
        config(init=same).check_resumable(started_with)
    config(init=str(Path.cwd() / started_from)).check_resumable(started_with)
    for other in {"none", "wave", "kandinsky", "sea.ckpt"} - {started_from}:
        with pytest.raises(FastnstError, match=rf"init was {started_from} and is now {other}.*--fresh"):
            config(init=other).check_resumable(started_with)


def test_every_option_is_described():
    attributes = TrainingConfig.__doc__.partition("Attributes:")[2]
    for field in dataclasses.fields(TrainingConfig):
        assert f"        {field.name}: " in attributes
