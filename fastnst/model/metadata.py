"""Reading a style file's `metadata_props` without a session.

A session costs the import of ONNX Runtime and some 50 ms per file; the list of styles and early checks need
neither.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from fastnst.errors import FastnstError
from fastnst.model import keys
from fastnst.model.protobuf import MalformedError, read_fields
from fastnst.style_library import check_is_file
from fastnst.terminal import printable
from fastnst.version import __version__

FORMAT = 1
"""The newest `fastnst.format` that this version runs."""

MOST_ENTRIES = 10_000
"""Metadata entries that a model may have; styles have some fifty."""

MOST_TEXT = 4_000_000
"""Bytes of metadata that a model may have."""

MOST_FIELDS = 50_000
"""Nodes and weights that a graph may have; style networks have some hundreds."""

# Field numbers of ModelProto and StringStringEntryProto in onnx.proto.
_GRAPH, _METADATA_PROPS, _KEY, _VALUE = 7, 14, 1, 2


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the `metadata_props` of an ONNX file; the weights are skipped, not read.

    Args:
        path: An ONNX file.

    Returns:
        The pairs that the model carries, in the file's order; empty where it has none.

    Raises:
        FastnstError: If the file is missing, unreadable, empty, no regular file, no ONNX model or cut short,
            or has far more parts than any style.
    """
    path = Path(path)
    try:
        check_is_file(path)
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise FastnstError(f"{path} is empty: copy or download the model again")
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        if data[:24].tobytes().startswith(b"version https://git-lfs"):
            raise FastnstError(f"{path} is a Git LFS pointer, not the model itself: run git lfs pull")
        _check_parts(data, path)
        return _metadata(data)
    except MalformedError:
        raise FastnstError(
            f"{path} is no ONNX model, or one that was cut short: copy or download it again"
        ) from None
    except FileNotFoundError:
        raise FastnstError(f"{path} does not exist: `fastnst styles` lists the styles at hand") from None
    except OSError as error:
        raise FastnstError(f"{path} cannot be read: {error.strerror or error}") from None


def is_own(metadata: Mapping[str, str]) -> bool:
    """Return whether fastnst made the file that has this metadata."""
    return keys.FORMAT in metadata


def check_format(metadata: Mapping[str, str], path: Path) -> None:
    """Raise a FastnstError if a model is no style, or its `fastnst.format` is newer than this fastnst."""
    if kind := metadata.get(keys.KIND):
        raise FastnstError(
            f"{path} is no style, but the {printable(kind, 40)}: give the painting itself, with --style"
        )
    found = metadata.get(keys.FORMAT, "")
    number = whole_number(metadata, keys.FORMAT)
    if found.isdecimal() and (number is None or number > FORMAT):
        raise FastnstError(
            f"{path} has fastnst format {printable(found, 20)}, but "
            f"fastnst {__version__} knows formats up to {FORMAT}: "
            "pip install --upgrade fastnst"
        )


def whole_number(metadata: Mapping[str, str], key: str) -> int | None:
    """Return a whole number that a model's metadata state; None if there is none, of at most six digits."""
    text = metadata.get(key, "")
    return int(text) if text.isdecimal() and len(text) <= 6 else None


def _check_parts(data: memoryview, path: Path) -> None:
    """Refuse a model of far more parts than any style has, of which each would be read and kept.

    Raises:
        FastnstError: If it has.
        MalformedError: If the data are no model.
    """
    entries = text = 0
    for count, (number, _, value) in enumerate(read_fields(data)):
        if number == _METADATA_PROPS:
            entries += 1
            text += 0 if isinstance(value, int) else len(value)
        if entries > MOST_ENTRIES or text > MOST_TEXT:
            raise FastnstError(
                f"{path} has more than {MOST_ENTRIES:,} metadata entries or {MOST_TEXT:,} bytes of metadata: "
                "that is no style model"
            )
        if count > MOST_FIELDS:
            raise FastnstError(f"{path} has more than {MOST_FIELDS:,} parts: that is no style model")
        if number == _GRAPH and not isinstance(value, int) and _parts(value) > MOST_FIELDS:
            raise FastnstError(
                f"{path} has more than {MOST_FIELDS:,} operations and weights: that is no style model"
            )


def _parts(graph: memoryview) -> int:
    """Count the fields of a graph up to `MOST_FIELDS` and one more, or up to where it is damaged."""
    count = 0
    with contextlib.suppress(MalformedError):
        for _ in islice(read_fields(graph), MOST_FIELDS + 1):
            count += 1
    return count


def _metadata(data: memoryview) -> dict[str, str]:
    metadata: dict[str, str] = {}
    has_graph = False
    for number, _, value in read_fields(data):
        if isinstance(value, int):
            continue
        has_graph |= number == _GRAPH
        if number == _METADATA_PROPS:
            entry = {key: text for key, _, text in read_fields(value) if not isinstance(text, int)}
            metadata[_text(entry.get(_KEY, b""))] = _text(entry.get(_VALUE, b""))
    if not has_graph:
        raise MalformedError
    return metadata


def _text(data: bytes | memoryview) -> str:
    return bytes(data).decode("utf-8", errors="replace")
