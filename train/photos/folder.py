"""A folder of photos: the walk that finds them, and those that are held out of training."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from fastnst.errors import FastnstError
from train.photos.photo import PHOTO_SUFFIXES, Photo, readable_photos
from train.photos.stream import SHARD_SUFFIXES

_log = logging.getLogger(__name__)


class PhotoFolder:
    """The photos of a folder and its subfolders, as a sequence of those to train on.

    It holds paths, not photos: nothing is copied, and a hundred thousand photos open in seconds.

    Args:
        names: Paths of the photos, in any order.
        validation_photos: How many readable photos to hold out of training, at most a quarter of all.
        seed: Chooses which.

    Attributes:
        validation: The photos held out, never part of the sequence.

    Raises:
        FastnstError: If no photo can be read, or the only one would be held out.
    """

    def __init__(self, names: Iterable[str], *, validation_photos: int, seed: int = 0) -> None:
        names = sorted(names)
        if validation_photos and len(names) < 2:
            raise FastnstError(
                f"{names[0]} is the only photo; give one to train on and one to check the result with"
            )
        held_out = number_held_out(validation_photos, len(names))
        if held_out < validation_photos:
            _log.warning("of %d photos, %d are held out for validation", len(names), held_out)
        # Try at least one even if none is held out: better one clear line now than in a worker.
        first = first_readable(names, max(1, held_out), seed)
        self.validation: tuple[Photo, ...] = tuple(first[:held_out])
        taken = {photo.name for photo in self.validation}
        encoded = [name.encode() for name in names if name not in taken]
        # One block of bytes: processes that decode share it, while they would each come to copy a list.
        self._names = b"".join(encoded)
        self._ends = np.cumsum([len(name) for name in encoded], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Photo:
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no photo {index} of {len(self)}")
        index %= len(self)
        start = self._ends[index - 1] if index else 0
        path = self._names[start : self._ends[index]].decode()
        return Photo(path, path)


def number_held_out(validation_photos: int, photos: int) -> int:
    """Return how many photos are held out of a folder: fewer than asked for if most would be gone."""
    return min(validation_photos, max(1, photos // 4))


def first_readable(names: Iterable[str], count: int, seed: int = 0) -> list[Photo]:
    """Return the first readable photos, in an order that the seed and the photos' names decide.

    Raises:
        FastnstError: If none of the photos can be read.
    """
    names = sorted(names)
    # By a hash of the name: a photo stays among the first when others join or the folder moves.
    by_hash = sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{Path(name).name}".encode()).digest())
    readable = readable_photos(Photo(name, name) for name in by_hash)
    first = [photo for photo, _ in zip(readable, range(count), strict=False)]
    if not first:
        raise FastnstError(f"none of the {len(names)} photos can be read, such as {names[0]}")
    return first


def find_photos(folder: Path) -> tuple[list[str], int]:
    """Return the paths of the photos in a folder and its subfolders, and the number of data set shards."""
    photos: list[str] = []
    shards = 0
    visited = set()
    folders = [str(folder)]
    while folders:
        identity, entries = _content(folders.pop())
        if identity in visited:  # a link that leads back up
            continue
        visited.add(identity)
        for entry in entries:
            # Hidden files are not photos: macOS leaves "._photo.jpg" beside each photo on a foreign disk.
            if entry.name.startswith("."):
                continue
            if _holds(entry.is_dir):
                if not entry.name.startswith("__MACOSX"):
                    folders.append(entry.path)
                continue
            suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122  pathlib takes a minute for a million
            if suffix in PHOTO_SUFFIXES:
                if _holds(entry.is_file):  # no pipe, socket or device
                    photos.append(entry.path)
            elif suffix in SHARD_SUFFIXES:
                shards += 1
    encodable = [name for name in photos if name.isascii() or _is_utf8(name)]
    if len(encodable) < len(photos):
        _log.warning("%d photos are left out: their names are not UTF-8", len(photos) - len(encodable))
    return encodable, shards


def _content(folder: str) -> tuple[tuple[int, int], list[os.DirEntry[str]]]:
    """Return a folder's identity and what it holds, by name; one that cannot be read counts as empty."""
    try:
        status = Path(folder).stat()
        with os.scandir(folder) as entries:
            return (status.st_dev, status.st_ino), sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return (0, 0), []


def _holds(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # a link that leads to itself
        return False


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
