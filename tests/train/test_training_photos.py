"""What a run trains on where the user names no data."""

from pathlib import Path

import datasets
import pytest
from huggingface_hub import HfApi

from fastnst.errors import FastnstError
from tests.train.make_photos import make_plain, write_folder, write_shards
from train import photo_stream
from train.config import TrainingConfig
from train.generated_photos import GeneratedPhotos
from train.photo_stream import PhotoStream
from train.photos import PhotoFolder
from train.training_photos import open_training_photos

LINE = (
    "no data set given and the hub cannot be reached: training on generated photos (--data generated says so "
    "by itself)\n"
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
    assert capfd.readouterr().err == ""


def test_without_data_and_hub_it_is_generated_and_one_line_says_so(no_hub, capfd):
    opened, photos = open_training_photos(config())
    assert isinstance(photos, GeneratedPhotos)
    assert opened.data == "generated"
    assert capfd.readouterr().err == LINE


def test_a_hub_that_answers_but_hands_out_no_files_is_not_reached_either(no_hub, monkeypatch, capfd, caplog):
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: None)
    opened, _ = open_training_photos(config())
    assert opened.data == "generated"
    assert capfd.readouterr().err == LINE
    assert "ConnectionError: Name or service not known" in caplog.text


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
