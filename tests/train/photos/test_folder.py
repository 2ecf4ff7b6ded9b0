import io
import logging
import os
import tarfile
from pathlib import Path

import datasets
import numpy as np
import pytest

from fastnst.errors import FastnstError
from tests.train.make_photos import make_jpeg, make_plain, number_of, write_folder, write_shards
from train.photos import folder as photos_module
from train.photos.folder import MixedPhotos, PhotoFolder, open_photos, photos_to_judge, validation_images
from train.photos.generated import GeneratedPhotos
from train.photos.stream import PhotoStream

ASSETS = os.environ.get("FASTNST_ASSETS")


def names(photos):
    return [photos[index].name for index in range(len(photos))]


def stream_rows(photos):
    return [photo for shard in range(photos.num_shards) for _, photo in photos.rows(shard)]


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


def test_paths_and_not_photos_are_held(tmp_path, monkeypatch):
    """A folder of a hundred thousand photos must not be copied into the cache of `datasets`."""
    cache = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    write_folder(tmp_path / "photos", 4)
    photos = open_photos(str(tmp_path / "photos"), validation_photos=1)
    assert photos[0].source == photos[0].name
    assert not cache.exists()


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


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("Couldn't reach 'someone/photos' on the Hub\n(LocalEntryNotFoundError)"),
        datasets.exceptions.DatasetNotFoundError("Dataset 'someone/photos' doesn't exist on the Hub"),
        OSError(),
        ValueError("x" * 5000),
    ],
)
def test_an_unreachable_hub_is_one_line_that_offers_a_folder(error, monkeypatch):
    def fail(*args, **kw):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(
        FastnstError, match=r"someone/photos: .*Hugging Face hub .*folder of photos"
    ) as caught:
        open_photos("someone/photos", validation_photos=2)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert type(error).__name__ in str(caught.value)


@pytest.mark.parametrize("kind", ["struct", "binary"])
def test_shards_are_streamed_and_their_first_photos_held_out(tmp_path, kind):
    contents = [[make_plain(10 * shard + row) for row in range(10)] for shard in range(3)]
    write_shards(tmp_path, contents, kind=kind)
    photos = open_photos(str(tmp_path), validation_photos=12)
    assert isinstance(photos, PhotoStream)
    assert photos.num_shards == 3
    assert [number_of(image) for image in validation_images(photos, 8)] == list(range(12))
    assert [photo.source for photo in stream_rows(photos)] == [*contents[1][2:], *contents[2]]
    assert [row for row, _ in photos.rows(1, 5)] == [5, 6, 7, 8, 9]
    assert [row for row, _ in photos.rows(1)] == list(range(2, 10))


def test_the_validation_split_is_used_where_there_is_one(tmp_path):
    contents = [[make_plain(number) for number in range(10)]]
    write_shards(tmp_path, contents)
    write_shards(tmp_path, [[b"corrupt", *(make_plain(number) for number in range(60, 66))]], "validation")
    photos = open_photos(str(tmp_path), validation_photos=3)
    assert [number_of(image) for image in validation_images(photos, 8)] == [60, 61, 62]
    assert len(stream_rows(photos)) == 10


def test_corrupt_rows_are_held_out_with_the_photos_after_them(tmp_path):
    write_shards(tmp_path, [[b"", make_plain(1), None, make_plain(2)], [make_plain(n) for n in range(3, 9)]])
    photos = open_photos(str(tmp_path), validation_photos=2)
    assert [number_of(image) for image in validation_images(photos, 8)] == [1, 2]
    assert [photo.name.split()[0] for photo in stream_rows(photos)] == [f"1-{row}.jpg" for row in range(6)]


