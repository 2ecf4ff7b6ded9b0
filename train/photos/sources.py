"""Which photos: a folder of them, a data set of the hub, a generator, or what can be had."""

from __future__ import annotations

import dataclasses
import logging
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastnst.errors import FastnstError
from train.config import DEFAULT_DATA, GENERATED_DATA, TrainingConfig
from train.machine.answer_within import answer_within
from train.photos.folder import PhotoFolder, find_photos, first_readable, number_held_out
from train.photos.generated import GeneratedPhotos
from train.photos.photo import PHOTO_SUFFIXES, Photo, whole_images
from train.photos.shards import names_shards
from train.photos.stream import PhotoStream
from train.terminal import say_once

_log = logging.getLogger(__name__)

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_HUB_SECONDS = 10.0  # `datasets` itself tries for a minute or more
_MOST_OF_A_REASON = 160  # characters; those of HTTP libraries can be pages


class MixedPhotos:
    """The photos of a folder, with generated ones spread evenly among them.

    Args:
        folder: The photos.
        share: Fraction of the samples that are generated, above 0 and below 1.

    Attributes:
        folder: The photos.
        share: The fraction.
        validation: The photos held out of the folder, none of them generated.
    """

    def __init__(self, folder: PhotoFolder, share: float) -> None:
        self.folder, self.share = folder, share
        self.validation = folder.validation


TrainingPhotos = PhotoFolder | PhotoStream | GeneratedPhotos | MixedPhotos


def open_training_photos(config: TrainingConfig) -> tuple[TrainingConfig, TrainingPhotos]:
    """Open the photos that a run trains on.

    Data that the user named is never replaced. The default is COCO from the Hugging Face hub; if the hub
    cannot be reached, photos are generated, and the user is told.

    Args:
        config: The run's options.

    Returns:
        The options with the data that was opened, and the photos.

    Raises:
        FastnstError: As `open_photos`.
    """
    held_out, share = config.validation_photos, config.generated_share
    if config.data is not None:
        return config, open_photos(config.data, validation_photos=held_out, generated_share=share)
    if share:
        raise FastnstError(
            "--generated-share mixes generated photos with your own: give their folder with DATA (--data)"
        )
    say_once(f"looking for {DEFAULT_DATA} on the Hugging Face hub")
    from huggingface_hub import HfApi  # only where the hub is asked: it takes time to import

    try:
        answer_within(_HUB_SECONDS, lambda: HfApi().dataset_info(DEFAULT_DATA, timeout=_HUB_SECONDS))
        photos = open_photos(DEFAULT_DATA, validation_photos=held_out)
        return dataclasses.replace(config, data=DEFAULT_DATA), photos
    except FastnstError as error:  # a proxy or firewall may pass the hub's answers and block the files
        why = str(error)
    # Networks, proxies, tokens and HF_HUB_OFFLINE each fail with their own class of error.
    except Exception as error:  # noqa: BLE001
        why = f"{type(error).__name__}: {error}"
    say_once(
        f"no data set given and COCO cannot be had from the hub ({_shortened(why)}): training on generated "
        f"photos (--data {GENERATED_DATA} says so by itself)"
    )
    photos = open_photos(GENERATED_DATA, validation_photos=held_out)
    return dataclasses.replace(config, data=GENERATED_DATA), photos


def open_photos(
    data: str, *, validation_photos: int, seed: int = 0, generated_share: float = 0.0
) -> TrainingPhotos:
    """Open what the user named as training data.

    Args:
        data: A folder of photos, however nested; a folder of parquet, arrow or webdataset shards, or their
            names as a pattern or URL (`shard_patterns`); the id of a data set with an image column on the
            Hugging Face hub; or `generated` for images that need no files. Shards and data sets are
            streamed. A folder called generated is `./generated`.
        validation_photos: How many photos to hold out of training. Those of a data set come from its
            validation or test split if it has one; otherwise they are its first photos.
        seed: Chooses the photos held out of a folder. Leave it alone when the seed of the training varies:
            runs are compared on the same photos.
        generated_share: Fraction of the training samples that are generated, from 0 to below 1. Above 0, the
            data must be a folder of photos, and those held out are the folder's.

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
    path = Path(data).expanduser()
    shards = 0
    if path.is_dir():
        _log.info("looking for photos in %s", data)
        names, shards = find_photos(path)
        if names:
            _log.info("%d photos in %s", len(names), data)
            folder = PhotoFolder(names, validation_photos=validation_photos, seed=seed)
            return MixedPhotos(folder, generated_share) if generated_share else folder
        if not shards:
            raise FastnstError(f"{data}: no photos in this folder (nor shards of a data set)")
    elif names_shards(data):
        pass  # here or anywhere; opening them says what is wrong
    elif path.exists():
        raise FastnstError(f"{data} is a file; give the folder that holds the photos")
    elif not _HUB_ID.fullmatch(data) or path.suffix.lower() in PHOTO_SUFFIXES:
        raise FastnstError(f"{data}: no such folder")
    if generated_share:
        raise FastnstError(
            f"--generated-share needs a folder of photos, and {data} is a data set that is streamed: leave "
            "the share out, or give a folder with --data"
        )
    return PhotoStream.open(str(path.resolve()) if shards else data, validation_photos=validation_photos)


def photos_to_judge(data: str, count: int, held_out: int | None = None) -> tuple[Photo, ...]:
    """Return the photos that training on the same data holds out, to judge a style on.

    Training holds out at most a quarter of a folder. If that is fewer, photos follow that it trains on, and a
    warning says so: the folder may just as well be a collection of test photos.

    Args:
        data: As in `open_photos`.
        count: How many photos, from 1 up. A folder with fewer gives all that it has.
        held_out: How many training held out, `count` by default.

    Returns:
        Photos that have been read once, always in the same order.

    Raises:
        FastnstError: As `open_photos`.
    """
    folder = Path(data).expanduser()
    if data != GENERATED_DATA and folder.is_dir() and (names := find_photos(folder)[0]):
        first = first_readable(names, count)
        unseen = number_held_out(count if held_out is None else held_out, len(names))
        _warn_of_seen(data, len(first), unseen)
        return tuple(first)
    photos = open_photos(data, validation_photos=count)
    if held_out is not None and isinstance(photos, PhotoStream) and not photos.has_validation_split:
        _warn_of_seen(data, len(photos.validation), held_out)
    return photos.validation


def validation_images(photos: TrainingPhotos, longer_side: int) -> list[NDArray[np.uint8]]:
    """Decode the photos held out of training, as `whole_images` does."""
    return whole_images(photos.validation, longer_side)


def _warn_of_seen(data: str, measured: int, held_out: int) -> None:
    if measured > held_out:
        _log.warning(
            "training on %s holds out %d of these %d photos: a style trained on it has seen the others",
            data,
            held_out,
            measured,
        )


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_OF_A_REASON else f"{line[: _MOST_OF_A_REASON - 3]}..."
