"""Which photos a run trains on, and which a style is judged on."""

import logging
import time
from pathlib import Path

import datasets
import pytest
from huggingface_hub import HfApi

from fastnst.errors import FastnstError
from tests.train.make_photos import make_plain, write_folder, write_shards
from train.config import TrainingConfig
from train.photos import sources
from train.photos.folder import PhotoFolder
from train.photos.generated import GeneratedPhotos
from train.photos.sources import (
    MixedPhotos,
    open_photos,
    open_training_photos,
    photos_to_judge,
    validation_images,
)
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
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
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
    monkeypatch.setattr(sources, "_HUB_SECONDS", 0.05)
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


def test_a_style_is_judged_on_the_photos_held_out(tmp_path, caplog):
    write_folder(tmp_path / "photos", 20)
    held_out = open_photos(str(tmp_path / "photos"), validation_photos=5).validation
    assert photos_to_judge(str(tmp_path / "photos"), 5) == held_out
    assert "has seen the others" not in caplog.text
    # Of the shards of a data set likewise.
    write_shards(tmp_path / "shards", [[make_plain(number) for number in range(30)]])
    held_out = open_photos(str(tmp_path / "shards"), validation_photos=4).validation
    assert photos_to_judge(str(tmp_path / "shards"), 4) == held_out


def test_photos_beyond_those_that_training_held_out_are_said(tmp_path, caplog):
    write_folder(tmp_path / "photos", 20)
    write_shards(tmp_path / "shards", [[make_plain(number) for number in range(30)]])
    for data in ("photos", "shards"):
        assert len(photos_to_judge(str(tmp_path / data), 3, held_out=3)) == 3
        assert "has seen the others" not in caplog.text
        assert len(photos_to_judge(str(tmp_path / data), 5, held_out=3)) == 5
        assert f"training on {tmp_path / data} holds out 3 of these 5 photos" in caplog.text
        caplog.clear()


def test_of_a_validation_split_and_of_generated_photos_training_has_seen_none(tmp_path, caplog):
    write_shards(tmp_path, [[make_plain(number) for number in range(10)]])
    write_shards(tmp_path, [[make_plain(number) for number in range(60, 66)]], "validation")
    for data in (str(tmp_path), "generated"):
        assert len(photos_to_judge(data, 5, held_out=2)) == 5
    assert "has seen the others" not in caplog.text


def test_a_folder_of_test_photos_is_judged_on_whole(tmp_path, caplog):
    paths = write_folder(tmp_path, 3)
    assert {photo.name for photo in photos_to_judge(str(tmp_path), 8)} == {str(path) for path in paths}
    assert "holds out 1 of these 3 photos" in caplog.text
    # Those that training would hold out come first.
    (held_out,) = open_photos(str(tmp_path), validation_photos=8).validation
    assert photos_to_judge(str(tmp_path), 2)[0] == held_out
    paths[0].write_bytes(b"broken")
    assert len(photos_to_judge(str(tmp_path), 8)) == 2
    for path in paths[1:]:
        path.write_bytes(b"")
    with pytest.raises(FastnstError, match="none of the 3 photos can be read"):
        photos_to_judge(str(tmp_path), 8)


@pytest.mark.parametrize("data", ["./photos", "~/no photos here", "a/b/c", "painting.jpg", ""])
def test_a_path_that_does_not_exist_is_not_asked_of_the_hub(data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **kw: pytest.fail("asked the hub"))
    if data == "":
        with pytest.raises(FastnstError, match="no photos in this folder"):
            open_photos(data, validation_photos=2)
    else:
        with pytest.raises(FastnstError, match="no such folder"):
            open_photos(data, validation_photos=2)


def test_photos_win_over_shards_beside_them(tmp_path):
    write_folder(tmp_path, 4)
    write_shards(tmp_path, [[make_plain(1)] * 9])
    assert isinstance(open_photos(str(tmp_path), validation_photos=1), PhotoFolder)


def test_the_users_choice_about_progress_bars_is_kept(tmp_path, monkeypatch):
    write_folder(tmp_path, 4)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_DISABLE_PROGRESS_BARS", False)
    monkeypatch.setattr(datasets, "disable_progress_bars", lambda: pytest.fail("not asked"))
    open_photos(str(tmp_path), validation_photos=1)


def test_generated_photos_need_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos = open_photos("generated", validation_photos=3)
    assert isinstance(photos, GeneratedPhotos)
    assert photos_to_judge("generated", 2) == photos.validation[:2]
    images = validation_images(photos, 48)
    assert [max(image.shape) for image in images] == [48, 48, 48]


def test_a_folder_called_generated_is_given_as_a_path(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "generated", 8)
    with caplog.at_level(logging.INFO, logger="train"):
        assert isinstance(open_photos("generated", validation_photos=1), GeneratedPhotos)
    assert "the folder of this name is ./generated" in caplog.text
    assert len(open_photos("./generated", validation_photos=1)) == 7
    assert len(photos_to_judge("./generated", 2)) == 2


def test_a_folder_with_generated_photos_among_its_own(tmp_path):
    write_folder(tmp_path, 8)
    plain = open_photos(str(tmp_path), validation_photos=2)
    mixed = open_photos(str(tmp_path), validation_photos=2, generated_share=0.5)
    assert isinstance(mixed, MixedPhotos)
    assert (mixed.share, len(mixed.folder)) == (0.5, 6)
    assert mixed.validation == plain.validation


def test_generated_photos_are_mixed_into_a_folder_alone(tmp_path):
    write_shards(tmp_path, [[make_plain(number) for number in range(9)]])
    for data in ("generated", str(tmp_path)):
        with pytest.raises(FastnstError, match=r"--generated-share .* --data") as caught:
            open_photos(data, validation_photos=1, generated_share=0.5)
        assert "\n" not in str(caught.value)
