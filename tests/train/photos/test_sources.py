"""What a run trains on where the user names no data."""

import time
from pathlib import Path

import datasets
import pytest
from huggingface_hub import HfApi

from fastnst.errors import FastnstError
from tests.train.make_photos import make_plain, write_folder, write_shards
from train.config import TrainingConfig
from train.photos import sources as training_photos
from train.photos import stream as photo_stream
from train.photos.folder import PhotoFolder
from train.photos.generated import GeneratedPhotos
from train.photos.sources import open_training_photos
from train.photos.stream import PhotoStream

LOOKING = "looking for detection-datasets/coco on the Hugging Face hub\n"
LINE = (
    "no data set given and COCO cannot be had from the hub ({}): training on generated photos (--data "
    "generated says so by itself)\n"
)


@pytest.fixture
def no_hub(monkeypatch):
    def fail(*_, **__):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(HfApi, "dataset_info", fail)
    monkeypatch.setattr(datasets, "load_dataset", fail)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub whose COCO is a small data set; returns what was asked of it."""
    write_shards(tmp_path / "hub", [[make_plain(number) for number in range(20)]])
    load, asked = datasets.load_dataset, []

    def load_dataset(name, **options):
        asked.append(name)
        return load(str(tmp_path / "hub"), **options)

    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: None)
    monkeypatch.setattr(photo_stream.datasets, "load_dataset", load_dataset)
    return asked


def config(**options):
    return TrainingConfig(**{"style": Path("wave.jpg"), "validation_photos": 2} | options)


def test_without_data_it_is_coco_from_the_hub(hub, capfd):
    opened, photos = open_training_photos(config())
    assert isinstance(photos, PhotoStream)
    assert opened.data == "detection-datasets/coco"
    assert hub == ["detection-datasets/coco"]
    assert capfd.readouterr().err == LOOKING


def test_without_data_and_hub_it_is_generated_and_one_line_says_so(no_hub, capfd):
    opened, photos = open_training_photos(config())
    assert isinstance(photos, GeneratedPhotos)
    assert opened.data == "generated"
    assert capfd.readouterr().err == LOOKING + LINE.format("ConnectionError: Name or service not known")


def test_a_hub_that_says_nothing_is_given_up_and_a_long_reason_cut(monkeypatch, capfd):
    monkeypatch.setattr(training_photos, "_HUB_SECONDS", 0.05)
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: time.sleep(1))
    open_training_photos(config())
    assert "the hub (TimeoutError: no answer in 0.05 s): training on generated" in capfd.readouterr().err

    def fail(*_, **__):
        raise ValueError("401 Client Error\n" + "x" * 1000)

    monkeypatch.setattr(HfApi, "dataset_info", fail)
    open_training_photos(config())
    line = capfd.readouterr().err.splitlines()[-1]
    assert "(ValueError: 401 Client Error xxx" in line
    assert len(line) < 320


def test_a_hub_that_answers_but_hands_out_no_files_is_not_reached_either(no_hub, monkeypatch, capfd):
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: None)
    opened, _ = open_training_photos(config())
    assert opened.data == "generated"
    assert "ConnectionError: Name or service not known" in capfd.readouterr().err.splitlines()[-1]


def test_data_that_was_named_is_never_replaced(no_hub, tmp_path, capfd):
    for data in ("detection-datasets/coco", "someone/photos"):
        with pytest.raises(FastnstError, match=f"{data}: .*hub"):
            open_training_photos(config(data=data))
    with pytest.raises(FastnstError, match="no photos in this folder"):
        open_training_photos(config(data=str(tmp_path)))
    assert capfd.readouterr().err == ""


def test_named_data_asks_no_hub(monkeypatch, tmp_path):
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: pytest.fail("asked the hub"))
    write_folder(tmp_path, 8)
    for data, kind in (("generated", GeneratedPhotos), (str(tmp_path), PhotoFolder)):
        opened, photos = open_training_photos(config(data=data))
        assert isinstance(photos, kind)
        assert opened.data == data


def test_a_share_needs_a_folder_by_name(no_hub):
    with pytest.raises(FastnstError, match=r"give their folder with DATA \(--data\)"):
        open_training_photos(config(generated_share=0.5))
