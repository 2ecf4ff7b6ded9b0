import dataclasses
from pathlib import Path

import pytest

from fastnst.errors import FastnstError
from train.config import DEFAULT_STYLE_LAYERS, TrainingConfig
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


def test_the_defaults_train_the_papers_network_on_its_layers():
    defaults = config()
    assert (defaults.width, defaults.residual_blocks, defaults.loss_network) == (32, 5, "vgg16")
    assert defaults.content_layers == ("relu3_3",)
    assert defaults.resolved_style_layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


@pytest.mark.parametrize(
    ("option", "values"),
    {
        "name": ["", "a/b", ".hidden", ".."],
        "style_size": [15, -1],
        "width": [0],
        "residual_blocks": [-1],
        "images": [0],
        "image_size": [15],
        "batch_size": [0],
        "learning_rate": [0.0, -1.0, float("nan"), float("inf")],
        "warmup_steps": [-1],
        "gradient_clip": [-0.1],
        "style_weight": [-1.0, float("nan"), float("inf")],
        "content_weight": [-1.0],
        "tv_weight": [-1.0],
        "validation_photos": [0],
        "quality_size": [1],
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


def test_every_option_is_described():
    attributes = TrainingConfig.__doc__.partition("Attributes:")[2]
    for field in dataclasses.fields(TrainingConfig):
        assert f"        {field.name}: " in attributes
