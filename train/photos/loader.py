"""Batches of random crops without end, in an order that can be gone on with exactly."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, default_collate, get_worker_info

from fastnst.errors import FastnstError
from train.photos.cache import PhotoCache
from train.photos.crops import UNREADABLE_IN_A_ROW, Photo, UnreadablePhotoError, decode_photo, random_crop
from train.photos.folder import MixedPhotos, PhotoFolder, TrainingPhotos
from train.photos.generated import GeneratedPhotos, generated_photo
from train.photos.stream import PhotoStream

_log = logging.getLogger(__name__)

# Rows of a stream that are shuffled together: some 40 MB of undecoded photos for each reader, and as much
# again for the block read ahead.
_BLOCK = 256

# Samples in a batch of all processes from which on two in a row are of one generated photo.
_LARGE_BATCH = 8

# What a position calls its photos, and what the user does.
_SOURCES = {"folder": "a folder", "generated": "generated photos", "stream": "a streamed data set"}

# What a draw of random numbers is for, so that no two uses share their numbers.
_FOLDER_ORDER, _FOLDER_CROP, _SHARD_ORDER, _BLOCK_ORDER, _STREAM_CROP = range(5)

_T = TypeVar("_T")


class PhotoBatch(NamedTuple):
    """A batch of crops.

    Attributes:
        images: RGB values of shape (N, 3, S, S), uint8, 0 to 255.
        position: The loader's state right after this batch: plain dicts, lists, strings and integers.
        skipped: Names of the unreadable photos that were met in making this batch, each once.
    """

    images: Tensor
    position: dict[str, Any]
    skipped: tuple[str, ...]


class PhotoLoader:
    """Batches of random crops without end.

    What is in a batch depends on the photos, the seed and the position alone: there is no global random
    state, and no number that depends on timing. Each iteration starts at `position`; passing a batch's own
    position to a new loader goes on with the very next batch, bit for bit.

    Of a folder, every epoch is a permutation of all photos, and a sample is a pure function of the seed and
    its number. So batches do not depend on the number of workers, and with `world_size` W each process
    makes its part of the batch W times as large that one process would make. An unreadable photo is
    replaced by the next in the epoch's order.

    Generated photos are a series of images, and a sample is one of the next image in it. In large batches two
    samples in a row are crops of one image: it takes many times as long to make an image as to cut a crop.
    With both, samples of the two kinds alternate in the proportion of the share, each kind in its own order.

    A stream is read by as many readers as there are workers, or as it has shards if those are fewer. Each
    reader goes through its share of the shards, which are dealt anew every epoch, and shuffles blocks of
    some hundred photos; readers make the batches in turn. Their number is part of the position: a resumed
    loader keeps it, and shares the same readers among the workers it is given. Where there are fewer
    shards than processes, each process reads every shard and takes every `world_size`-th row of it. An
    unreadable photo is passed over.

    Args:
        photos: What `open_photos` returned.
        batch_size: Photos in a batch of this process.
        image_size: Side of the crops in pixels.
        seed: Decides on the order and the crops, from 0 up.
        workers: Processes that decode; 0 decodes in this one.
        rank: Number of this process among those that train together.
        world_size: How many processes train together.
        position: Where to go on, from a batch of a loader with the same photos, seed, batch size and crops;
            None starts at the beginning. A folder's position serves every process and any number of them;
            a stream's belongs to its rank.
        crop_scale: Least and greatest part of a photo's area that a crop takes, in (0, 1].
        cache: Where the decoded photos of a folder are kept for the next epochs; None decodes them each time.
            Batches are the same. It serves loaders of the same folder, image size and crops.

    Raises:
        FastnstError: If `position` is that of other photos or another rank; while iterating, if none of
            many photos in a row can be read, or a stream breaks for good.
    """

    def __init__(
        self,
        photos: TrainingPhotos,
        *,
        batch_size: int,
        image_size: int,
        seed: int,
        workers: int,
        rank: int = 0,
        world_size: int = 1,
        position: dict[str, Any] | None = None,
        crop_scale: tuple[float, float] = (0.25, 1.0),
        cache: PhotoCache | None = None,
    ) -> None:
        self._cache = cache
        crops = _Crops(batch_size, image_size, seed, crop_scale)
        self._batches: _SampledBatches | _StreamBatches
        if not isinstance(photos, PhotoStream):
            self._batches = _SampledBatches(photos, crops, rank, world_size, position, cache)
            self._workers = workers
        else:
            self._batches = _StreamBatches(photos, crops, rank, world_size, position, readers=max(1, workers))
            readers = self._batches.readers
            # Batches go around the workers; a reader stays with one worker if their number divides.
            self._workers = max(n for n in range(workers + 1) if n == 0 or readers % n == 0)
            if self._workers < workers:
                _log.warning("%d workers decode instead of %d: %s", self._workers, workers, self._batches.why)

    def __iter__(self) -> Iterator[PhotoBatch]:
        position = self._batches.position
        failure = None
        # A DataLoader for each iteration: it never ends, so there are no workers to keep for another.
        for made in DataLoader(
            self._batches,
            batch_size=None,
            num_workers=self._workers,
            collate_fn=_as_it_is,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_leave_interrupts_to_the_trainer,
            # Its own, or else it draws from the global generator, and resuming would change dropout's draws.
            generator=torch.Generator(),
        ):
            # Raised here, as a worker's exception would reach the user with its traceback as message.
            if isinstance(made, str):
                raise FastnstError(made)
            if failure is None and self._cache is not None and (failure := self._cache.failure):
                _log.warning("no more decoded photos are kept: %s; training goes on without", failure)
            position = self._batches.after(position, made.state)
            yield PhotoBatch(made.images, position, made.skipped)


class _Crops(NamedTuple):
    batch_size: int
    image_size: int
    seed: int
    scale: tuple[float, float]

    def decode(self, photo: Photo) -> NDArray[np.uint8]:
        return decode_photo(photo, self.image_size, self.scale)

    def crop(self, pixels: NDArray[np.uint8], *key: int) -> Tensor:
        return random_crop(pixels, self.image_size, np.random.default_rng([self.seed, *key]), self.scale)


class _Made(NamedTuple):
    """What a worker hands over."""

    images: Tensor
    state: dict[str, int] | None
    skipped: tuple[str, ...]

    @classmethod
    def of(cls, crops: list[Tensor], state: dict[str, int] | None, skipped: list[str]) -> _Made:
        # In a worker this stacks them right into the memory that it shares with the trainer.
        images: Tensor = default_collate(crops)  # (N, 3, S, S)
        return cls(images, state, tuple(dict.fromkeys(skipped)))


class _SampledBatches(IterableDataset["_Made | str"]):
    """The batches of a folder, of generated photos, or of both; with n workers, each makes every n-th."""

    def __init__(
        self,
        photos: PhotoFolder | GeneratedPhotos | MixedPhotos,
        crops: _Crops,
        rank: int,
        world_size: int,
        position: dict[str, Any] | None,
        cache: PhotoCache | None,
    ) -> None:
        self._folder, self._generated_share = _folder_and_share(photos)
        count = len(self._folder)
        source = "folder" if count else "generated"
        self.position = position or {"source": source, "photos": count, "samples": 0}
        _check_source(self.position, source)
        if self.position["photos"] != count:
            _log.warning(
                "the folder has %d photos to train on and had %d: the run goes on in another order",
                count,
                self.position["photos"],
            )
            self.position = {**self.position, "photos": count}
        self._crops, self._rank, self._world_size = crops, rank, world_size
        self._cache = cache
        # Not in small batches: there a step would see nothing but one image.
        self._crops_of_one = 2 if crops.batch_size * world_size >= _LARGE_BATCH else 1
        self._latest: tuple[int, NDArray[np.uint8]] | None = None

    def after(self, position: dict[str, Any], state: dict[str, int] | None) -> dict[str, Any]:
        """Return the position after one more batch."""
        return {**position, "samples": position["samples"] + self._crops.batch_size * self._world_size}

    def __iter__(self) -> Iterator[_Made | str]:
        first, step = _turns()
        size = self._crops.batch_size
        number = self.position["samples"] + first * size * self._world_size + self._rank * size
        while True:
            skipped: list[str] = []
            try:
                crops = [self._sample(sample, skipped) for sample in range(number, number + size)]
            except FastnstError as error:
                yield str(error)
                return
            yield _Made.of(crops, None, skipped)
            number += step * size * self._world_size

    def _sample(self, sample: int, skipped: list[str]) -> Tensor:
        generated = math.floor(sample * self._generated_share)  # so many of the samples before it
        if math.floor((sample + 1) * self._generated_share) > generated:
            pixels = self._generated(generated // self._crops_of_one)
            return self._crops.crop(pixels, _FOLDER_CROP, sample)
        count = len(self._folder)
        epoch, place = divmod(sample - generated, count)
        order = _permutation(count, self._crops.seed, _FOLDER_ORDER, epoch)
        for attempt in range(min(count, UNREADABLE_IN_A_ROW)):
            index = int(order[(place + attempt) % count])
            try:
                return self._crops.crop(self._decoded(index), _FOLDER_CROP, sample)
            except UnreadablePhotoError as error:
                skipped.append(self._folder[index].name)
                reason = error
        raise FastnstError(f"{attempt + 1} photos in a row cannot be read, the last {reason}") from reason

    def _generated(self, index: int) -> NDArray[np.uint8]:
        if self._latest is None or self._latest[0] != index:
            self._latest = index, self._crops.decode(generated_photo(self._crops.seed, index))
        return self._latest[1]

    def _decoded(self, index: int) -> NDArray[np.uint8]:
        if self._cache is None:
            return self._crops.decode(self._folder[index])
        pixels = self._cache.get(index)
        if pixels is None:
            pixels = self._crops.decode(self._folder[index])
            self._cache.put(index, pixels)
        return pixels


class _StreamBatches(IterableDataset["_Made | str"]):
    """The batches of a stream: of each reader in turn."""

    def __init__(
        self,
        photos: PhotoStream,
        crops: _Crops,
        rank: int,
        world_size: int,
        position: dict[str, Any] | None,
        *,
        readers: int,
    ) -> None:
        shards = photos.num_shards
        readers = min(readers, max(1, shards // world_size))
        self.why = f"{photos.name} has {shards} shards"
        start = {"epoch": 0, "turn": 0, "row": 0, "taken": 0}
        here = {"source": "stream", "shards": shards, "rank": rank, "world_size": world_size}
        self.position = position or {**here, "batches": 0, "readers": [start] * readers}
        _check_source(self.position, "stream")
        for key, value in here.items():
            if self.position[key] != value:
                raise FastnstError(
                    f"the run to go on with streamed its photos with {key} {self.position[key]}, not {value}"
                )
        if position and len(position["readers"]) != readers:
            self.why = f"the run began with {len(position['readers'])} readers"
        self._photos, self._crops, self._rank, self._world_size = photos, crops, rank, world_size

    @property
    def readers(self) -> int:
        return len(self.position["readers"])

    def after(self, position: dict[str, Any], state: dict[str, int] | None) -> dict[str, Any]:
        """Return the position after one more batch, which left its reader in `state`."""
        readers = list(position["readers"])
        readers[position["batches"] % len(readers)] = state
        return {**position, "batches": position["batches"] + 1, "readers": readers}

    def __iter__(self) -> Iterator[_Made | str]:
        first, step = _turns()
        batch = self.position["batches"] + first
        batches: dict[int, Iterator[_Made]] = {}
        while True:
            reader = batch % self.readers
            if reader not in batches:
                batches[reader] = self._batches_of(reader)
            try:
                yield next(batches[reader])
            except FastnstError as error:
                yield str(error)
                return
            batch += step

    def _batches_of(self, reader: int) -> Iterator[_Made]:
        crops: list[Tensor] = []
        skipped: list[str] = []
        unreadable = 0
        for photo, key, state in self._photos_of(reader):
            try:
                crops.append(self._crops.crop(self._crops.decode(photo), _STREAM_CROP, *key))
            except UnreadablePhotoError as error:
                skipped.append(photo.name)
                unreadable += 1
                if unreadable == UNREADABLE_IN_A_ROW:
                    line = f"{unreadable} photos in a row cannot be read, the last {error}"
                    raise FastnstError(line) from error
                continue
            unreadable = 0
            if len(crops) == self._crops.batch_size:
                yield _Made.of(crops, state, skipped)
                crops, skipped = [], []

    def _photos_of(self, reader: int) -> Iterator[tuple[Photo, tuple[int, int, int], dict[str, int]]]:
        """Yield a reader's photos, each with its epoch, shard and row, and the reader's state after it."""
        taken = self.position["readers"][reader]["taken"]
        for epoch, turn, shard, start, block in _read_ahead(self._blocks_of(reader)):
            order = _permutation(len(block), self._crops.seed, _BLOCK_ORDER, epoch, shard, start)
            for place in range(taken, len(block)):
                row, photo = block[order[place]]
                state = {"epoch": epoch, "turn": turn, "row": start, "taken": place + 1}
                yield photo, (epoch, shard, row), state
            taken = 0

    def _blocks_of(self, reader: int) -> Iterator[tuple[int, int, int, int, list[tuple[int, Photo]]]]:
        """Read a reader's shards block by block, in each epoch those that the permutation deals to it."""
        shards = self._photos.num_shards
        apart = shards >= self._world_size  # each process has shards of its own
        first, step = self._rank * self.readers + reader, self._world_size * self.readers
        if not apart:
            first, step = 0, 1
        state = self.position["readers"][reader]
        epoch, turn, start = state["epoch"], state["turn"], state["row"]
        empty = 0
        while True:
            order = _permutation(shards, self._crops.seed, _SHARD_ORDER, epoch)[first::step]
            for shard in map(int, order[turn:]):
                block: list[tuple[int, Photo]] = []
                empty += 1
                for row, photo in self._photos.rows(shard, start):
                    if not apart and row % self._world_size != self._rank:
                        continue
                    if len(block) == _BLOCK:
                        yield epoch, turn, shard, start, block
                        block, start = [], row
                    block.append((row, photo))
                    empty = 0
                if block:
                    yield epoch, turn, shard, start, block
                # Shards differ between epochs, so an empty one may be met again before one that is not.
                if empty > 10 * shards:
                    raise FastnstError(f"{self._photos.name}: no photos to train on")
                turn, start = turn + 1, 0
            epoch, turn = epoch + 1, 0


