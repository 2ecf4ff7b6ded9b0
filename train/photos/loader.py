"""Endless batches of random crops, in an order that can be resumed exactly."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from fastnst.errors import FastnstError
from train.machine.stop_signal import StopSignal
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
        skipped: Names of the unreadable photos met while this batch was made, each once.
    """

    images: Tensor
    position: dict[str, Any]
    skipped: tuple[str, ...]


class PhotoLoader:
    """Endless batches of random crops.

    The content of a batch depends on the photos, the seed and the position alone: not on global random state,
    nor on timing. Each iteration starts at `position`; a new loader with the position of a batch continues
    with the very next batch, bit for bit.

    Folder: every epoch is a permutation of all photos, and a sample is a pure function of the seed and its
    number. Batches do not depend on the number of workers, and several processes together make the batch that
    one process would make with a larger `batch_size`. The next photo in the epoch's order replaces an
    unreadable one.

    Generated photos: a series of images, of which each sample takes the next. In large batches two successive
    samples are crops of one image: making an image takes many times as long as cutting a crop. In a mixture,
    samples of the two kinds alternate in proportion to the share, each kind in its own order.

    Stream: there is a reader for each worker, but no more readers than shards. Each reader reads its share of
    the shards, dealt anew every epoch, and shuffles blocks of a few hundred photos; the readers make the
    batches in turn. The position records their number: a resumed loader keeps it, and divides the same
    readers among its workers. If there are fewer shards than processes, each process reads every shard and
    takes every `world_size`-th row. An unreadable photo is skipped.

    Args:
        photos: What `open_photos` returned.
        batch_size: Photos in a batch of this process.
        schedule: Side of the crops at each step. The batch of all processes is one step.
        seed: Decides the order and the crops, from 0 up.
        workers: Processes that decode; 0 decodes in this one.
        rank: Number of this process among those that train together.
        world_size: How many processes train together.
        position: Where to continue: the position of a batch, from a loader with the same photos, seed, batch
            size and crops; None starts at the beginning. A folder's position serves every process and any
            number of them; a stream's belongs to its rank.
        crop_scale: Least and greatest fraction of a photo's area that a whole crop takes, in (0, 1].
        cache: Keeps the decoded photos of a folder for the next epochs; None decodes them each time. Batches
            are the same. Loaders share it if folder, image size and crop scale are the same.
        stop: Ends the wait for a batch; None waits.

    Attributes:
        cache: As given.

    Raises:
        FastnstError: If `position` belongs to other photos or another rank; while iterating, if too many
            photos in a row cannot be read, or a stream breaks for good.
        StoppedWaiting: While iterating, if `stop` is requested and the next batch is not ready.
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
        stop: StopSignal | None = None,
    ) -> None:
        self.cache = cache
        self._stop = stop or StopSignal()
        crops = Crops(batch_size, schedule, seed, crop_scale)
        self._batches: SampledBatches | StreamBatches
        if not isinstance(photos, PhotoStream):
            self._batches = SampledBatches(photos, crops, rank, world_size, position, cache)
            self._workers = workers
        else:
            self._batches = StreamBatches(photos, crops, rank, world_size, position, readers=max(1, workers))
            readers = self._batches.readers
            # Workers make batches in turn; a reader stays with one worker if the workers divide the readers.
            self._workers = max(n for n in range(workers + 1) if n == 0 or readers % n == 0)
            if self._workers < workers:
                _log.warning("%d workers decode instead of %d: %s", self._workers, workers, self._batches.why)

    def __iter__(self) -> Iterator[PhotoBatch]:
        position = self._batches.position
        failure = None
        # A DataLoader for each iteration: none ends, so there are no workers to keep for another.
        loader = DataLoader(
            self._batches,
            batch_size=None,
            num_workers=self._workers,
            collate_fn=_unchanged,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_leave_signals_to_the_trainer,
            # Without its own it draws from the global generator, and resuming would change dropout's draws.
            generator=torch.Generator(),
        )
        for made in self._each(iter(loader)):
            # Raised here: the message of a worker's exception would contain its traceback.
            if isinstance(made, str):
                raise FastnstError(made)
            if failure is None and self.cache is not None and (failure := self.cache.failure):
                _log.warning("no more decoded photos are kept: %s; training goes on without", failure)
            position = self._batches.after(position, made.state)
            yield PhotoBatch(made.images, position, made.skipped)

    def _each(self, items: Iterator[_T]) -> Iterator[_T]:
        while True:
            try:
                with self._stop.waiting():
                    item = next(items)
            except StopIteration:
                return
            yield item


def _unchanged(made: _T) -> _T:
    return made


def _leave_signals_to_the_trainer(worker: int) -> None:  # noqa: ARG001
    # Ctrl-C reaches every process of the terminal, and the SIGTERM of Slurm or systemd every process of a
    # job. The trainer finishes its step and saves, which fails if a worker dies first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # which macOS lacks
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_for_the_trainer, args=(os.getppid(),), daemon=True).start()


def _end_for_the_trainer(trainer: int) -> None:
    # PyTorch ends a worker that hangs by SIGTERM.
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != trainer:
        pass
    os._exit(0)
