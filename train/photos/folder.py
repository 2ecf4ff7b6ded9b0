"""Where the photos come from: a folder of them, a data set of the hub, or a generator."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path

import datasets
import numpy as np
from numpy.typing import NDArray

from fastnst.errors import FastnstError
from train.config import GENERATED_DATA
from train.photos.crops import PHOTO_SUFFIXES, Photo, UnreadablePhotoError, readable_photos, whole_photo
from train.photos.generated import GeneratedPhotos
from train.photos.stream import SHARD_SUFFIXES, PhotoStream

_log = logging.getLogger(__name__)

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


class PhotoFolder:
    """The photos of a folder and of the folders in it, as a sequence of those to train on.

    It holds paths, not photos: nothing is copied, and a hundred thousand photos open in seconds.

    Args:
        names: Paths of the photos; their order does not matter.
        validation_photos: How many readable photos to hold out of training, at most a quarter of all.
        seed: Chooses which.

    Attributes:
        validation: The photos held out, never part of the sequence.

    Raises:
        FastnstError: If no photo can be read, or there is only one and it should be held out.
    """

    def __init__(self, names: Iterable[str], *, validation_photos: int, seed: int = 0) -> None:
        names = sorted(names)
        if validation_photos and len(names) < 2:
            raise FastnstError(
                f"{names[0]} is the only photo; give one to train on and one to check the result with"
            )
        held_out = _fewer_of_few(validation_photos, len(names))
        # At least one is tried even where none is held out: better one clear line now than in a worker.
        first = _first_readable(names, max(1, held_out), seed)
        self.validation: tuple[Photo, ...] = tuple(first[:held_out])
        taken = {photo.name for photo in self.validation}
        self._photos = datasets.Dataset.from_dict(
            {"image": [name for name in names if name not in taken]},
            features=datasets.Features({"image": datasets.Image(decode=False)}),
        )

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> Photo:
        path = self._photos[index]["image"]["path"]
        return Photo(path, path)


class MixedPhotos:
    """The photos of a folder with generated ones among them, evenly spread.

    Args:
        folder: The photos.
        share: Part of the samples that are generated, above 0 and below 1.

    Attributes:
        folder: The photos.
        share: The part.
        validation: The photos held out of the folder, none of them generated.
    """

    def __init__(self, folder: PhotoFolder, share: float) -> None:
        self.folder, self.share = folder, share
        self.validation = folder.validation


TrainingPhotos = PhotoFolder | PhotoStream | GeneratedPhotos | MixedPhotos


def open_photos(
    data: str, *, validation_photos: int, seed: int = 0, generated_share: float = 0.0
) -> TrainingPhotos:
    """Open what the user named as training data.

    Args:
        data: A folder of photos, however nested; a folder of parquet, arrow or webdataset shards; the id of
            a data set with an image column on the Hugging Face hub, which is streamed; or `generated` for
            images that need no files, also where there is a folder of this name, which is `./generated`.
        validation_photos: How many photos to hold out of training. Of a data set they come from its
            validation or test split if it has one, and are its first photos otherwise.
        seed: Chooses the photos held out of a folder. It is best left alone when the seed of the training
            varies: runs are compared on the same photos.
        generated_share: Part of the training samples that are generated images, from 0 to below 1. Above 0
            the data must be a folder of photos; those held out are of the folder.

    Returns:
        The photos, with those held out as `.validation`, all of which have been read once.

    Raises:
        FastnstError: If there is no such folder or data set, it holds no readable photos, the hub cannot be
            reached, or generated images cannot be mixed in.
    """
    if data == GENERATED_DATA:
        if generated_share:
            raise FastnstError(
                "--generated-share mixes generated photos with your own: give their folder with --data, or "
                "leave the share out"
            )
        if Path(data).is_dir():
            _log.info("generating the photos; the folder of this name is ./%s", data)
        return GeneratedPhotos(validation_photos)
    photos = _open_real_photos(data, validation_photos, seed)
    if not generated_share:
        return photos
    if isinstance(photos, PhotoStream):
        raise FastnstError(
            f"--generated-share needs a folder of photos, and {data} is a data set that is streamed: leave "
            "the share out, or give a folder with --data"
        )
    return MixedPhotos(photos, generated_share)


def _open_real_photos(data: str, validation_photos: int, seed: int) -> PhotoFolder | PhotoStream:
    if datasets.config.HF_DATASETS_DISABLE_PROGRESS_BARS is None:  # the user has not asked for them
        datasets.disable_progress_bars()
    folder = Path(data).expanduser()
    if folder.is_dir():
        return _open_folder(folder, data, validation_photos, seed)
    if folder.exists():
        raise FastnstError(f"{data} is a file; give the folder that holds the photos")
    if not _HUB_ID.fullmatch(data) or folder.suffix.lower() in PHOTO_SUFFIXES:
        raise FastnstError(f"{data}: no such folder")
    return PhotoStream.open(data, validation_photos=validation_photos)


def photos_to_judge(data: str, count: int, held_out: int | None = None) -> tuple[Photo, ...]:
    """Return the photos that training on the same data holds out, to judge a style on.

    Where that holds out fewer, no more than a quarter of a folder, photos follow that it trains on, and a
    warning says so: the folder may as well be a collection of test photos.

    Args:
        data: As `open_photos` takes it.
        count: How many photos, from 1 up. A folder with fewer gives all that it has.
        held_out: How many training held out; as many as are asked for by default.

    Returns:
        Photos that have been read once, always in the same order.

    Raises:
        FastnstError: As `open_photos`.
    """
    folder = Path(data).expanduser()
    if data != GENERATED_DATA and folder.is_dir() and (names := _files_in(folder)[0]):
        first = _first_readable(names, count)
        _warn_of_seen(data, len(first), min(count if held_out is None else held_out, max(1, len(names) // 4)))
        return tuple(first)
    photos = open_photos(data, validation_photos=count)
    if held_out is not None and isinstance(photos, PhotoStream) and not photos.has_validation_split:
        _warn_of_seen(data, len(photos.validation), held_out)
    return photos.validation


def _warn_of_seen(data: str, measured: int, held_out: int) -> None:
    if measured > held_out:
        _log.warning(
            "training on %s holds out %d of these %d photos: a style trained on it has seen the others",
            data,
            held_out,
            measured,
        )


def validation_images(photos: TrainingPhotos, longer_side: int) -> list[NDArray[np.uint8]]:
    """Decode the photos held out of training, whole, for previews and for measuring.

    Args:
        photos: What `open_photos` returned.
        longer_side: As `whole_images` takes it.

    Returns:
        The images, as `whole_images` returns them.
    """
    return whole_images(photos.validation, longer_side)


def whole_images(photos: Iterable[Photo], longer_side: int) -> list[NDArray[np.uint8]]:
    """Decode whole photos to one size.

    Args:
        photos: Those of `open_photos` or `photos_to_judge`.
        longer_side: Length of each photo's longer side in the result, in pixels; the shorter is at least a
            quarter of it.

    Returns:
        RGB images of shape (H, W, 3), uint8, always in the same order. They were readable when the photos
        were opened; one that has disappeared since is left out.
    """
    images = []
    for photo in photos:
        try:
            images.append(whole_photo(photo, longer_side))
        except UnreadablePhotoError as error:  # noqa: PERF203  nothing beside decoding
            _log.warning("validation photo left out: %s", error)
    return images


def _open_folder(folder: Path, data: str, validation_photos: int, seed: int) -> PhotoFolder | PhotoStream:
    _log.info("looking for photos in %s", data)
    names, shards = _files_in(folder)
    if names:
        _log.info("%d photos in %s", len(names), data)
        return PhotoFolder(names, validation_photos=validation_photos, seed=seed)
    if shards:
        return PhotoStream.open(str(folder.resolve()), validation_photos=validation_photos)
    raise FastnstError(f"{data}: no photos in this folder (nor shards of a data set)")


def _first_readable(names: Iterable[str], count: int, seed: int = 0) -> list[Photo]:
    """Return the first photos that can be read, in an order that the seed and their names decide."""
    names = sorted(names)
    # By the hash of its name, so that a photo stays among them when others join, or the folder moves.
    by_hash = sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{Path(name).name}".encode()).digest())
    readable = readable_photos(Photo(name, name) for name in by_hash)
    first = [photo for photo, _ in zip(readable, range(count), strict=False)]
    if not first:
        raise FastnstError(f"none of the {len(names)} photos can be read, such as {names[0]}")
    return first


def _files_in(folder: Path) -> tuple[list[str], int]:
    """Return the paths of the photos in a folder and below it, and the number of data set shards."""
    photos: list[str] = []
    shards = 0
    visited = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        status = Path(parent).stat()
        if (status.st_dev, status.st_ino) in visited:  # a link that leads back up
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        # Hidden files are no photos: macOS leaves "._photo.jpg" beside each photo on a foreign disk.
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in files:
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122  pathlib takes a minute for a million
            if name.startswith("."):
                continue
            if suffix in PHOTO_SUFFIXES:
                photos.append(os.path.join(parent, name))  # noqa: PTH118
            elif suffix in SHARD_SUFFIXES:
                shards += 1
    encodable = [name for name in photos if name.isascii() or _is_utf8(name)]
    if len(encodable) < len(photos):
        _log.warning("%d photos are left out: their names are not UTF-8", len(photos) - len(encodable))
    return encodable, shards


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fewer_of_few(validation_photos: int, photos: int) -> int:
    """Return how many of few photos can be held out, so that most are left to train on."""
    held_out = min(validation_photos, max(1, photos // 4))
    if held_out < validation_photos:
        _log.warning("of %d photos, %d are held out for validation", photos, held_out)
    return held_out