def _folder_and_share(
    photos: PhotoFolder | GeneratedPhotos | MixedPhotos,
) -> tuple[PhotoFolder | tuple[Photo, ...], float]:
    """Return the photos that are read, and the part of the samples that are generated."""
    if isinstance(photos, MixedPhotos):
        return photos.folder, photos.share
    return ((), 1.0) if isinstance(photos, GeneratedPhotos) else (photos, 0.0)


def _check_source(position: dict[str, Any], source: str) -> None:
    if position["source"] != source:
        began = _SOURCES[position["source"]]
        raise FastnstError(f"the run to go on with was trained on {began}, not on {_SOURCES[source]}")


def _read_ahead(items: Iterator[_T]) -> Iterator[_T]:
    """Yield items while the next one is already being made, so that reading and decoding overlap."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        upcoming = thread.submit(next, items)
        while True:
            item = upcoming.result()
            upcoming = thread.submit(next, items)
            yield item


@lru_cache(maxsize=32)
def _permutation(count: int, *key: int) -> NDArray[np.int64]:
    return np.random.default_rng(key).permutation(count)


def _turns() -> tuple[int, int]:
    """Return the first batch that this worker makes, and how many batches later the next one is."""
    worker = get_worker_info()
    return (0, 1) if worker is None else (worker.id, worker.num_workers)


def _as_it_is(made: _T) -> _T:
    return made


def _leave_interrupts_to_the_trainer(worker: int) -> None:  # noqa: ARG001
    # Ctrl-C reaches every process of the terminal. The trainer finishes its step and saves; a worker that
    # died first would turn that into an error.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
