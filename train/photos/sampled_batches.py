"""Batches of a folder, of generated photos, or of both: each sample is a function of its number."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset

from fastnst.errors import FastnstError
from train.photos.batches import (
    FOLDER_CROP,
    FOLDER_ORDER,
    Crops,
    MadeBatch,
    check_source,
    permutation,
    worker_turns,
)
from train.photos.cache import PhotoCache
from train.photos.folder import PhotoFolder
from train.photos.generated import GeneratedPhotos, generated_photo
from train.photos.photo import UNREADABLE_IN_A_ROW, Photo, UnreadablePhotoError
from train.photos.sources import MixedPhotos

_log = logging.getLogger(__name__)

# From this many samples in a batch of all processes on, two successive ones share a generated photo.
_LARGE_BATCH = 8


class SampledBatches(IterableDataset["MadeBatch | str"]):
    """Batches of a folder, of generated photos, or of both; with n workers, each makes every n-th."""

    def __init__(
        self,
        photos: PhotoFolder | GeneratedPhotos | MixedPhotos,
        crops: Crops,
        rank: int,
        world_size: int,
        position: dict[str, Any] | None,
        cache: PhotoCache | None,
    ) -> None:
        self._folder, self._generated_share = _folder_and_share(photos)
        count = len(self._folder)
        source = "folder" if count else "generated"
        self.position = position or {"source": source, "photos": count, "samples": 0}
        check_source(self.position, source)
        if self.position["photos"] != count:
            _log.warning(
                "the folder has %d photos to train on and had %d: the run goes on in another order",
                count,
                self.position["photos"],
            )
            self.position = {**self.position, "photos": count}
        self._crops, self._rank, self._world_size = crops, rank, world_size
        self._cache = cache
        # Not in small batches: a step would see a single image.
        self._crops_of_one = 2 if crops.batch_size * world_size >= _LARGE_BATCH else 1
        self._latest: tuple[int, NDArray[np.uint8]] | None = None

    def after(self, position: dict[str, Any], state: dict[str, int] | None) -> dict[str, Any]:
        """Return the position after one more batch."""
        return {**position, "samples": position["samples"] + self._crops.batch_size * self._world_size}

    def __iter__(self) -> Iterator[MadeBatch | str]:
        first, step = worker_turns()
        size = self._crops.batch_size
        number = self.position["samples"] + first * size * self._world_size + self._rank * size
        while True:
            skipped: list[str] = []
            try:
                crops = [self._sample(sample, skipped) for sample in range(number, number + size)]
            except FastnstError as error:
                yield str(error)
                return
            yield MadeBatch.of(crops, None, skipped)
            number += step * size * self._world_size

    def _sample(self, sample: int, skipped: list[str]) -> Tensor:
        step = sample // (self._crops.batch_size * self._world_size)
        generated = math.floor(sample * self._generated_share)  # of the samples before this one
        if math.floor((sample + 1) * self._generated_share) > generated:
            pixels = self._generated(generated // self._crops_of_one)
            return self._crops.crop(pixels, step, FOLDER_CROP, sample)
        count = len(self._folder)
        epoch, place = divmod(sample - generated, count)
        order = permutation(count, self._crops.seed, FOLDER_ORDER, epoch)
        for attempt in range(min(count, UNREADABLE_IN_A_ROW)):
            index = int(order[(place + attempt) % count])
            try:
                return self._crops.crop(self._decoded(index), step, FOLDER_CROP, sample)
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


def _folder_and_share(
    photos: PhotoFolder | GeneratedPhotos | MixedPhotos,
) -> tuple[PhotoFolder | tuple[Photo, ...], float]:
    """Return the photos that are read, and the fraction of samples that are generated."""
    if isinstance(photos, MixedPhotos):
        return photos.folder, photos.share
    return ((), 1.0) if isinstance(photos, GeneratedPhotos) else (photos, 0.0)
