from pathlib import Path

import pytest

from fastnst.errors import FastnstError
from train.config import DEFAULT_STYLE_LAYERS, TrainingConfig
from train.run.resumed_options import check_resumable, with_settled_options


def config(**options):
    return TrainingConfig(**{"style": Path("paintings/wave.jpg")} | options)


def test_a_run_goes_on_with_the_same_options():
    check_resumable(config(), config().to_dict())


def test_what_does_not_change_the_learning_may_differ_on_resume():
    started = config().to_dict()
    check_resumable(
        config(
            style=Path("elsewhere/wave.jpg"),
            workers=3,
            cache_gb=0.0,
            logger="none",
            progress="json",
            log_every=1,
            checkpoint_seconds=5.0,
            quality_size=64,
        ),
        started,
    )


@pytest.mark.parametrize(
    ("option", "value"),
    {
        "data": "other",
        "style_size": 512,
        "style_weight": 1.0,
        "content_layers": ("relu2_2",),
        "style_layers": ("relu1_1",),
        "style_layer_weights": (1.0, 1.0, 1.0, 2.0),
        "loss_network": "vgg19",
        "width": 24,
        "wide_blocks": 3,
        "style_scales": (1, 2),
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
        check_resumable(config(**{option: value}), config(loss_network="vgg16").to_dict())
    assert "\n" not in str(error.value)


def test_one_folder_may_be_written_in_two_ways(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    started_with = config(data="photos/train").to_dict()
    for same in ("photos/train/", "./photos/train", str(tmp_path / "photos" / "train")):
        check_resumable(config(data=same), started_with)


def test_an_option_that_an_older_version_did_not_have_does_not_stop_a_resume():
    started_with = config(loss_network="vgg16").to_dict()
    del started_with["decay"]
    check_resumable(config(), started_with)


def test_a_run_from_before_there_was_a_strength_goes_on():
    started_with = config(style_weight=10.0, loss_network="vgg16").to_dict()
    del started_with["strength"], started_with["init"]
    for same in ({}, {"strength": 5}, {"style_weight": 10.0}, {"init": "none"}, {"init": "auto"}):
        check_resumable(config(**same), started_with)
    for other, says in (
        ({"strength": 6}, "style_weight was 10.0 and is now 16.0"),
        ({"init": "wave"}, "init was none and is now wave"),
    ):
        with pytest.raises(FastnstError, match=says):
            check_resumable(config(**other), started_with)


def test_a_strength_may_be_written_as_its_style_weight_on_resume():
    check_resumable(config(style_weight=25.6), config(strength=7).to_dict())
    check_resumable(config(strength=7), config(style_weight=25.6).to_dict())


@pytest.mark.parametrize("started_from", ["none", "wave", "some/folder/sea.ckpt"])
def test_what_auto_came_to_may_be_called_so_on_resume_and_nothing_else(started_from):
    started_with = config(init=started_from).to_dict()
    for same in ("auto", started_from):
        check_resumable(config(init=same), started_with)
    check_resumable(config(init=str(Path.cwd() / started_from)), started_with)
    for other in {"none", "wave", "kandinsky", "sea.ckpt"} - {started_from}:
        with pytest.raises(FastnstError, match=rf"init was {started_from} and is now {other}.*--fresh"):
            check_resumable(config(init=other), started_with)


def test_no_data_goes_on_with_what_none_came_to():
    for came_to in ("detection-datasets/coco", "generated"):
        check_resumable(config(), config(data=came_to).to_dict())
        check_resumable(config(data=came_to), config(data=came_to).to_dict())
    for started, now in (("photos", None), ("generated", "photos"), ("generated", "./generated")):
        with pytest.raises(FastnstError, match=f"data was {started} and is now {now or 'detection-d'}"):
            check_resumable(config(data=now), config(data=started).to_dict())


def test_the_share_may_not_differ_on_resume():
    before = config(data="photos").to_dict()
    del before["generated_share"]
    check_resumable(config(data="photos"), before)
    with pytest.raises(FastnstError, match=r"generated_share was 0.0 and is now 0.5"):
        check_resumable(config(data="photos", generated_share=0.5), before)


@pytest.mark.parametrize("network", ["vgg16", "vgg19", "compact"])
def test_a_run_goes_on_with_the_loss_network_that_auto_came_to(network):
    started_with = config(loss_network=network, init="wave").to_dict()
    same = config(init="auto")
    check_resumable(same, started_with)
    settled = with_settled_options(same, started_with)
    assert (settled.loss_network, settled.init) == (network, "wave")
    assert settled.resolved_style_layers == DEFAULT_STYLE_LAYERS[network]
    for other in {"vgg16", "vgg19", "compact"} - {network}:
        with pytest.raises(FastnstError, match=rf"loss_network was {network} and is now {other}.*--fresh"):
            check_resumable(config(loss_network=other), started_with)
