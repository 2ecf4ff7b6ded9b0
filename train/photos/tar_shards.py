"""Photos in tar files, here or in object storage.

The reader of tar files in `datasets` asks `fsspec` for an option that Amazon's storage does not know. So tar
is read here, from the first byte to the last, as WebDataset does.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import fsspec

from train.photos.photo import PHOTO_SUFFIXES

if TYPE_CHECKING:
    import datasets


def open_tar_shards(names: Sequence[str]) -> datasets.IterableDataset:
    """Return the photos of tar files as a data set with the column `image`; each file is a shard.

    Args:
        names: Paths, or URLs that `fsspec` knows.
    """
    import datasets

    return datasets.IterableDataset.from_generator(
        _rows,
        gen_kwargs={"names": list(names)},
        features=datasets.Features(image=datasets.Image(decode=False)),
    )


def _rows(names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for name in names:
        # As a stream: object storage sends the file once, and nothing is sought.
        with fsspec.open(name, "rb") as file, tarfile.open(fileobj=file, mode="r|*") as archive:
            for member in archive:
                if PurePosixPath(member.name).suffix.lower() in PHOTO_SUFFIXES and member.isfile():
                    content = archive.extractfile(member)
                    assert content is not None
                    yield {"image": {"bytes": content.read(), "path": member.name}}
