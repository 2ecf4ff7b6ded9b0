"""A data set with an image column, streamed shard by shard from the hub or a local folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastnst.errors import FastnstError
from train.photos.error_line import describe_error
from train.photos.photo import Photo, readable_photos
from train.photos.shards import READERS, TAR, found_shards, names_shards, shard_patterns
from train.photos.tar_shards import open_tar_shards

if TYPE_CHECKING:  # it takes most of a second to import, which folders of photos need not wait for
    import datasets

_log = logging.getLogger(__name__)

SHARD_SUFFIXES = frozenset(READERS)

_VALIDATION_SPLITS = ("validation", "val", "valid", "dev", "test")
_ROWS_AT_ONCE = 16


class PhotoStream:
    """The photos of a data set's training split, one shard at a time.

    Nothing is downloaded ahead or kept: rows are read over the network when they are needed, and `datasets`
    pauses and retries when the connection breaks.

    Args:
        name: The data set's id or folder, for messages.
        training: The training split, streamed, with an image column.
        validation_source: The split that the held-out photos come from; None takes the first ones of
            `training`, which `rows` then leaves out.
        validation_photos: How many readable photos to hold out.

    Attributes:
        validation: The photos held out.
        has_validation_split: Whether they come from a split that training never reads.

    Raises:
        FastnstError: If there is no image column, or no photo can be read.
    """

    def __init__(
        self,
        name: str,
        training: datasets.IterableDataset,
        validation_source: datasets.IterableDataset | None,
        *,
        validation_photos: int,
    ) -> None:
        self.name = name
        self._training = _image_column_only(training, name)
        self.has_validation_split = validation_source is not None
        self._held_out: dict[int, int] = {}  # shard -> how many of its first rows
        if validation_source is not None and validation_photos:
            source = _image_column_only(validation_source, name)
            photos = (photo for shard in range(source.num_shards) for _, photo in self._rows(source, shard))
            held_out = [
                photo for photo, _ in zip(readable_photos(photos), range(validation_photos), strict=False)
            ]
            if not held_out:
                raise FastnstError(f"{name}: no photo of its validation split can be read")
        else:
            held_out = self._hold_out_first(validation_photos)
        self.validation: tuple[Photo, ...] = tuple(held_out)

    @classmethod
    def open(cls, data: str, *, validation_photos: int) -> PhotoStream:
        """Open a data set of the hub by its id, a local folder of shards, or shards by their names.

        Args:
            data: The id, the folder's path, or what `shard_patterns` takes.
            validation_photos: How many photos to hold out: from the validation or test split if there is one,
                otherwise the first of the training split.

        Returns:
            The stream of its training split, or of its only split.

        Raises:
            FastnstError: If the data set is unknown, cannot be reached, or holds no photos.
        """
        import datasets

        if datasets.config.HF_DATASETS_DISABLE_PROGRESS_BARS is None:  # the user has not asked for them
            datasets.disable_progress_bars()
        local = Path(data).is_dir()
        by_name = not local and names_shards(data)
        if by_name:
            _log.info("opening %s", data)
        elif not local:
            _log.info("opening %s on the Hugging Face hub", data)
        reader, files = data, None
        if by_name:
            reader, patterns = shard_patterns(data)
            names = found_shards(data, patterns)
            if reader == TAR:
                return cls(data, open_tar_shards(names), None, validation_photos=validation_photos)
            files = {"train": names}
        try:
            splits = datasets.load_dataset(reader, data_files=files, streaming=True)
        # Unknown ids, networks, proxies, tokens and file formats each fail with their own class of error.
        except Exception as error:
            if local:
                raise FastnstError(
                    f"{data}: cannot be read as a data set: {describe_error(error)}"
                ) from error
            if by_name:
                raise FastnstError(
                    f"{data}: these shards cannot be opened: {describe_error(error)}"
                ) from error
            raise FastnstError(
                f"{data}: no such folder, and it cannot be opened on the Hugging Face hub "
                f"({describe_error(error)}); DATA can also be a folder of photos"
            ) from error
        if "train" not in splits and len(splits) > 1:
            raise FastnstError(f"{data}: none of its splits is called train: {', '.join(splits)}")
        training = splits["train"] if "train" in splits else next(iter(splits.values()))
        validation = next((splits[name] for name in _VALIDATION_SPLITS if name in splits), None)
        return cls(
            data,
            training,
            None if validation is training else validation,
            validation_photos=validation_photos,
        )

    @property
    def num_shards(self) -> int:
        """Number of shards in the training split; each can be read by itself."""
        return int(self._training.num_shards)

    def rows(self, shard: int, start: int = 0) -> Iterator[tuple[int, Photo]]:
        """Read the training photos of one shard, in their order.

        Args:
            shard: Number of the shard, from 0.
            start: First row. Earlier rows are read and dropped: the formats have no index.

        Yields:
            The row's number in the shard and its undecoded photo, without rows held out for validation.

        Raises:
            FastnstError: If the shard cannot be read, after the retries of `datasets`.
        """
        return self._rows(self._training, shard, max(start, self._held_out.get(shard, 0)))

    def _rows(
        self, dataset: datasets.IterableDataset, shard: int, start: int = 0
    ) -> Iterator[tuple[int, Photo]]:
        try:
            (column,) = dataset.column_names
            rows = dataset.shard(num_shards=dataset.num_shards, index=shard)
            number = 0
            # Through .iter(): inside a worker of a DataLoader, iterating the data set itself would divide the
            # one shard among all workers, and most would get nothing.
            for batch in rows.iter(batch_size=_ROWS_AT_ONCE):
                for value in batch[column]:
                    if number >= start:
                        yield number, _photo(value, f"row {number} of shard {shard} of {self.name}")
                    number += 1
        # As in open(): network, file system and format each have their own class of error.
        except Exception as error:
            raise FastnstError(
                f"{self.name}: shard {shard} cannot be read: {describe_error(error)}"
            ) from error

    def _hold_out_first(self, validation_photos: int) -> list[Photo]:
        held_out: list[tuple[int, int, Photo]] = []
        counts: dict[int, int] = {}
        place = (0, 0)

        def photos() -> Iterator[Photo]:
            nonlocal place
            for shard in range(self.num_shards):
                for row, photo in self._rows(self._training, shard):
                    place = (shard, row)
                    counts[shard] = row + 1
                    yield photo

        # One more than asked for, to see whether any is left to train on.
        for photo in readable_photos(photos()):
            held_out.append((*place, photo))
            if len(held_out) > validation_photos:
                break
        else:
            if not held_out:
                raise FastnstError(f"{self.name}: none of its {sum(counts.values())} photos can be read")
            if validation_photos and len(held_out) < 2:
                raise FastnstError(
                    f"{self.name} holds one photo; give one to train on and one to check the result with"
                )
            validation_photos = min(validation_photos, max(1, len(held_out) // 4))
            _log.warning("of %d photos, %d are held out for validation", len(held_out), validation_photos)
        held_out = held_out[:validation_photos]
        if held_out:
            last_shard, last_row, _ = held_out[-1]
            self._held_out = {shard: counts[shard] for shard in range(last_shard) if shard in counts}
            self._held_out[last_shard] = last_row + 1
        return [photo for _, _, photo in held_out]


def _image_column_only(dataset: datasets.IterableDataset, name: str) -> datasets.IterableDataset:
    """Return a data set with nothing but its image column, undecoded."""
    import datasets

    features = dataset.features or {}
    typed = [column for column, feature in features.items() if isinstance(feature, datasets.Image)]
    binary = [column for column, feature in features.items() if _holds_bytes(feature)]
    candidates = typed or binary
    if not candidates:
        raise FastnstError(f"{name}: no image column among {', '.join(features) or 'none'}")
    column = "image" if "image" in candidates else candidates[0]
    return dataset.select_columns([column]).cast_column(column, datasets.Image(decode=False))


def _holds_bytes(feature: Any) -> bool:
    if isinstance(feature, Mapping):
        return set(feature) == {"bytes", "path"}
    import datasets

    return isinstance(feature, datasets.Value) and feature.dtype in ("binary", "large_binary")


def _photo(value: Any, place: str) -> Photo:
    """Return the photo of a row: {"bytes", "path"}, or bare bytes."""
    if not isinstance(value, Mapping):
        return Photo(place, value)
    content, path = value.get("bytes"), value.get("path")
    name = f"{Path(path).name} ({place})" if path else place
    if content is None and path and "://" in path:  # a hub repository that is a folder of photos
        from datasets.utils.file_utils import xopen

        with xopen(path, "rb") as file:
            content = file.read()
    return Photo(name, content if content is not None else path)
