"""Batches of a streamed data set, made by several readers in turn."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from torch import Tensor
from torch.utils.data import IterableDataset

from fastnst.errors import FastnstError
from train.photos.batches import (
    BLOCK_ORDER,
    SHARD_ORDER,
    STREAM_CROP,
    Crops,
    MadeBatch,
    check_source,
    permutation,
    worker_turns,
)
from train.photos.photo import UNREADABLE_IN_A_ROW, Photo, UnreadablePhotoError
from train.photos.stream import PhotoStream

# Rows of a stream that are shuffled together: some 40 MB of undecoded photos for each reader, and as much
# for the block that is read ahead.
_BLOCK = 256

_T = TypeVar("_T")


class StreamBatches(IterableDataset["MadeBatch | str"]):
    """Batches of a stream, made by its readers in turn."""

    def __init__(
        self,
        photos: PhotoStream,
        crops: Crops,
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
        check_source(self.position, "stream")
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
        """How many readers there are."""
        return len(self.position["readers"])

    def after(self, position: dict[str, Any], state: dict[str, int] | None) -> dict[str, Any]:
        """Return the position after one more batch; `state` is that of its reader."""
        readers = list(position["readers"])
        readers[position["batches"] % len(readers)] = state
        return {**position, "batches": position["batches"] + 1, "readers": readers}

    def __iter__(self) -> Iterator[MadeBatch | str]:
        first, step = worker_turns()
        batch = self.position["batches"] + first
        batches: dict[int, Iterator[MadeBatch]] = {}
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

    def _batches_of(self, reader: int) -> Iterator[MadeBatch]:
        crops: list[Tensor] = []
        skipped: list[str] = []
        unreadable = 0
        done = self.position["batches"]
        step = done + (reader - done) % self.readers  # readers make the batches in turn
        for photo, key, state in self._photos_of(reader):
            try:
                crops.append(self._crops.crop(self._crops.decode(photo), step, STREAM_CROP, *key))
            except UnreadablePhotoError as error:
                skipped.append(photo.name)
                unreadable += 1
                if unreadable == UNREADABLE_IN_A_ROW:
                    line = f"{unreadable} photos in a row cannot be read, the last {error}"
                    raise FastnstError(line) from error
                continue
            unreadable = 0
            if len(crops) == self._crops.batch_size:
                yield MadeBatch.of(crops, state, skipped)
                crops, skipped, step = [], [], step + self.readers

    def _photos_of(self, reader: int) -> Iterator[tuple[Photo, tuple[int, int, int], dict[str, int]]]:
        """Yield a reader's photos, each with its epoch, shard and row, and the reader's state after it."""
        taken = self.position["readers"][reader]["taken"]
        for epoch, turn, shard, start, block in _read_ahead(self._blocks_of(reader)):
            order = permutation(len(block), self._crops.seed, BLOCK_ORDER, epoch, shard, start)
            for place in range(taken, len(block)):
                row, photo = block[order[place]]
                state = {"epoch": epoch, "turn": turn, "row": start, "taken": place + 1}
                yield photo, (epoch, shard, row), state
            taken = 0

    def _blocks_of(self, reader: int) -> Iterator[tuple[int, int, int, int, list[tuple[int, Photo]]]]:
        """Read the shards that each epoch's permutation deals to a reader, block by block."""
        shards = self._photos.num_shards
        apart = shards >= self._world_size  # each process has shards of its own
        # By process first: machines may have different numbers of readers, and must not share shards.
        first, step = self._rank + reader * self._world_size, self._world_size * self.readers
        if not apart:
            first, step = 0, 1
        state = self.position["readers"][reader]
        epoch, turn, start = state["epoch"], state["turn"], state["row"]
        empty = 0
        while True:
            order = permutation(shards, self._crops.seed, SHARD_ORDER, epoch)[first::step]
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
                # A reader's shards differ between epochs: it may meet only empty ones for some epochs.
                if empty > 10 * shards:
                    raise FastnstError(f"{self._photos.name}: no photos to train on")
                turn, start = turn + 1, 0
            epoch, turn = epoch + 1, 0


def _read_ahead(items: Iterator[_T]) -> Iterator[_T]:
    """Yield items while a thread makes the next one: reading and decoding overlap."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        upcoming = thread.submit(next, items)
        while True:
            item = upcoming.result()
            upcoming = thread.submit(next, items)
            yield item
