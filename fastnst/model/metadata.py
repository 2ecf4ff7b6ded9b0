"""Reading a style file's `metadata_props` without a session.

A session costs the import of ONNX Runtime and some 50 ms per file; the list of styles and early checks need
neither.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from pathlib import Path

from fastnst.errors import FastnstError
from fastnst.model import keys
from fastnst.model.protobuf import MalformedError, read_fields
from fastnst.version import __version__

FORMAT = 1
"""The newest `fastnst.format` that this version runs."""

# Field numbers of ModelProto and StringStringEntryProto in onnx.proto.
_GRAPH, _METADATA_PROPS, _KEY, _VALUE = 7, 14, 1, 2


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
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise FastnstError(f"{path} is empty: copy or download the model again")
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        if data[:24].tobytes().startswith(b"version https://git-lfs"):
            raise FastnstError(f"{path} is a Git LFS pointer, not the model itself: run git lfs pull")
        return _metadata(data)
    except MalformedError:
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
