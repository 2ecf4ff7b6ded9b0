"""The photos of a run as Lightning sees them: batches on the device, and the position to resume from."""

from __future__ import annotations

import logging
import math
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed
from torch import Tensor

from fastnst.errors import FastnstError
from train.machine.stop_signal import StopSignal
from train.photos.cache import PhotoCache
from train.photos.crop_schedule import CropSchedule
from train.photos.folder import PhotoFolder
from train.photos.loader import PhotoBatch, PhotoLoader
from train.photos.sources import MixedPhotos, TrainingPhotos

log = logging.getLogger(__name__)


class PhotoDataModule(pl.LightningDataModule):
    """Serve crops of photos, and remember how many of them training has used.

    Args:
        photos: What `open_photos` returned.
        batch_size: Crops per step on each device.
        schedule: The side of the crops at each step.
        crop_scale: Least and greatest fraction of a photo's area in a whole crop.
        seed: Of the order and the crops.
        workers: Processes that decode.
        cache_gb: Gigabytes on each machine for decoded photos of a folder, kept for the next epochs; None for
            a quarter of the free memory.
        stop: Ends the wait for photos.

    Attributes:
        skipped: Names of the unreadable photos met so far.
    """

    def __init__(
        self,
        photos: TrainingPhotos,
        *,
        batch_size: int,
        schedule: CropSchedule,
        crop_scale: tuple[float, float],
        seed: int,
        workers: int,
        cache_gb: float | None = None,
        stop: StopSignal | None = None,
    ) -> None:
        super().__init__()
        self.photos = photos
        self.skipped: set[str] = set()
        self._batch_size = batch_size
        self._schedule = schedule
        self._crop_scale = crop_scale
        self._seed = seed
        self._workers = workers
        self._cache_gb = cache_gb
        self._stop = stop
        self._position: Any = None  # of the last batch that training took, here or before the checkpoint
        self._positions: list[Any] = []  # one for each process, from a checkpoint

    def train_dataloader(self) -> PhotoLoader:
        """Return endless batches, from the run's position on."""
        assert self.trainer is not None
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        self._check_same_on_all(world_size)
        if self._positions:  # a run that stops before its first step is still there
            self._position = self._positions[rank]
        return PhotoLoader(
            self.photos,
            batch_size=self._batch_size,
            schedule=self._schedule,
            crop_scale=self._crop_scale,
            seed=self._seed,
            workers=self._workers,
            rank=rank,
            world_size=world_size,
            position=self._position,
            cache=self._photo_cache(self.trainer),
            # Several processes save together, so that one cannot leave the others.
            stop=self._stop if world_size == 1 else None,
        )

    def _check_same_on_all(self, world_size: int) -> None:
        """Check that all processes found the same checkpoint and photos: each looks for them by itself."""
        if world_size == 1:
            return
        photos = self.photos.folder if isinstance(self.photos, MixedPhotos) else self.photos
        count = len(photos) if isinstance(photos, PhotoFolder) else None
        mine = (bool(self._positions), type(self.photos).__name__, count)
        found = [mine] * world_size
        torch.distributed.all_gather_object(found, mine)
        resumed, kinds, counts = (set(values) for values in zip(*found, strict=True))
        if len(resumed) > 1:
            raise FastnstError(
                "only some of the machines have the checkpoint that the run goes on from: --output must be a "
                "folder that all of them share"
            )
        if len(kinds) > 1:
            raise FastnstError(
                "not every process can reach the Hugging Face hub, and they would train on different "
                "photos: say which with --data"
            )
        if len(counts) > 1:
            raise FastnstError(
                f"the folder of photos is not the same on all machines (they have {sorted(counts)} photos): "
                "share it, or copy it whole"
            )

    def _photo_cache(self, trainer: pl.Trainer) -> PhotoCache | None:
        """Return the cache that this machine's processes share; the first of them makes it."""
        crops = trainer.max_steps * self._batch_size * trainer.world_size
        photos = self.photos
        if isinstance(photos, MixedPhotos):
            crops = math.ceil(crops * (1 - photos.share))
        folder = photos.folder if isinstance(photos, MixedPhotos) else photos
        # A stream seldom comes back to a row, and generated photos never come back.
        if self._cache_gb == 0 or not isinstance(folder, PhotoFolder) or crops <= len(folder):
            return None
        cache = None
        if trainer.local_rank == 0:
            cache = PhotoCache.create(len(folder), self._cache_gb)
        if trainer.world_size > 1:
            paths: list[str | None] = [None] * trainer.world_size
            torch.distributed.all_gather_object(paths, None if cache is None else cache.path)
            path = paths[trainer.global_rank - trainer.local_rank]
            if trainer.local_rank > 0 and path is not None:
                cache = PhotoCache.attach(path, len(folder))
        if cache is not None:
            log.info("decoded photos are kept for the next epochs, up to %.1f GB", cache.gigabytes)
        return cache

    def on_after_batch_transfer(self, batch: PhotoBatch, dataloader_idx: int) -> Tensor:
        """Return the crops as float32 (N, 3, S, S) in [0, 1], channels last, on the device.

        Lightning calls this when a step takes the batch, not when a worker makes it ahead: the position kept
        here is that of the last step.
        """
        self._position = batch.position
        for name in batch.skipped:
            if name not in self.skipped:
                self.skipped.add(name)
                log.warning("skipped %s: not readable (%d so far)", name, len(self.skipped))
        return batch.images.to(torch.float32, memory_format=torch.channels_last).div_(255)

    def state_dict(self) -> dict[str, Any]:
        """Return the position of each process in the photos, and the unreadable ones so far."""
        positions = [self._position]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            positions = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(positions, self._position)
        return {"positions": positions, "skipped": sorted(self.skipped)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the state of a checkpoint."""
        self._positions = state_dict["positions"]
        self.skipped = set(state_dict["skipped"])
