"""Crops per second of the loader alone, in the first and in later epochs, against a plain loop in one run.

The plain loop is what tutorials write: Pillow decodes each whole photo, then come a random resized crop, a
flip and float32, and the DataLoader collates. It has as many workers. Compared with what a training step
consumes, the rates show whether training waits for its photos. Both read from the system's file cache.
Generated photos, which need no files, are measured in the same run.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from train.photos.cache import PhotoCache
from train.photos.crop_schedule import CropSchedule
from train.photos.crops import random_crop_box
from train.photos.folder import PhotoFolder
from train.photos.generated import GeneratedPhotos
from train.photos.loader import PhotoLoader
from train.photos.sources import open_photos

_BATCH_SIZE = 16
_STEPS = 1_000_000  # so many that no stage ends during a measurement


@dataclass(frozen=True)
class LoaderRate:
    """Crops per second.

    Attributes:
        first_epoch: While photos are decoded and put into the cache.
        later_epochs: When the cache holds all photos, or is full.
    """

    first_epoch: float
    later_epochs: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.loader", description=__doc__)
    parser.add_argument("--data", help="folder of photos; by default, noise images are made")
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument(
        "--crop-stages", type=int, default=1, help="measure the first of this many crop stages"
    )
    parser.add_argument(
        "--crop-scale", type=float, nargs=2, default=[0.25, 1.0], metavar=("LEAST", "GREATEST")
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=5.0, help="duration of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    scale = (options.crop_scale[0], options.crop_scale[1])
    schedule = CropSchedule(options.image_size, options.crop_stages, _STEPS)
    side = schedule.side(0)
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            write_photos(Path(folder), enough_photos(options.workers))
        photos = open_photos(options.data or folder, validation_photos=0)
        assert isinstance(photos, PhotoFolder), "only folders are measured, not streams"
        if len(photos) < (needed := photos_needed(options.workers)):
            parser.error(f"--data holds {len(photos)} photos; {options.workers} workers need {needed}")
        plain, ours, generated = [], [], []
        for _ in range(options.rounds):  # in turn, so that other load slows all
            plain.append(plain_rate(photos, side, scale, options.workers, options.seconds))
            ours.append(loader_rate(photos, schedule, scale, options.workers, options.seconds))
            generated.append(generated_rate(schedule, scale, options.workers, options.seconds))
    print(
        f"{len(photos)} photos, crops of {side} px, {options.workers} workers, "
        f"median of {options.rounds} rounds"
    )
    print(f"{'':22} {'crops/s':>9} {'ratio':>7}")
    print(f"{'plain loop':22} {median(plain):9.1f}")
    for name, rates in (
        ("fastnst, first epoch", [rate.first_epoch for rate in ours]),
        ("fastnst, later epochs", [rate.later_epochs for rate in ours]),
        ("fastnst, generated", generated),
    ):
        ratio = median(our / their for our, their in zip(rates, plain, strict=True))
        print(f"{name:22} {median(rates):9.1f} {ratio:7.2f}")


def loader_rate(
    photos: PhotoFolder,
    schedule: CropSchedule,
    crop_scale: tuple[float, float] = (0.25, 1.0),
    workers: int = 1,
    seconds: float = 5.0,
    *,
    cache_gb: float | None = None,
) -> LoaderRate:
    """Measure how many crops per second the loader makes when they are taken at once.

    Args:
        photos: A folder with at least `photos_needed(workers)` photos.
        schedule: The side of the crops; its first stage should outlast the measurement.
        crop_scale: Least and greatest fraction of a photo's area in a crop.
        workers: Decoding processes.
        seconds: Duration of the measurement of later epochs; the first epoch is measured whole.
        cache_gb: Size of the cache, as in training; 0 caches nothing.

    Returns:
        The rates.
    """
    loader = PhotoLoader(
        photos,
        batch_size=_BATCH_SIZE,
        schedule=schedule,
        seed=0,
        workers=workers,
        crop_scale=crop_scale,
        cache=None if cache_gb == 0 else PhotoCache.create(len(photos), cache_gb),
    )
    batches = iter(loader)
    ahead = _ahead(workers)
    epoch = len(photos) // _BATCH_SIZE
    first = _rate(itertools.islice(batches, epoch), ahead)
    # Skip the first batches: the workers may still be making those of the first epoch.
    later = _rate(batches, ahead, seconds)
    return LoaderRate(first, later)


def generated_rate(
    schedule: CropSchedule,
    crop_scale: tuple[float, float] = (0.25, 1.0),
    workers: int = 1,
    seconds: float = 5.0,
) -> float:
    """Measure how many crops of generated photos per second the loader makes when they are taken at once."""
    loader = PhotoLoader(
        GeneratedPhotos(0),
        batch_size=_BATCH_SIZE,
        schedule=schedule,
        seed=0,
        workers=workers,
        crop_scale=crop_scale,
    )
    return _rate(iter(loader), _ahead(workers), seconds)


def plain_rate(
    photos: PhotoFolder, image_size: int, crop_scale: tuple[float, float], workers: int, seconds: float
) -> float:
    """Measure the plain loop's crops per second."""
    loader = DataLoader(
        _PlainCrops(photos, image_size, crop_scale),
        batch_size=_BATCH_SIZE,
        shuffle=True,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        drop_last=True,
        persistent_workers=workers > 0,
    )
    return _rate(itertools.chain.from_iterable(itertools.repeat(loader)), _ahead(workers), seconds)