def test_image_columns_are_found_by_their_type(tmp_path):
    """As a data set pushed to the hub: the feature's type is in the file's metadata."""
    table = datasets.Dataset.from_dict(
        {"thumbnail_id": ["a"] * 8, "picture": [{"bytes": make_plain(n), "path": None} for n in range(8)]},
        features=datasets.Features(
            {"thumbnail_id": datasets.Value("string"), "picture": datasets.Image(decode=True)}
        ),
    )
    datasets.disable_progress_bars()
    table.to_parquet(str(tmp_path / "only-00000-of-00001.parquet"))
    photos = open_photos(str(tmp_path), validation_photos=2)
    assert [photo.name.split(" of ")[0] for photo in stream_rows(photos)] == [f"row {n}" for n in range(2, 8)]
    assert stream_rows(photos)[0].source == make_plain(2)


def test_webdataset_shards_stream_too(tmp_path):
    for shard in range(2):
        with tarfile.open(tmp_path / f"train-{shard}.tar", "w") as archive:
            for row in range(6):
                content = make_plain(10 * shard + row)
                member = tarfile.TarInfo(f"{shard}{row:03d}.jpg")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    photos = open_photos(str(tmp_path), validation_photos=2)
    assert photos.num_shards == 2
    assert [photo.source for photo in stream_rows(photos)] == [
        make_plain(n) for n in (2, 3, 4, 5, 10, 11, 12, 13, 14, 15)
    ]


def test_a_small_stream_is_mostly_trained_on(tmp_path):
    write_shards(tmp_path, [[make_plain(n) for n in range(5)], [make_plain(n) for n in range(5, 8)]])
    photos = open_photos(str(tmp_path), validation_photos=32)
    assert len(photos.validation) == 2
    assert len(stream_rows(photos)) == 6


@pytest.mark.parametrize(
    ("rows", "line"),
    [([[b"x", b"", None]], "none of its 3 photos can be read"), ([[make_plain(1)]], "holds one photo")],
)
def test_a_stream_that_cannot_train_is_one_line(tmp_path, rows, line):
    write_shards(tmp_path, rows)
    with pytest.raises(FastnstError, match=line):
        open_photos(str(tmp_path), validation_photos=2)


def test_a_data_set_without_images_is_one_line(tmp_path):
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"text": ["a"], "label": [1]}).to_parquet(str(tmp_path / "train.parquet"))
    with pytest.raises(FastnstError, match="no image column among text, label"):
        open_photos(str(tmp_path), validation_photos=2)


def test_a_broken_shard_is_one_line(tmp_path):
    write_shards(tmp_path, [[make_plain(1)] * 9, [make_plain(2)] * 9])
    shard = tmp_path / "train-00001-of-00002.parquet"
    photos = open_photos(str(tmp_path), validation_photos=2)
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(FastnstError, match="shard 1 cannot be read: ") as caught:
        list(photos.rows(1))
    assert "\n" not in str(caught.value)
    (tmp_path / "train-00000-of-00002.parquet").write_bytes(b"no parquet")
    with pytest.raises(FastnstError, match="cannot be read as a data set"):
        open_photos(str(tmp_path), validation_photos=2)


def test_photos_win_over_shards_beside_them(tmp_path):
    write_folder(tmp_path, 4)
    write_shards(tmp_path, [[make_plain(1)] * 9])
    assert isinstance(open_photos(str(tmp_path), validation_photos=1), PhotoFolder)


def test_the_users_choice_about_progress_bars_is_kept(tmp_path, monkeypatch):
    write_folder(tmp_path, 4)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_DISABLE_PROGRESS_BARS", False)
    monkeypatch.setattr(photos_module.datasets, "disable_progress_bars", lambda: pytest.fail("not asked"))
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


@pytest.mark.skipif(not ASSETS, reason="FASTNST_ASSETS does not name the folder of real photos")
def test_real_coco_photos():
    photos = open_photos(str(Path(ASSETS) / "coco" / "train2017"), validation_photos=8)
    assert len(photos) == 280
    images = validation_images(photos, 128)
    assert len(images) == 8
    assert all(max(image.shape) == 128 and image.std() > 10 for image in images)
