"""Batches of random crops without end, in an order that can be gone on with exactly."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from fastnst.errors import FastnstError
from train.photos.batches import Crops
from train.photos.cache import PhotoCache
from train.photos.crop_schedule import CropSchedule
from train.photos.sampled_batches import SampledBatches
from train.photos.sources import TrainingPhotos
from train.photos.stream import PhotoStream
from train.photos.stream_batches import StreamBatches

_log = logging.getLogger(__name__)

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
        schedule: Side of the crops at each step. A batch of all processes is a step.
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
        schedule: CropSchedule,
        seed: int,
        workers: int,
        rank: int = 0,
        world_size: int = 1,
        position: dict[str, Any] | None = None,
        crop_scale: tuple[float, float] = (0.25, 1.0),
        cache: PhotoCache | None = None,
    ) -> None:
        self._cache = cache
        crops = Crops(batch_size, schedule, seed, crop_scale)
        self._batches: SampledBatches | StreamBatches
        if not isinstance(photos, PhotoStream):
            self._batches = SampledBatches(photos, crops, rank, world_size, position, cache)
            self._workers = workers
        else:
            self._batches = StreamBatches(photos, crops, rank, world_size, position, readers=max(1, workers))
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


def _as_it_is(made: _T) -> _T:
    return made


def _leave_interrupts_to_the_trainer(worker: int) -> None:  # noqa: ARG001
    # Ctrl-C reaches every process of the terminal. The trainer finishes its step and saves; a worker that
    # died first would turn that into an error.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
