"""Crops per second of the loader alone, in the first epoch and later, against the plain loop, in one run.

The plain loop is what tutorials write: Pillow opens and converts each photo whole, a random resized crop, a
flip, float32, and the DataLoader collates. It has as many workers. Beside what a step consumes, this says
whether training waits for its photos. They are in the system's file cache for both. Generated photos, which
need no files, are measured in the same run.
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
_STEPS = 1_000_000  # no stage of these ends while it is measured


@dataclass(frozen=True)
class LoaderRate:
    """Crops per second.

    Attributes:
        first_epoch: While each photo is decoded, and kept.
        later_epochs: When all are kept, or as many as there is room for.
    """

    first_epoch: float
    later_epochs: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.loader", description=__doc__)
    parser.add_argument("--data", help="folder of photos; by default photos of noise are made")
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument(
        "--crop-stages", type=int, default=1, help="measure the small crops of the first of so many stages"
    )
    parser.add_argument(
        "--crop-scale", type=float, nargs=2, default=[0.25, 1.0], metavar=("LEAST", "GREATEST")
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    scale = (options.crop_scale[0], options.crop_scale[1])
    schedule = CropSchedule(options.image_size, options.crop_stages, _STEPS)
    side = schedule.side(0)
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            write_photos(Path(folder), enough_photos(options.workers))
        photos = open_photos(options.data or folder, validation_photos=0)
        assert isinstance(photos, PhotoFolder), "the loader of a stream is not measured"
        if len(photos) < (needed := photos_needed(options.workers)):
            parser.error(f"--data holds {len(photos)} photos; {options.workers} workers need {needed}")
        plain, ours, generated = [], [], []
        for _ in range(options.rounds):  # in turn, so that a load from elsewhere falls on both
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
    """Measure how many crops the loader makes when nothing waits for it.

    Args:
        photos: A folder of at least `photos_needed`.
        schedule: The side of the crops; the first stage should outlast the measurement.
        crop_scale: Least and greatest part of a photo's area in a crop.
        workers: Processes that decode.
        seconds: Of the measurement of the later epochs; that of the first takes what it takes.
        cache_gb: As in training; 0 keeps no photos.

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
    # The epoch's last batches may still be in the making.
    later = _rate(batches, ahead, seconds)
    return LoaderRate(first, later)


def generated_rate(
    schedule: CropSchedule,
    crop_scale: tuple[float, float] = (0.25, 1.0),
    workers: int = 1,
    seconds: float = 5.0,
) -> float:
    """Measure how many crops of generated photos the loader makes in a second when nothing waits for it."""
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
    """Return how many photos a folder needs, or the batches made ahead are too much of an epoch, or all."""
    return 4 * _ahead(workers) * _BATCH_SIZE


def enough_photos(workers: int) -> int:
    """Return how many photos to write for a measurement."""
    return 512 * max(2, workers)


def _ahead(workers: int) -> int:
    """Return how many batches are made before the first was asked for, or while the processes started."""
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
    """Write JPEGs of 640x480 that cost what photos cost: noise that is stronger the coarser it is."""
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
