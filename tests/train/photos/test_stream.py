import io
import tarfile

import datasets
import pytest

from fastnst.errors import FastnstError
from tests.train.make_photos import make_plain, number_of, write_shards
from train.photos.sources import open_photos, validation_images
from train.photos.stream import PhotoStream


def stream_rows(photos):
    return [photo for shard in range(photos.num_shards) for _, photo in photos.rows(shard)]


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
