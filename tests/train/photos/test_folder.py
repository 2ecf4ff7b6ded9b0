import logging
import os
from pathlib import Path

import numpy as np
import pytest

from fastnst.errors import FastnstError
from tests.train.make_photos import make_jpeg, make_plain, number_of, write_folder
from train.photos.folder import PhotoFolder
from train.photos.sources import open_photos, validation_images

ASSETS = os.environ.get("FASTNST_ASSETS")


def names(photos):
    return [photos[index].name for index in range(len(photos))]


def test_a_nested_folder_is_divided_into_training_and_validation(tmp_path):
    paths = {str(path) for path in write_folder(tmp_path, 20)}
    photos = open_photos(str(tmp_path), validation_photos=4)
    assert isinstance(photos, PhotoFolder)
    held_out = {photo.name for photo in photos.validation}
    assert len(photos) == 16
    assert len(held_out) == 4
    assert set(names(photos)) | held_out == paths


def test_validation_photos_stay_the_same(tmp_path):
    """The same photos when opened again, when others join, and when the folder moves."""
    write_folder(tmp_path / "a", 40)
    first = open_photos(str(tmp_path / "a"), validation_photos=5)
    again = open_photos(str(tmp_path / "a"), validation_photos=5)
    assert names(first) == names(again)
    assert first.validation == again.validation
    (tmp_path / "a").rename(tmp_path / "b")
    moved = open_photos(str(tmp_path / "b"), validation_photos=5)
    held_out = [Path(photo.name).name for photo in first.validation]
    assert [Path(photo.name).name for photo in moved.validation] == held_out
    write_folder(tmp_path / "b", 4, first=40)
    grown = open_photos(str(tmp_path / "b"), validation_photos=5)
    assert len({Path(photo.name).name for photo in grown.validation} & set(held_out)) >= 3
    other = open_photos(str(tmp_path / "b"), validation_photos=5, seed=1)
    assert other.validation != grown.validation


def test_files_that_are_no_photos_are_left_alone(tmp_path):
    write_folder(tmp_path, 4)
    (tmp_path / "UPPER.JPEG").write_bytes(make_plain(50))
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "._0000.jpg").write_bytes(b"Mac OS X        resource fork")
    for hidden in (".thumbnails", "__MACOSX"):
        (tmp_path / hidden).mkdir()
        (tmp_path / hidden / "x.jpg").write_bytes(b"")
    photos = open_photos(str(tmp_path), validation_photos=0)
    assert sorted(Path(name).name for name in names(photos)) == [
        "0000.jpg",
        "0001.jpg",
        "0002.jpg",
        "0003.jpg",
        "UPPER.JPEG",
    ]
    assert photos.validation == ()


def test_links_are_followed_and_loops_are_not(tmp_path):
    write_folder(tmp_path / "real", 6)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "to").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "real")
    assert len(open_photos(str(tmp_path / "linked"), validation_photos=0)) == 6


def test_names_in_any_script(tmp_path):
    (tmp_path / "Фото 写真 é.jpg").write_bytes(make_plain(1))
    (tmp_path / "b.jpg").write_bytes(make_plain(2))
    photos = open_photos(str(tmp_path), validation_photos=1)
    assert number_of(validation_images(photos, 8)[0]) in (1, 2)


def test_a_name_that_is_not_utf8_is_left_out_and_said(tmp_path, caplog):
    write_folder(tmp_path, 2)
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(make_plain(3))
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    assert len(open_photos(str(tmp_path), validation_photos=0)) == 2
    assert "1 photos are left out" in caplog.text


def test_a_scan_is_logged_and_nothing_printed(tmp_path, caplog, capfd):
    write_folder(tmp_path, 6)
    with caplog.at_level(logging.INFO, logger="train"):
        open_photos(str(tmp_path), validation_photos=1)
    assert "6 photos in" in caplog.text
    assert capfd.readouterr() == ("", "")


def test_paths_and_not_photos_are_held(tmp_path):
    write_folder(tmp_path, 5)
    unusual = "zürich\nat night.jpg"
    (tmp_path / unusual).write_bytes(make_jpeg(8, 8))
    photos = open_photos(str(tmp_path), validation_photos=1)
    assert isinstance(photos, PhotoFolder)
    assert len(photos) == 5
    held = {photo.name for photo in photos.validation}
    assert names(photos) == sorted({str(path) for path in tmp_path.rglob("*.jp*g")} - held)
    assert photos[-1] == photos[4]
    assert photos[0].source == photos[0].name
    for index in (5, -6):
        with pytest.raises(IndexError):
            photos[index]