def photos_needed(workers: int) -> int:
    """Return how many photos keep the batches made in advance a small part of an epoch."""
    return 4 * _ahead(workers) * _BATCH_SIZE


def enough_photos(workers: int) -> int:
    """Return how many photos to write for a measurement."""
    return 512 * max(2, workers)


def _ahead(workers: int) -> int:
    """Return how many batches may be made in advance, before the first is taken."""
    return 2 * workers + 1


class _PlainCrops(Dataset[Tensor]):
    def __init__(self, photos: PhotoFolder, image_size: int, crop_scale: tuple[float, float]) -> None:
        self._paths = [photo.name for photo in (photos[index] for index in range(len(photos)))]
        self._size = (image_size, image_size)
        self._scale = crop_scale

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self._paths[index]) as file:
            image = file.convert("RGB")
        generator = np.random.default_rng()
        box = random_crop_box(image.width, image.height, generator, self._scale)
        crop = image.crop(box).resize(self._size, Image.Resampling.BILINEAR)
        if generator.random() < 0.5:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(crop)).permute(2, 0, 1).contiguous().float().div(255)


def _rate(batches: Iterable[object], ahead: int, seconds: float = math.inf) -> float:
    """Return the crops per second after the first `ahead` batches."""
    taken = 0
    start = end = time.perf_counter()
    for taken, _ in enumerate(batches, 1):
        end = time.perf_counter()
        if taken == ahead:
            start = end
        elif taken > ahead and end - start > seconds:
            break
    return (taken - ahead) * _BATCH_SIZE / (end - start) if taken > ahead else math.nan


def write_photos(folder: Path, count: int) -> None:
    """Write JPEGs of 640x480 that decode as slowly as photos: noise, stronger at coarser scales."""
    generator = np.random.default_rng(0)
    paths = []
    for number in range(32):
        pixels = np.full((480, 640, 3), 128.0)
        for step in (1, 2, 4, 8, 16, 32, 64, 160):
            noise = generator.normal(size=(480 // step, 640 // step, 3)) * 8 * step**0.4
            layer = [
                Image.fromarray(noise[:, :, channel].astype(np.float32)).resize(
                    (640, 480), Image.Resampling.BICUBIC
                )
                for channel in range(3)
            ]
            pixels += np.stack([np.asarray(channel) for channel in layer], axis=-1)
        path = folder / f"{number:05}.jpg"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)
        paths.append(path)
    for number in range(32, count):
        os.link(paths[number % 32], folder / f"{number:05}.jpg")


if __name__ == "__main__":
    main()
