import errno
import gc
import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from tests.train.make_photos import encode, make_jpeg, make_pixels, write_shards
from tests.train.photos.numbered_photos import numbered_photo, put_slowly
from train.photos import cache as photo_cache
from train.photos import photo
from train.photos.cache import PhotoCache
from train.photos.crop_schedule import CropSchedule
from train.photos.data_module import PhotoDataModule
from train.photos.loader import PhotoLoader
from train.photos.sources import open_photos

ROOT = Path(__file__).parents[3]
ALONE = [sys.executable, "-m", "tests.train.photos.numbered_photos"]

pytestmark = [
    # Python 3.12 warns of fork beside threads, and torch of more workers than cores: neither is the subject.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]


@pytest.fixture
def cache():
    made = PhotoCache.create(40, 0.001)
    assert made is not None
    return made


@pytest.fixture
def full_after(monkeypatch):
    """Have the disk full after so many bytes; overwriting takes no space."""

    def limit(left, written):
        pwrite = os.pwrite

        def write(file, content, start):
            nonlocal left
            if start < written:
                return pwrite(file, content, start)
            part = memoryview(content)[: min(left, 50)]  # a system may take a part of what it is given
            if not part:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left -= len(part)
            return pwrite(file, part, start)

        monkeypatch.setattr(os, "pwrite", write)

    return limit


@pytest.fixture
def folder(tmp_path):
    """Photos of all kinds: large, rotated, with a palette, 16 bits, transparent; and one corrupt."""
    root = tmp_path / "photos"
    root.mkdir()
    for number in range(5):
        (root / f"{number}.jpg").write_bytes(make_jpeg(60 + number, 50, number))
    (root / "large.jpg").write_bytes(make_jpeg(400, 300, 7))
    exif = Image.Exif()
    exif[0x0112] = 6
    rotated = Image.fromarray(make_pixels(90, 40, 8))
    (root / "rotated.jpg").write_bytes(encode(rotated, exif=exif))
    (root / "cmyk.jpg").write_bytes(encode(rotated.convert("CMYK")))
    (root / "palette.png").write_bytes(encode(rotated.quantize(32), "PNG"))
    (root / "large.png").write_bytes(encode(rotated.resize((360, 160)).convert("RGBA"), "PNG"))
    (root / "deep.png").write_bytes(
        encode(Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30)), "PNG")
    )
    ramp = np.linspace(0, 3, 900, dtype=np.float32).reshape(30, 30)  # a crop may hold no value above 1
    (root / "float.tiff").write_bytes(encode(Image.fromarray(ramp), "TIFF"))
    (root / "corrupt.jpg").write_bytes(make_jpeg(80, 80)[:700])
    return open_photos(str(root), validation_photos=0)


def batches(photos, count, **options):
    options = {"batch_size": 4, "schedule": CropSchedule(16), "seed": 7, "workers": 0} | options
    loader = iter(PhotoLoader(photos, **options))
    result = list(itertools.islice(loader, count))
    loader.close()
    return result


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one.images, other.images)
        assert one.position == other.position
        assert one.skipped == other.skipped


def test_what_is_put_is_found(cache):
    for number in (3, 0, 39):
        assert cache.get(number) is None
        cache.put(number, numbered_photo(number))
    for number in (39, 3, 0):
        np.testing.assert_array_equal(cache.get(number), numbered_photo(number))
        assert not cache.get(number).flags.writeable
    assert cache.get(1) is None
    assert cache.failure is None


def test_pixels_that_are_not_in_one_piece_are_kept(cache):
    cache.put(0, numbered_photo(5)[::-1, ::-1])
    np.testing.assert_array_equal(cache.get(0), numbered_photo(5)[::-1, ::-1])


def test_what_is_there_is_not_written_again(cache):
    cache.put(2, numbered_photo(2))
    cache.put(2, numbered_photo(3))
    np.testing.assert_array_equal(cache.get(2), numbered_photo(2))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_same_with_and_without(folder, workers):
    plain = batches(folder, 16)
    kept = PhotoCache.create(len(folder))
    assert_same(batches(folder, 16, workers=workers, cache=kept), plain)
    there = [kept.get(index) is not None for index in range(len(folder))]
    assert there == [Path(folder[index].name).name != "corrupt.jpg" for index in range(len(folder))]
    # Another loader, of which every batch comes out of what the first one's processes kept.
    assert_same(batches(folder, 16, workers=workers, cache=kept), plain)
    assert any(batch.skipped for batch in plain)


