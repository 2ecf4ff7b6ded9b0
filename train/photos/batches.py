"""What sampled and streamed batches share: the crops, the finished batch, and the shuffling."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info

from fastnst.errors import FastnstError
from train.photos.crop_schedule import CropSchedule
from train.photos.crops import random_crop
from train.photos.photo import Photo, decode_photo

# The kinds of photos: their names in a position, and in messages.
_SOURCES = {"folder": "a folder", "generated": "generated photos", "stream": "a streamed data set"}

# The uses of random numbers; no two share a sequence.
FOLDER_ORDER, FOLDER_CROP, SHARD_ORDER, BLOCK_ORDER, STREAM_CROP = range(5)


class Crops(NamedTuple):
    """How the crops of a run are made.

    Attributes:
        batch_size: Crops in a batch of this process.
        schedule: Side of the crops at each step.
        seed: The run's seed.
        scale: Least and greatest fraction of a photo's area that a crop of the last stage takes.
    """

    batch_size: int
    schedule: CropSchedule
    seed: int
    scale: tuple[float, float]

    def decode(self, photo: Photo) -> NDArray[np.uint8]:
        """Decode a photo at the size that the largest crops need."""
        return decode_photo(photo, self.schedule.image_size, self.scale)

    def crop(self, pixels: NDArray[np.uint8], step: int, *key: int) -> Tensor:
        """Cut a crop for a step; `key` gives it random numbers of its own."""
        generator = np.random.default_rng([self.seed, *key])
        side = self.schedule.side(step)
        return random_crop(pixels, self.schedule.image_size, generator, self.scale, side)


class MadeBatch(NamedTuple):
    """A batch as a worker hands it over.

    Attributes:
        images: As in `PhotoBatch`.
        state: The state of the stream's reader after it; None where photos are not streamed.
        skipped: As in `PhotoBatch`.
    """

    images: Tensor
    state: dict[str, int] | None
    skipped: tuple[str, ...]

    @classmethod
    def of(cls, crops: list[Tensor], state: dict[str, int] | None, skipped: list[str]) -> MadeBatch:
        """Stack the crops of a batch."""
        # In a worker this stacks them directly in the memory that it shares with the trainer.
        images: Tensor = default_collate(crops)  # (N, 3, S, S)
        return cls(images, state, tuple(dict.fromkeys(skipped)))


def check_source(position: dict[str, Any], source: str) -> None:
    """Raise FastnstError if a position belongs to another kind of photos."""
    if position["source"] != source:
        began = _SOURCES[position["source"]]
        raise FastnstError(f"the run to go on with was trained on {began}, not on {_SOURCES[source]}")


@lru_cache(maxsize=32)
def permutation(count: int, *key: int) -> NDArray[np.int64]:
    """Return a permutation of the numbers below `count`, a function of the key."""
    return np.random.default_rng(key).permutation(count)


def worker_turns() -> tuple[int, int]:
    """Return the first batch that this worker makes, and the distance to its next."""
    worker = get_worker_info()
    return (0, 1) if worker is None else (worker.id, worker.num_workers)
