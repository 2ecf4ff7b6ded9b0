"""Shards by their own names: a pattern such as `shards/*.parquet`, here or in object storage."""

from __future__ import annotations

import re
from pathlib import Path

from fastnst.errors import FastnstError
from train.photos.error_line import describe_error

TAR = "webdataset"

# The suffixes of shards, each with the name of its reader in `datasets`.
READERS = {".parquet": "parquet", ".arrow": "arrow", ".tar": TAR}

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
        FastnstError: If the suffix is not that of a shard, or a range has too many names.
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
    return reader, names


def found_shards(data: str, patterns: list[str]) -> list[str]:
    """Return the names that patterns match, in order; URLs without wildcards are taken as they are.

    Args:
        data: What the user gave, for messages.
        patterns: As `shard_patterns` returned them.

    Raises:
        FastnstError: If none matches, or the storage is unknown or cannot be asked.
    """
    import fsspec

    found: list[str] = []
    try:
        for pattern in patterns:
            storage, path = fsspec.url_to_fs(pattern)
            if "://" not in pattern:
                found += sorted(storage.glob(path))
            elif any(wildcard in pattern for wildcard in "*?["):
                found += sorted(storage.unstrip_protocol(name) for name in storage.glob(path))
            else:
                found.append(pattern)
    # Storages, their networks and their keys each fail with their own class of error.
    except Exception as error:
        raise FastnstError(f"{data}: these shards cannot be opened: {describe_error(error)}") from error
    if not found:
        raise FastnstError(f"{data}: there are no such shards")
    return found