def test_corrupt_validation_photos_are_replaced(tmp_path):
    write_folder(tmp_path, 20)
    first = open_photos(str(tmp_path), validation_photos=3)
    Path(first.validation[0].name).write_bytes(b"")
    photos = open_photos(str(tmp_path), validation_photos=3)
    assert len(photos.validation) == 3
    assert photos.validation[:2] == first.validation[1:]
    assert len(validation_images(photos, 16)) == 3
    # The corrupt one is left to training, which names it; nothing is in both.
    assert first.validation[0].name in names(photos)
    assert not {photo.name for photo in photos.validation} & set(names(photos))


def test_validation_images_are_whole_and_scaled(tmp_path):
    (tmp_path / "wide.jpg").write_bytes(make_jpeg(200, 100))
    (tmp_path / "tall.jpg").write_bytes(make_jpeg(30, 40))
    for number in range(8):
        (tmp_path / f"panorama{number}.jpg").write_bytes(make_jpeg(300, 2))
    photos = PhotoFolder(map(str, tmp_path.iterdir()), validation_photos=2)
    every = photos.validation + tuple(photos[index] for index in range(len(photos)))
    photos.validation = tuple(sorted(every, key=lambda photo: photo.name))
    images = validation_images(photos, 64)
    assert {image.shape for image in images} == {(16, 64, 3), (64, 48, 3), (32, 64, 3)}
    assert all(image.dtype == np.uint8 for image in images)
    again = validation_images(photos, 64)
    assert all((one == other).all() for one, other in zip(images, again, strict=True))


def test_a_validation_photo_that_disappears_is_left_out(tmp_path, caplog):
    write_folder(tmp_path, 12)
    photos = open_photos(str(tmp_path), validation_photos=3)
    Path(photos.validation[1].name).unlink()
    assert len(validation_images(photos, 16)) == 2
    assert photos.validation[1].name in caplog.text


def test_few_photos_are_mostly_trained_on(tmp_path, caplog):
    write_folder(tmp_path, 6)
    photos = open_photos(str(tmp_path), validation_photos=32)
    assert len(photos) == 5
    assert len(photos.validation) == 1
    assert "of 6 photos, 1 are held out" in caplog.text


@pytest.mark.parametrize(
    ("prepare", "line"),
    [
        (lambda folder: None, "no photos in this folder"),
        (lambda folder: (folder / "notes.txt").write_text("x"), "no photos in this folder"),
        (lambda folder: (folder / "._a.jpg").write_text("x"), "no photos in this folder"),
        (lambda folder: write_folder(folder, 1), "the only photo"),
        (lambda folder: [(folder / f"{n}.jpg").write_text("x") for n in range(9)], "none of the 9 photos"),
        (lambda folder: folder.rmdir(), "no such folder"),
        (lambda folder: (folder.rmdir(), folder.write_text("x")), "is a file"),
    ],
    ids=["empty", "no photos", "hidden", "one", "all corrupt", "missing", "file"],
)
def test_a_folder_that_cannot_train_is_one_line(tmp_path, prepare, line):
    folder = tmp_path / "photos"
    folder.mkdir()
    prepare(folder)
    with pytest.raises(FastnstError, match=line) as caught:
        open_photos(str(folder), validation_photos=2)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.skipif(not ASSETS, reason="FASTNST_ASSETS does not name the folder of real photos")
def test_real_coco_photos():
    photos = open_photos(str(Path(ASSETS) / "coco" / "train2017"), validation_photos=8)
    assert len(photos) == 280
    images = validation_images(photos, 128)
    assert len(images) == 8
    assert all(max(image.shape) == 128 and image.std() > 10 for image in images)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_only_regular_files_are_photos(tmp_path):
    paths = write_folder(tmp_path, 3)
    (tmp_path / "linked.jpg").symlink_to(paths[0])
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    (tmp_path / "nowhere.jpg").symlink_to("nothing")
    (tmp_path / "itself.jpg").symlink_to("itself.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "folder.jpg" / "inside.jpg").write_bytes(make_plain(50))
    photos = open_photos(str(tmp_path), validation_photos=0)
    found = sorted(Path(name).name for name in names(photos))
    assert found == ["0000.jpg", "0001.jpg", "0002.jpg", "inside.jpg", "linked.jpg"]
