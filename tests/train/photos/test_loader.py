import itertools
import json
import os
import pickle
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fastnst.errors import FastnstError
from tests.train.make_photos import encode, make_plain, number_of, write_folder, write_shards
from train.generated.photo.image import GeneratedImage
from train.machine.stop_signal import StoppedWaiting, StopSignal
from train.photos import stream_batches
from train.photos.batches import Crops
from train.photos.crop_schedule import CropSchedule
from train.photos.generated import GeneratedPhotos, generated_photo
from train.photos.loader import PhotoLoader
from train.photos.photo import decode_photo
from train.photos.sources import MixedPhotos, open_photos

ASSETS = os.environ.get("FASTNST_ASSETS")

pytestmark = [
    # Python 3.12 warns of fork beside threads, and torch of more workers than cores: neither is the subject.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]


def batches(photos, count, **options):
    options = {"batch_size": 4, "image_size": 8, "seed": 7, "workers": 0} | options
    size = options.pop("image_size")
    options.setdefault("schedule", CropSchedule(size))
    loader = iter(PhotoLoader(photos, **options))
    result = list(itertools.islice(loader, count))
    loader.close()
    return result


def numbers(batch_list):
    return [number_of(image) for batch in batch_list for image in batch.images]


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one.images, other.images)
        assert one.position == other.position
        assert one.skipped == other.skipped