def test_a_photo_is_decoded_once(folder, monkeypatch):
    decoded = []
    opened = photo.open_regular_file
    monkeypatch.setattr(photo, "open_regular_file", lambda name: decoded.append(name) or opened(name))
    batches(folder, 16, cache=PhotoCache.create(len(folder)))
    good = [name for name in decoded if "corrupt" not in name]
    assert sorted(good) == sorted(
        {folder[index].name for index in range(len(folder))} - set(decoded) | set(good)
    )
    assert len(good) == len(folder) - 1


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_resumes_exactly_with_and_without(folder, workers):
    kept = PhotoCache.create(len(folder))
    whole = batches(folder, 14, cache=kept, workers=workers)
    for done in (2, 9):
        position = json.loads(json.dumps(whole[done - 1].position))
        for cache in (None, kept, PhotoCache.create(len(folder))):
            rest = batches(folder, 14 - done, position=position, cache=cache, workers=workers)
            assert_same(rest, whole[done:])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_that_write_together_lose_nothing(method):
    """Forked, as workers are on Linux, and spawned, as they are on macOS."""
    cache = PhotoCache.create(400, 0.001)
    context = multiprocessing.get_context(method)
    # Each number from two processes at about the same time.
    processes = [
        context.Process(target=put_slowly, args=(cache, range(part, 400, 2))) for part in (0, 1, 0, 1)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    for number in range(400):
        np.testing.assert_array_equal(cache.get(number), numbered_photo(number))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process find a file without a name")
def test_a_process_that_is_no_child_attaches(cache):
    cache.put(1, numbered_photo(1))
    subprocess.run([*ALONE, "attach_and_put", cache.path], cwd=ROOT, check=True)
    np.testing.assert_array_equal(cache.get(2), numbered_photo(2))


def test_a_cache_that_cannot_be_reached_is_told(tmp_path, caplog):
    assert PhotoCache.attach(str(tmp_path / "gone"), 40) is None
    assert "not shared: No such file" in caplog.text


def test_a_photo_is_absent_or_whole_whenever_one_looks(cache, monkeypatch):
    """So a process that dies, or is looked upon, between any two writes does no harm."""
    pwrite = os.pwrite
    looks = []

    def look_and_write(file, content, start):
        looks.append(cache.get(4))
        return pwrite(file, memoryview(content)[:1], start)  # one byte at a time

    monkeypatch.setattr(os, "pwrite", look_and_write)
    # Far enough into the file for its place to be a number of several bytes that are not 0.
    for number in (3, 1, 4):
        cache.put(number, numbered_photo(number))
    assert len(looks) > 200
    assert looks[0] is None
    for look in looks:
        assert look is None or np.array_equal(look, numbered_photo(4))
    np.testing.assert_array_equal(cache.get(4), numbered_photo(4))


def test_a_photo_that_was_left_half_written_is_written_again(cache, monkeypatch):
    class DiedError(BaseException):
        pass

    pwrite = os.pwrite
    calls = itertools.count()

    def die(file, content, start):
        if next(calls) == 2:  # its place is reserved, and its pixels are written
            raise DiedError
        return pwrite(file, content, start)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", die)
        with pytest.raises(DiedError):
            cache.put(4, numbered_photo(4))
    assert cache.get(4) is None
    for number in (5, 4):
        cache.put(number, numbered_photo(number))
        np.testing.assert_array_equal(cache.get(number), numbered_photo(number))


@pytest.mark.parametrize("workers", [0, 2])
def test_where_there_is_no_room_for_all_the_rest_is_decoded(folder, workers, caplog):
    kept = PhotoCache.create(len(folder), 30_000 / 1e9)
    assert_same(batches(folder, 14, cache=kept, workers=workers), batches(folder, 14))
    assert 0 < sum(kept.get(index) is not None for index in range(len(folder))) < len(folder) - 1
    assert "no more decoded photos" not in caplog.text  # this is as it was asked for


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("left", [0, 500, 20_000])
def test_a_full_disk_is_told_once_and_ends_nothing(folder, workers, left, caplog, full_after):
    plain = batches(folder, 14)
    kept = PhotoCache.create(len(folder), 0.01)
    full_after(left, written=8 * (2 + len(folder)))
    assert_same(batches(folder, 14, cache=kept, workers=workers), plain)
    assert sum(kept.get(index) is not None for index in range(len(folder))) < len(folder) - 1
    assert caplog.text.count("no more decoded photos are kept: No space left on device") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_cache_that_cannot_be_made_is_told(caplog):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = open_files()
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        assert PhotoCache.create(5, 0.01) is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "decoded photos are not kept: File too large" in caplog.text
    assert open_files() == before


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no files in memory")
def test_a_quarter_of_the_free_memory_is_taken_and_more_than_half_goes_to_the_disk(monkeypatch):
    monkeypatch.setattr(photo_cache, "free_memory", lambda: 8_000_000)

    def kind(cache):
        return str(Path(cache.path).readlink()).split(":")[0]

    assert PhotoCache.create(5).gigabytes == 0.002
    assert kind(PhotoCache.create(5)) == kind(PhotoCache.create(5, 0.004)) == "/memfd"
    on_disk = PhotoCache.create(5, 0.0041)
    assert kind(on_disk).startswith(tempfile.gettempdir())
    on_disk.put(0, numbered_photo(0))
    np.testing.assert_array_equal(on_disk.get(0), numbered_photo(0))
    assert PhotoCache.create(5, 1e9).gigabytes < 1e6  # of a disk it takes half of what is free


def test_nothing_is_left_of_a_process_that_was_killed(tmp_path):
    variables = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [*ALONE, "fill_and_wait"], cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "filled\n"
        during = list(tmp_path.iterdir())
        process.send_signal(signal.SIGKILL)
    assert during == list(tmp_path.iterdir()) == []


def test_a_cache_goes_with_its_last_user():
    before = open_files()
    cache = PhotoCache.create(40, 0.001)
    cache.put(0, numbered_photo(0))
    pixels = cache.get(0)
    del cache
    assert open_files() > before
    np.testing.assert_array_equal(pixels, numbered_photo(0))  # what was taken out of it stays
    del pixels
    assert open_files() == before


def open_files():
    gc.collect()
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize(
    ("cache_gb", "steps", "kept"), [(None, 4, True), (0.5, 4, True), (0.0, 4, False), (None, 3, False)]
)
def test_a_run_keeps_photos_unless_told_or_it_meets_none_twice(folder, cache_gb, steps, kept):
    cache = loader(folder, cache_gb, max_steps=steps).cache
    assert (cache is not None) == kept
    assert cache_gb is None or cache is None or cache.gigabytes == cache_gb


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process find a file without a name")
def test_the_processes_of_a_machine_share_one_cache(folder, monkeypatch):
    """Four processes on two machines: the first of each makes its cache, and the second has the same."""
    caches, paths = [], [None] * 4

    def gather(found, mine):
        if isinstance(mine, tuple):  # what each process trains on
            found[:] = 4 * [mine]
            return
        paths[len(caches)] = mine
        found[:] = paths

    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    for rank in range(4):
        place = {"world_size": 4, "local_rank": rank % 2, "global_rank": rank}
        caches.append(loader(folder, 0.001, max_steps=1, **place).cache)
    for rank, cache in enumerate(caches):
        cache.put(rank, numbered_photo(rank))
    there = [[cache.get(number) is not None for number in range(4)] for cache in caches]
    assert there == 2 * [[True, True, False, False]] + 2 * [[False, False, True, True]]


def test_streams_are_not_kept(tmp_path):
    write_shards(tmp_path, [[make_jpeg(seed=number) for number in range(4)]])
    stream = open_photos(str(tmp_path), validation_photos=1)
    assert loader(stream, None, max_steps=1000).cache is None


def loader(photos, cache_gb, **trainer):
    """The loader of one process of a run."""
    module = PhotoDataModule(
        photos,
        batch_size=4,
        schedule=CropSchedule(16),
        crop_scale=(0.25, 1.0),
        seed=0,
        workers=0,
        cache_gb=cache_gb,
    )
    place = {"world_size": 1, "local_rank": 0, "global_rank": 0}
    module.trainer = cast("Any", SimpleNamespace(**place | trainer))
    return module.train_dataloader()
