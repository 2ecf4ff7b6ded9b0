"""Photos that show their number, put into a cache by separate processes, which load nothing else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable

import numpy as np

from train.photos import cache as photo_cache
from train.photos.cache import PhotoCache


def numbered_photo(number: int) -> np.ndarray:
    """Return pixels (H, W, 3) that differ for every number, in size too."""
    return np.random.default_rng(number).integers(0, 256, (5 + number % 7, 3 + number % 5, 3), np.uint8)


def put_slowly(cache: PhotoCache, numbers: Iterable[int]) -> None:
    """Put photos with a pause before each write, which gives others a turn."""
    pwrite = os.pwrite

    def write_late(*arguments):
        time.sleep(1e-4)
        return pwrite(*arguments)

    os.pwrite = write_late
    put_all(cache, numbers)


def put_all(cache: PhotoCache, numbers: Iterable[int]) -> None:
    for number in numbers:
        cache.put(number, numbered_photo(number))


def attach_and_put(path: str) -> None:
    """Read photo 1 out of another process's cache of 40, and put photo 2 there."""
    cache = PhotoCache.attach(path, 40)
    np.testing.assert_array_equal(cache.get(1), numbered_photo(1))
    put_all(cache, [2])


def fill_and_wait() -> None:
    """Put a photo into a cache on the disk, say so, and wait to be killed."""
    photo_cache.free_memory = lambda: 0
    cache = PhotoCache.create(40, 0.001)
    put_all(cache, [1])
    np.testing.assert_array_equal(cache.get(1), numbered_photo(1))
    print("filled", flush=True)
    time.sleep(100)


if __name__ == "__main__":
    function, *arguments = sys.argv[1:]
    globals()[function](*arguments)