@pytest.fixture
def folder(tmp_path):
    """Twenty-one photos, two of them corrupt."""
    root = tmp_path / "folder"
    write_folder(root, 21)
    (root / "odd" / "0003.jpg").write_bytes(b"")
    whole = (root / "even" / "0010.jpg").read_bytes()
    (root / "even" / "0010.jpg").write_bytes(whole[: len(whole) // 2])
    return open_photos(str(root), validation_photos=3)


@pytest.fixture
def stream(tmp_path, monkeypatch):
    """Five shards of seven to eleven photos, two of them corrupt, shuffled in blocks of four."""
    monkeypatch.setattr(stream_batches, "_BLOCK", 4)
    shards: list[list[bytes | None]] = [
        [make_plain(12 * shard + row) for row in range(7 + shard)] for shard in range(5)
    ]
    shards[2][3] = b"corrupt"
    shards[4][0] = None
    write_shards(tmp_path / "stream", shards)
    return open_photos(str(tmp_path / "stream"), validation_photos=3)


def readable_numbers(photos):
    """The numbers of a stream's readable training photos, read without the loader."""
    stored = {make_plain(number): number for number in range(60)}
    rows = [photo for shard in range(photos.num_shards) for _, photo in photos.rows(shard)]
    return sorted(stored[photo.source] for photo in rows if photo.source in stored)


def test_a_batch_is_uint8_and_its_position_plain(folder, stream):
    for photos in (folder, stream):
        (batch,) = batches(photos, 1, batch_size=3, image_size=16)
        assert batch.images.shape == (3, 3, 16, 16)
        assert batch.images.dtype == torch.uint8
        assert batch.images.is_contiguous()
        assert json.loads(json.dumps(batch.position)) == batch.position


def test_every_photo_is_seen_once_in_each_epoch(tmp_path):
    write_folder(tmp_path, 24)
    photos = open_photos(str(tmp_path), validation_photos=4)
    held_out = {int(Path(photo.name).stem) for photo in photos.validation}
    seen = numbers(batches(photos, 15))
    epochs = [seen[start : start + 20] for start in (0, 20, 40)]
    for epoch in epochs:
        assert set(epoch) == set(range(24)) - held_out
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert sorted(seen) != seen


def test_the_crops_of_a_photo_differ_between_epochs(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / f"{number}.png")
    first, second = batches(open_photos(str(tmp_path), validation_photos=0), 2)
    crops = [*first.images, *second.images]
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(crops, 2))


def test_corrupt_photos_are_named_and_replaced(folder):
    made = batches(folder, 9)
    assert {Path(name).name for batch in made for name in batch.skipped} == {"0003.jpg", "0010.jpg"}
    assert all(len(batch.images) == 4 for batch in made)
    held_out = {int(Path(photo.name).stem) for photo in folder.validation}
    assert set(numbers(made)) == set(range(21)) - held_out - {3, 10}
    assert all(len(batch.skipped) == len(set(batch.skipped)) for batch in made)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("source", ["folder", "stream"])
def test_a_resumed_loader_goes_on_exactly(source, workers, request):
    photos = request.getfixturevalue(source)
    whole = batches(photos, 24, workers=workers)
    for done in (1, 7) if workers else (1, 2, 5, 9, 14, 20):
        # The position goes through a checkpoint.
        position = json.loads(json.dumps(whole[done - 1].position))
        assert_same(batches(photos, 24 - done, workers=workers, position=position), whole[done:])


def test_the_number_of_workers_does_not_change_a_folders_batches(folder):
    assert_same(batches(folder, 10, workers=2), batches(folder, 10))


def test_a_resumed_stream_keeps_its_readers(stream, caplog):
    """Batches depend on how many readers there are; with other workers, the same readers are shared out."""
    whole = batches(stream, 20, workers=2)
    assert_same(batches(stream, 13, workers=0, position=whole[6].position), whole[7:])
    assert_same(batches(stream, 12, workers=1, position=whole[7].position), whole[8:])
    assert "decode instead" not in caplog.text
    assert_same(batches(stream, 13, workers=3, position=whole[6].position), whole[7:])
    assert "2 workers decode instead of 3: the run began with 2 readers" in caplog.text


def test_a_loader_can_be_iterated_again(folder, stream):
    for photos in (folder, stream):
        loader = PhotoLoader(photos, batch_size=2, schedule=CropSchedule(8), seed=0, workers=0)
        first, second = (list(itertools.islice(loader, 3)) for _ in range(2))
        assert_same(first, second)


def test_workers_that_do_not_fork_make_the_same(folder, stream):
    """Where processes are spawned (Windows, macOS, Python 3.14), the photos travel to them pickled."""
    for photos in (folder, stream):
        copied = pickle.loads(pickle.dumps(photos))
        assert_same(batches(copied, 3), batches(photos, 3))


def test_the_seed_decides(folder, stream):
    for photos in (folder, stream):
        one, other = batches(photos, 5), batches(photos, 5, seed=8)
        assert numbers(one) != numbers(other)


@pytest.mark.parametrize("workers", [0, 2])
def test_two_processes_make_the_batches_of_one(folder, workers):
    one = batches(folder, 6, batch_size=8)
    ranks = [batches(folder, 6, batch_size=4, workers=workers, rank=rank, world_size=2) for rank in range(2)]
    for whole, first, second in zip(one, *ranks, strict=True):
        assert torch.equal(whole.images, torch.cat([first.images, second.images]))
        assert whole.position == first.position == second.position


def test_a_folders_position_serves_any_number_of_processes(folder):
    one = batches(folder, 6, batch_size=8)
    second = batches(folder, 3, batch_size=4, rank=1, world_size=2, position=one[2].position)
    for whole, part in zip(one[3:], second, strict=True):
        assert torch.equal(whole.images[4:], part.images)


@pytest.mark.parametrize("readers", [1, 2, 3])
def test_a_stream_shows_every_photo_once_in_each_epoch(stream, readers):
    expected = Counter(readable_numbers(stream))
    seen = [Counter(), Counter()]
    # Readers go through the epochs at their own pace, so enough for each to be through two.
    for batch in batches(stream, 100 * readers, batch_size=1, workers=readers):
        latest = batch.position["readers"][(batch.position["batches"] - 1) % readers]
        if latest["epoch"] < 2:
            seen[latest["epoch"]][number_of(batch.images[0])] += 1
    assert seen == [expected, expected]


def test_a_stream_is_shuffled_and_leaves_validation_out(stream):
    seen = numbers(batches(stream, 9))
    assert not {0, 1, 2} & set(seen)
    expected = readable_numbers(stream)
    assert [number for number in expected if number in seen] != seen


def test_corrupt_rows_of_a_stream_are_named_and_passed_over(stream):
    made = batches(stream, 15)
    skipped = {name for batch in made for name in batch.skipped}
    assert {name.split()[0] for name in skipped} == {"2-3.jpg", "4-0.jpg"}
    assert all(len(batch.images) == 4 for batch in made)


@pytest.mark.parametrize("world_size", [2, 7])
def test_processes_divide_a_stream(stream, world_size):
    """Each by shards of its own, or by rows where there are fewer shards than processes."""
    expected = Counter(readable_numbers(stream))
    seen: Counter[int] = Counter()
    for rank in range(world_size):
        for batch in batches(stream, 60, batch_size=1, rank=rank, world_size=world_size):
            if batch.position["readers"][0]["epoch"] == 0:
                seen[number_of(batch.images[0])] += 1
    assert seen == expected


def test_each_process_resumes_its_part_of_a_stream(stream):
    whole = batches(stream, 12, workers=2, rank=1, world_size=2)
    rest = batches(stream, 7, workers=2, rank=1, world_size=2, position=whole[4].position)
    assert_same(rest, whole[5:])
    with pytest.raises(FastnstError, match="with rank 1, not 0"):
        batches(stream, 1, rank=0, world_size=2, position=whole[4].position)


def test_more_workers_than_shards_are_not_used(tmp_path, caplog):
    write_shards(tmp_path, [[make_plain(number) for number in range(9)]])
    photos = open_photos(str(tmp_path), validation_photos=1)
    assert len(batches(photos, 6, workers=2)) == 6
    assert "1 workers decode instead of 2" in caplog.text
    assert "1 shards" in caplog.text


def test_a_position_of_other_photos_is_one_line(folder, stream, caplog):
    (of_folder,), (of_stream,) = batches(folder, 1), batches(stream, 1)
    with pytest.raises(FastnstError, match="not on a folder"):
        batches(folder, 1, position=of_stream.position)
    with pytest.raises(FastnstError, match="not on a streamed data set"):
        batches(stream, 1, position=of_folder.position)
    assert not caplog.records
    batches(folder, 1, position={**of_folder.position, "photos": 99})
    assert "18 photos to train on and had 99" in caplog.text


@pytest.mark.parametrize("workers", [0, 1])
def test_photos_that_all_become_unreadable_end_the_run_with_a_line(tmp_path, workers):
    paths = write_folder(tmp_path, 6)
    photos = open_photos(str(tmp_path), validation_photos=0)
    for path in paths:
        path.unlink()
    with pytest.raises(FastnstError, match=r"^6 photos in a row cannot be read, the last ") as caught:
        batches(photos, 1, workers=workers)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stream_without_readable_photos_ends_with_a_line(tmp_path, workers):
    write_shards(tmp_path, [[b"x", None], [b""]])
    write_shards(tmp_path, [[make_plain(1)]], "validation")
    photos = open_photos(str(tmp_path), validation_photos=1)
    with pytest.raises(FastnstError, match=r"^1000 photos in a row cannot be read"):
        batches(photos, 1, workers=workers)


def test_a_process_that_gets_no_rows_ends_with_a_line(tmp_path):
    write_shards(tmp_path, [[make_plain(1), make_plain(2)]])
    photos = open_photos(str(tmp_path), validation_photos=0)
    assert len(batches(photos, 3, rank=1, world_size=3)) == 3
    with pytest.raises(FastnstError, match="no photos to train on"):
        batches(photos, 1, rank=2, world_size=3)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stream_that_breaks_for_good_ends_with_a_line(tmp_path, workers):
    write_shards(tmp_path, [[make_plain(number) for number in range(9)]])
    photos = open_photos(str(tmp_path), validation_photos=1)
    next(tmp_path.glob("*.parquet")).unlink()
    with pytest.raises(FastnstError, match="shard 0 cannot be read") as caught:
        batches(photos, 1, workers=workers)
    assert "\n" not in str(caught.value)


def test_global_random_state_neither_matters_nor_changes(folder, stream):
    for photos in (folder, stream):
        expected = batches(photos, 4, workers=1)
        torch.manual_seed(1)
        random.seed(1)
        before = torch.get_rng_state(), random.getstate()
        assert_same(batches(photos, 4, workers=1), expected)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert random.getstate() == before[1]


@pytest.fixture
def made_of(monkeypatch):
    """Have generated images cost nothing and show their number; return how to read it off a crop.

    Images of the generator are grey of an even level then, photos of `make_plain` of an odd one.
    """

    def pixels(image, longer_side):
        return np.full((24, 20, 3), 2 * (image.number % 128), np.uint8)

    monkeypatch.setattr(GeneratedImage, "pixels", pixels)
    return lambda batch_list: [round(float(image.float().mean())) for b in batch_list for image in b.images]


def test_generated_photos_come_one_after_the_other_and_never_again(made_of):
    photos = open_photos("generated", validation_photos=2)
    assert made_of(batches(photos, 8, batch_size=3)) == [2 * number for number in range(24)]


def test_large_batches_cut_two_crops_of_each_generated_photo(made_of):
    """Whatever the processes: it goes by the batch that all make together."""
    photos = open_photos("generated", validation_photos=2)
    pairs = [2 * (sample // 2) for sample in range(16)]
    assert made_of(batches(photos, 2, batch_size=8)) == pairs
    ranks = [made_of(batches(photos, 2, batch_size=4, rank=rank, world_size=2)) for rank in range(2)]
    assert ranks == [pairs[:4] + pairs[8:12], pairs[4:8] + pairs[12:]]


def test_two_crops_of_one_generated_photo_differ():
    (batch,) = batches(open_photos("generated", validation_photos=0), 1, batch_size=8)
    assert not torch.equal(batch.images[0], batch.images[1])


def test_workers_and_processes_make_generated_photos_apart(made_of):
    photos = open_photos("generated", validation_photos=2)
    one = batches(photos, 6, batch_size=6)
    assert_same(batches(photos, 6, batch_size=6, workers=2), one)
    ranks = [batches(photos, 6, batch_size=3, rank=rank, world_size=2) for rank in range(2)]
    assert set(made_of(ranks[0])).isdisjoint(made_of(ranks[1]))
    for whole, first, second in zip(one, *ranks, strict=True):
        assert torch.equal(whole.images, torch.cat([first.images, second.images]))


@pytest.mark.parametrize("workers", [0, 1])
def test_generated_photos_resume_exactly(workers):
    photos = open_photos("generated", validation_photos=1)
    whole = batches(photos, 4, batch_size=2, workers=workers)
    position = json.loads(json.dumps(whole[1].position))
    assert_same(batches(photos, 2, batch_size=2, workers=workers, position=position), whole[2:])


def test_the_seed_decides_on_generated_photos():
    photos = open_photos("generated", validation_photos=1)
    (one,), (other,) = batches(photos, 1, batch_size=2), batches(photos, 1, batch_size=2, seed=8)
    assert not torch.equal(one.images, other.images)
    expected = decode_photo(generated_photo(8, 0), 8)
    assert abs(other.images[0].float().mean() - expected.mean()) < 50


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_generated_photos_are_spread_evenly_among_those_of_a_folder(share, tmp_path, made_of):
    write_folder(tmp_path, 24)
    photos = open_photos(str(tmp_path), validation_photos=4, generated_share=share)
    levels = made_of(batches(photos, 50))
    for start in range(0, 200, 20):
        part = levels[start : start + 20]
        assert sum(level % 2 == 0 for level in part) == pytest.approx(20 * share, abs=1)
    generated = [level for level in levels if level % 2 == 0]
    assert generated == [2 * (number % 128) for number in range(len(generated))]
    real = [level // 2 for level in levels if level % 2]
    held_out = {int(Path(photo.name).stem) for photo in photos.validation}
    assert len(held_out) == 4
    whole_epochs = len(real) // 20
    for epoch in range(whole_epochs):
        assert set(real[20 * epoch : 20 * epoch + 20]) == set(range(24)) - held_out
    assert real == numbers(batches(photos.folder, 50))[: len(real)]


@pytest.mark.parametrize("workers", [0, 2])
def test_mixed_photos_resume_exactly(folder, workers, made_of):
    photos = MixedPhotos(folder, 0.4)
    whole = batches(photos, 20, workers=workers)
    for done in (3, 11):
        position = json.loads(json.dumps(whole[done - 1].position))
        assert_same(batches(photos, 20 - done, workers=workers, position=position), whole[done:])


def test_a_position_of_another_source_is_one_line(folder, stream):
    generated = open_photos("generated", validation_photos=0)
    (of_folder,), (of_generated,) = batches(folder, 1), batches(generated, 1, batch_size=1)
    with pytest.raises(FastnstError, match="trained on generated photos, not on a folder"):
        batches(folder, 1, position=of_generated.position)
    with pytest.raises(FastnstError, match="trained on generated photos, not on a streamed data set"):
        batches(stream, 1, position=of_generated.position)
    with pytest.raises(FastnstError, match="trained on a folder, not on generated photos"):
        batches(generated, 1, position=of_folder.position)


@pytest.mark.skipif(not ASSETS, reason="FASTNST_ASSETS does not name the folder of real photos")
def test_real_coco_photos_resume():
    photos = open_photos(str(Path(ASSETS) / "coco" / "train2017"), validation_photos=8)
    whole = batches(photos, 6, image_size=64, workers=2)
    assert_same(batches(photos, 3, image_size=64, position=whole[2].position), whole[3:])
    assert not any(batch.skipped for batch in whole)
    assert all(batch.images.float().std() > 30 for batch in whole)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["folder", "mixed", "generated", "stream"])
def test_crops_have_the_side_of_their_step_also_after_resuming(request, kind, workers):
    photos: Any
    if kind == "mixed":
        photos = MixedPhotos(request.getfixturevalue("folder"), 0.5)
    else:
        photos = GeneratedPhotos(0) if kind == "generated" else request.getfixturevalue(kind)
    schedule = CropSchedule(128, 3, 14)
    options = {"schedule": schedule, "batch_size": 2, "workers": workers}
    whole = batches(photos, 14, **options)
    assert [batch.images.shape[-1] for batch in whole] == [schedule.side(step) for step in range(14)]
    assert len(schedule.sides) == 3
    for done in (3, 10, 13):
        resumed = batches(photos, 14 - done, position=whole[done - 1].position, **options)
        assert_same(resumed, whole[done:])


def test_the_processes_of_a_run_are_in_the_same_stage(folder, stream):
    options = {"schedule": CropSchedule(64, 2, 5), "world_size": 2}
    one = batches(folder, 6, **options | {"batch_size": 8, "world_size": 1})
    ranks = [batches(folder, 6, rank=rank, **options) for rank in range(2)]
    for whole, first, second in zip(one, *ranks, strict=True):
        assert torch.equal(whole.images, torch.cat([first.images, second.images]))
    for rank in range(2):
        for made in (ranks[rank], batches(stream, 6, rank=rank, **options)):
            assert [batch.images.shape[-1] for batch in made] == 4 * [32] + 2 * [64]


@pytest.mark.parametrize("workers", [0, 2])
def test_photos_that_change_while_they_are_read_are_read_or_skipped(tmp_path, workers):
    paths = write_folder(tmp_path, 24)
    photos = open_photos(str(tmp_path), validation_photos=0)
    larger = encode(Image.new("L", (400, 300), 99))
    changes = [
        Path.unlink,
        lambda path: path.write_bytes(path.read_bytes()[:300]),
        lambda path: path.write_bytes(larger),
        lambda path: path.chmod(0),  # which root does not notice
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.mkdir()),
    ]
    loader = iter(PhotoLoader(photos, batch_size=4, schedule=CropSchedule(8), seed=7, workers=workers))
    skipped: set[str] = set()
    for number in range(40):
        batch = next(loader)
        assert batch.images.shape == (4, 3, 8, 8)
        skipped |= {Path(name).name for name in batch.skipped}
        if number < len(changes):
            for path in paths[number::12]:
                changes[number](path)
    loader.close()
    changed = {path.name for number in range(len(changes)) for path in paths[number::12]}
    unreadable = {path.name for number in (0, 1, 4, 5) for path in paths[number::12]}
    assert unreadable <= skipped <= changed


def test_a_stop_ends_the_wait_for_a_batch(folder, monkeypatch):
    stop = StopSignal()
    decode, made = Crops.decode, []

    def decode_until_stopped(crops, photo):
        made.append(photo)
        if len(made) == 6:
            signal.raise_signal(signal.SIGTERM)
            pytest.fail("it went on")
        return decode(crops, photo)

    monkeypatch.setattr(Crops, "decode", decode_until_stopped)
    loader = PhotoLoader(folder, batch_size=4, schedule=CropSchedule(8), seed=7, workers=0, stop=stop)
    stop.install()
    try:
        with pytest.raises(StoppedWaiting):
            list(loader)
    finally:
        stop.release()
    with pytest.raises(StoppedWaiting):  # nor does another wait begin
        list(loader)
