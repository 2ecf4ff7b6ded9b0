import ast
import dataclasses
import inspect
import itertools
from pathlib import Path

import pytest

from fastnst.errors import FastnstError
from train.config import DEFAULT_STYLE_LAYERS, DEFAULT_STYLE_WEIGHT, STRENGTHS, TrainingConfig
from train.loss.compact import COMPACT_LAYERS
from train.loss.vgg import layer_names
from train.machine.precision import PRECISIONS
from train.network.shape import NETWORKS


def config(**options):
    return TrainingConfig(**{"style": Path("paintings/wave.jpg")} | options)


def test_the_style_is_named_after_the_painting_unless_told_otherwise():
    assert config().style_name == "wave"
    assert config().checkpoint_path == Path("checkpoints/wave.ckpt")
    named = config(name="sea", output=Path("out"))
    assert (named.checkpoint_path, named.preview_path) == (Path("out/sea.ckpt"), Path("out/sea.png"))


@pytest.mark.parametrize("network", ["vgg16", "vgg19", "compact"])
def test_the_usual_style_layers_follow_the_loss_network(network):
    assert config(loss_network=network).resolved_style_layers == DEFAULT_STYLE_LAYERS[network]
    known = COMPACT_LAYERS if network == "compact" else layer_names(network)
    assert set(DEFAULT_STYLE_LAYERS[network]) <= set(known)
    assert config(loss_network=network, style_layers=("relu1_2",)).resolved_style_layers == ("relu1_2",)


def test_there_is_a_weight_for_each_style_layer():
    assert config().style_layer_weights is None
    assert config(style_layer_weights=(1.0, 1.0, 2.0, 2.0)).style_layer_weights == (1.0, 1.0, 2.0, 2.0)
    chosen = config(style_layers=("relu1_2",), style_layer_weights=(2.0,))
    assert chosen.to_dict()["style_layer_weights"] == [2.0]
    with pytest.raises(FastnstError, match="--style-layer-weights must be 1 numbers above 0"):
        config(style_layers=("relu1_2",), style_layer_weights=(1.0, 1.0))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_has_its_shape_and_each_part_can_be_another(network):
    assert config(network=network).network_shape == NETWORKS[network]
    assert config(network=network, width=5).network_shape == NETWORKS[network]._replace(width=5)
    assert config(network=network, residual_blocks=0).network_shape.residual_blocks == 0
    assert config(network=network, outer_kernel_size=7).network_shape.outer_kernel_size == 7


def test_the_defaults_train_the_wide_network_on_the_papers_layers():
    defaults = config()
    assert (defaults.network_shape, defaults.loss_network) == ((16, 2, 5, 4), "auto")
    assert (defaults.style_size, defaults.style_scales) == (768, (1, 2, 4))
    assert defaults.resolved_learning_rate == 3e-3
    assert config(network="full").resolved_learning_rate == 1e-3
    assert config(optimizer="adam").resolved_learning_rate == 1e-3
    assert config(network="full", learning_rate=0.5).resolved_learning_rate == 0.5
    assert defaults.content_layers == ("relu3_3",)
    assert config(loss_network="vgg16").resolved_style_layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


@pytest.mark.parametrize(
    ("option", "values"),
    {
        "name": ["", "a/b", ".hidden", "..", "a\nb", "a\x1b[2J", "a\u2028b", "a\udcff", "a" * 201, "é" * 101],
        "style_size": [15, -1, 4097, 10**9],
        "width": [0],
        "residual_blocks": [-1],
        "outer_kernel_size": [0, 4, 11],
        "images": [0],
        "image_size": [15, 4097],
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
        "quality_size": [-1, 1, 15, 4097],
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
        "style_layer_weights": [(), (1.0,), (1.0, 1.0, 1.0, 0.0), (1.0, 1.0, 1.0, float("nan"))],
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
    assert str(error.value) == ("--strength 7 is a --style-weight of 25.6, not 3.0: give only one of them")


def test_options_that_were_filled_in_are_taken_as_they_are():
    filled_in = config(strength=7)
    assert dataclasses.replace(filled_in, init="wave").style_weight == 25.6
    assert filled_in.to_dict()["style_weight"] == 25.6
    assert filled_in.to_dict()["strength"] == 7


def test_the_options_as_plain_values_are_what_a_checkpoint_may_hold():
    options = config(trainer={"profiler": None, "paths": (Path("a"),)}).to_dict()
    assert set(options) == {field.name for field in dataclasses.fields(TrainingConfig)}
    assert options["style"] == "paintings/wave.jpg"
    assert options["crop_scale"] == [0.25, 1.0]
    assert options["trainer"] == {"profiler": None, "paths": ["a"]}


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_out_of_its_range_is_one_line(share):
    with pytest.raises(FastnstError, match=r"--generated-share must be from 0 to below 1.*--data generated"):
        config(generated_share=share)


def meanings():
    """Return the docstring that stands below each option."""
    (source,) = ast.parse(inspect.getsource(TrainingConfig)).body
    return {
        option.target.id: meaning.value.value
        for option, meaning in itertools.pairwise(source.body)
        if isinstance(option, ast.AnnAssign) and isinstance(meaning, ast.Expr)
    }


def test_every_option_is_described():
    assert meanings().keys() == {field.name for field in dataclasses.fields(TrainingConfig)}


def test_the_help_names_each_precision_that_there_is():
    assert all(precision in meanings()["precision"] for precision in ("auto", *PRECISIONS))


@pytest.mark.parametrize("painting", ["a\nb.jpg", ".hidden.jpg", "a" * 240 + ".jpg"])
def test_a_painting_whose_name_is_no_name_of_a_style_asks_for_one(painting):
    with pytest.raises(FastnstError, match=r"give the style another NAME \(--name\)"):
        TrainingConfig(style=Path(painting))
    assert TrainingConfig(style=Path(painting), name="ok" * 100).style_name == "ok" * 100


@pytest.mark.parametrize(
    "name", ["it's $5", "a #b", "神奈川沖浪裏", "zwnj\u200c", "👩\u200d🎨", "null", "-x", "[a] *"]
)
def test_any_other_name_is_fine(name):
    assert TrainingConfig(style=Path("wave.jpg"), name=name).checkpoint_path.stem == name
