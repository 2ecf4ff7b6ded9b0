"""Shards by their own names: a pattern such as `shards/*.parquet`, here or in object storage."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from fastnst.errors import FastnstError

# The suffixes of shards, each with the name of its reader in `datasets`.
READERS = {".parquet": "parquet", ".arrow": "arrow", ".tar": "webdataset"}

# As WebDataset writes many names: train-{000000..000099}.tar.
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_NAMES = 1_000_000


def names_shards(data: str) -> bool:
    """Return whether data are named as shards: by a URL, or by a name that ends as those of shards do."""
    return "://" in data or Path(data).suffix.lower() in READERS


def shard_patterns(data: str) -> tuple[str, list[str]]:
    """Return what reads shards, and their names as patterns.

    Args:
        data: What the user gave: a local path, or a URL that `fsspec` knows, such as `s3://bucket/*.parquet`.
            It may have the wildcards `*`, `?`, `**` and `[]`, and ranges such as `{000..099}`.

    Returns:
        The reader's name in `datasets`, and the names with their ranges written out.

    Raises:
        FastnstError: If the suffix is not that of a shard, a range has too many names, or there are no such
            local files.
    """
    reader = READERS.get(Path(data).suffix.lower())
    if reader is None:
        raise FastnstError(
            f"{data}: name the shards themselves, in a name that ends in {', '.join(READERS)}, such as "
            f"{data.rstrip('/')}/*.parquet"
        )
    names = [data if "://" in data else str(Path(data).expanduser())]
    while match := _RANGE.search(names[0]):
        first, last = match.groups()
        count = int(last) - int(first) + 1
        if not 0 < len(names) * count <= _MOST_NAMES:
            raise FastnstError(f"{data}: {match[0]} must rise, to at most {_MOST_NAMES:,} names in all")
        numbers = [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
        names = [_RANGE.sub(number, name, count=1) for name in names for number in numbers]
    # Not by pathlib, whose patterns are below a folder.
    if "://" not in data and not any(glob.glob(name, recursive=True) for name in names):  # noqa: PTH207
        raise FastnstError(f"{data}: there are no such shards")
    return reader, names
