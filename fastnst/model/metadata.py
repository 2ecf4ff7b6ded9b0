"""What a style file says of itself: the `metadata_props` of its ONNX model, read without a session.

A session costs an import of ONNX Runtime and some 50 ms a file; the list of styles and the checks that come
before a session need neither.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from fastnst.errors import FastnstError
from fastnst.model import keys
from fastnst.version import __version__

FORMAT = 1
"""The newest `fastnst.format` that this version runs."""

# Field numbers of ModelProto and StringStringEntryProto in onnx.proto, and protobuf's wire types.
_GRAPH, _METADATA_PROPS, _KEY, _VALUE = 7, 14, 1, 2
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


class _MalformedError(Exception):
    pass


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the `metadata_props` of an ONNX file; the weights are skipped, not read.

    Args:
        path: An ONNX file.

    Returns:
        The pairs that the model carries, in the file's order; empty where it has none.

    Raises:
        FastnstError: If the file is missing, unreadable, empty, no ONNX model or cut short.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if size == 0:
                raise FastnstError(f"{path} is empty: copy or download the model again")
            if file.read(24).startswith(b"version https://git-lfs"):
                raise FastnstError(f"{path} is a Git LFS pointer, not the model itself: run git lfs pull")
            file.seek(0)
            try:
                return _metadata(file, size)
            except _MalformedError:
                raise FastnstError(
                    f"{path} is no ONNX model, or one that was cut short: copy or download it again"
                ) from None
    except FileNotFoundError:
        raise FastnstError(f"{path} does not exist: `fastnst styles` lists the styles at hand") from None
    except IsADirectoryError:
        raise FastnstError(f"{path} is a folder, not an ONNX model") from None
    except OSError as error:
        raise FastnstError(f"{path} cannot be read: {error.strerror or error}") from None


def check_format(metadata: Mapping[str, str], path: Path) -> None:
    """Raise a FastnstError if the model's `fastnst.format` is newer than this version of fastnst."""
    found = metadata.get(keys.FORMAT, "")
    if found.isdecimal() and int(found) > FORMAT:
        raise FastnstError(
            f"{path} has fastnst format {found}, but fastnst {__version__} knows formats up to {FORMAT}: "
            "pip install --upgrade fastnst"
        )


def _metadata(file: BinaryIO, size: int) -> dict[str, str]:
    metadata: dict[str, str] = {}
    has_graph = False
    for field, wire_type, length in _fields(file, size):
        if wire_type != _LENGTH_DELIMITED:
            continue
        has_graph |= field == _GRAPH
        if field == _METADATA_PROPS:
            end = file.tell() + length
            entry = {key: file.read(n) for key, wire, n in _fields(file, end) if wire == _LENGTH_DELIMITED}
            metadata[_text(entry.get(_KEY, b""))] = _text(entry.get(_VALUE, b""))
    if not has_graph:
        raise _MalformedError
    return metadata


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _fields(file: BinaryIO, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (field number, wire type, length) of a protobuf message that ends at `end`.

    The file then stands at the field's payload; wherever the caller leaves it, the next field is found.
    """
    while file.tell() < end:
        tag = _varint(file)
        field, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            _varint(file)
            length = 0
        elif wire_type == _LENGTH_DELIMITED:
            length = _varint(file)
        elif wire_type in (_FIXED64, _FIXED32):
            length = 8 if wire_type == _FIXED64 else 4
        else:
            raise _MalformedError
        start = file.tell()
        if field == 0 or start + length > end:
            raise _MalformedError
        yield field, wire_type, length
        file.seek(start + length)


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise _MalformedError
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise _MalformedError
