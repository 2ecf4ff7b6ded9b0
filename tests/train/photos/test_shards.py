"""Shards that are named themselves, here or in object storage, and how machines divide them."""

import io
import itertools
import tarfile
from collections import Counter
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from export.metadata import _data_name
from fastnst.errors import FastnstError
from tests.train.make_photos import make_plain, number_of, write_shards
from train.photos.crop_schedule import CropSchedule
from train.photos.loader import PhotoLoader
from train.photos.shards import shard_patterns
from train.photos.sources import open_photos

# Python 3.12 warns of fork beside threads, and torch of more workers than cores: neither is the subject.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]

SHARDS, ROWS = 8, 6


@pytest.fixture
def parquet(tmp_path):
    write_shards(tmp_path / "shards", [numbered(range(ROWS * n, ROWS * (n + 1))) for n in range(SHARDS)])
    return tmp_path / "shards"


def numbered(numbers):
    return [make_plain(number) for number in numbers]


def write_tar(file, numbers):
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number in numbers:
            content = make_plain(number)
            member = tarfile.TarInfo(f"{number:04d}.jpg")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def rows(photos):
    return [photo.source for shard in range(photos.num_shards) for _, photo in photos.rows(shard)]


def first_epoch(photos, rank, world_size, workers):
    """Return the numbers of the photos that a process takes in its first epoch."""
    loader = PhotoLoader(
        photos,
        batch_size=1,
        schedule=CropSchedule(8),
        seed=3,
        workers=workers,
        rank=rank,
        world_size=world_size,
    )
    numbers = []
    batches = iter(loader)
    for batch in itertools.islice(batches, 2 * SHARDS * ROWS):
        readers = batch.position["readers"]
        if readers[(batch.position["batches"] - 1) % len(readers)]["epoch"] == 0:
            numbers.append(number_of(batch.images[0]))
    batches.close()
    return numbers


def test_a_pattern_names_the_shards_that_are_streamed(parquet):
    photos = open_photos(str(parquet / "train-0000[2-4]*.parquet"), validation_photos=4)
    assert photos.num_shards == 3
    assert rows(photos) == numbered(range(2 * ROWS + 4, 5 * ROWS))
    one = open_photos(str(parquet / "train-00007-of-00008.parquet"), validation_photos=1)
    assert rows(one) == numbered(range(7 * ROWS + 1, 8 * ROWS))


def test_shards_in_object_storage_are_streamed_by_their_url(parquet):
    storage = fsspec.filesystem("memory")
    for shard in range(4):
        with storage.open(f"/bucket/coco-{shard:03d}.tar", "wb") as file:
            write_tar(file, range(ROWS * shard, ROWS * (shard + 1)))
    storage.pipe("/bucket/a.parquet", next(iter(sorted(parquet.iterdir()))).read_bytes())
    try:
        photos = open_photos("memory://bucket/coco-*.tar", validation_photos=1)
        assert rows(photos) == numbered(range(1, 4 * ROWS))
        photos = open_photos("memory://bucket/coco-{001..002}.tar", validation_photos=1)
        assert rows(photos) == numbered(range(ROWS + 1, 3 * ROWS))
        assert rows(open_photos("memory://bucket/*.parquet", validation_photos=1)) == numbered(range(1, ROWS))
    finally:
        storage.rm("/bucket", recursive=True)


class StrictStorage(MemoryFileSystem):
    """As that of Amazon, it refuses options that it does not know."""

    protocol = "strict"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def __init__(self, **options: Any) -> None:
        if unknown := options.keys() - {"skip_instance_cache"}:
            raise TypeError(f"unexpected keyword arguments {unknown}")
        super().__init__(**options)

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("strict://", "memory://"))


def test_tar_is_read_as_a_stream_without_options_that_storages_refuse(tmp_path):
    fsspec.register_implementation("strict", StrictStorage, clobber=True)
    with StrictStorage().open("/bucket/a.tar", "wb") as file:
        write_tar(file, range(5))
    with tarfile.open(tmp_path / "a.tar.part", "w") as archive:  # what is no photo is passed over
        for name, content in (("0.json", b"{}"), ("0.jpg", make_plain(0)), ("0.txt", b"a caption")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    StrictStorage().pipe("/bucket/b.tar", (tmp_path / "a.tar.part").read_bytes())
    photos = open_photos("strict://bucket/*.tar", validation_photos=2)
    assert photos.num_shards == 2
    assert rows(photos) == [*numbered(range(2, 5)), make_plain(0)]


@pytest.mark.parametrize("workers", [(0, 0), (2, 0)])
def test_no_photo_is_taken_twice_in_an_epoch_whatever_workers_the_machines_have(parquet, workers):
    photos = open_photos(str(parquet / "*.parquet"), validation_photos=2)
    seen = [first_epoch(photos, rank, 2, count) for rank, count in enumerate(workers)]
    assert Counter(seen[0] + seen[1]) == Counter(range(2, SHARDS * ROWS))
    assert len(seen[0]) >= (SHARDS / 2 - 1) * ROWS


def test_a_machine_goes_on_in_its_shards_exactly(parquet):
    photos = open_photos(str(parquet / "*.parquet"), validation_photos=2)

    def take(count, position=None):
        loader = iter(
            PhotoLoader(
                photos,
                batch_size=2,
                schedule=CropSchedule(8),
                seed=3,
                workers=0,
                rank=1,
                world_size=2,
                position=position,
            )
        )
        return list(itertools.islice(loader, count))

    whole = take(20)
    rest = take(9, whole[10].position)
    assert [batch.images.tolist() for batch in rest] == [batch.images.tolist() for batch in whole[11:]]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("{tmp}/missing-*.parquet", "there are no such shards"),
        ("{tmp}/missing-{{0..9}}.tar", "there are no such shards"),
        ("memory://missing/*.tar", "there are no such shards"),
        ("memory://missing/*.parquet", "there are no such shards"),
        ("memory://missing/a.tar", "shard 0 cannot be read: FileNotFoundError"),
        ("memory://missing/a.parquet", "these shards cannot be opened: "),
        ("nowhere://bucket/a.tar", "these shards cannot be opened: ValueError: Protocol not known"),
        ("nowhere://bucket/*.parquet", "these shards cannot be opened: ValueError: Protocol not known"),
        ("s3://bucket/coco", r"name the shards themselves, .* such as s3://bucket/coco/\*\.parquet"),
        ("a-{{9..1}}.tar", r"\{9\.\.1\} must rise, to at most"),
        ("a-{{0..9999999}}.tar", "to at most 1,000,000 names in all"),
    ],
)
def test_shards_that_cannot_be_had_are_one_line(tmp_path, data, line):
    with pytest.raises(FastnstError, match=line) as caught:
        open_photos(data.format(tmp=tmp_path), validation_photos=1)
    assert "\n" not in str(caught.value)


def test_ranges_are_written_out_and_the_home_is_found(tmp_path, monkeypatch):
    reader, names = shard_patterns("s3://a{8..10}/{00..01}.tar")
    assert (reader, names) == (
        "webdataset",
        [f"s3://{name}.tar" for name in ("a8/00", "a8/01", "a9/00", "a9/01", "a10/00", "a10/01")],
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.parquet").touch()
    assert shard_patterns("~/x.parquet") == ("parquet", [str(tmp_path / "x.parquet")])


def test_a_style_file_tells_the_folder_of_its_shards_alone():
    assert _data_name("s3://my-bucket/private/coco/train-{000..099}.tar") == "coco"
    assert _data_name("/home/me/coco/*.parquet") == "coco"
