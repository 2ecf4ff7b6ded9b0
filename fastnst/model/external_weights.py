"""Weights that a model keeps in another file, and why ONNX Runtime does not take them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fastnst.model.protobuf import MalformedError, read_fields
from fastnst.style_library import FILE, kind_of_file
from fastnst.terminal import printable

# Field numbers of ModelProto, GraphProto, TensorProto and StringStringEntryProto in onnx.proto.
_GRAPH, _INITIALIZER, _EXTERNAL_DATA, _KEY, _VALUE = 7, 5, 13, 1, 2


def explain_failure(path: Path) -> str:
    """Return why the weights that a model keeps in other files cannot be read, and what to do.

    The result is empty if it keeps none there, or if nothing is wrong with them.

    A model may name any file, so ONNX Runtime reads only those in the model's own folder and below.
    """
    try:
        tensors = list(_external_tensors(path.read_bytes()))
    except (MalformedError, OSError):
        tensors = []
    folder = path.absolute().parent
    for entry in tensors:
        location = entry.get("location", "")
        begins = f"{path} keeps its weights in another file, '{printable(location, 200)}'"
        if not location:
            return f"{path} keeps its weights in another file, but does not say in which: export it again"
        file = folder / location
        kind = kind_of_file(file)
        try:
            is_inside = file.resolve().is_relative_to(folder.resolve())
            size = file.stat().st_size if kind == FILE else 0
        except (OSError, ValueError, RuntimeError):
            is_inside, size = False, 0
        if not is_inside and file.is_symlink():
            return f"{begins}, a link that leads out of the model's folder: put the file itself there"
        if not is_inside:
            return (
                f"{begins}, outside of the model's own folder, where a foreign model must not read: "
                "export it again with its weights inside it"
            )
        if not kind:
            return f"{begins}, which is missing: put that file into {folder}"
        if kind != FILE:
            return f"{begins}, which is {kind}: put the file with the weights there"
        if size < _end(entry):
            return f"{begins}, which is too short: copy or download it again"
    return ""


def _external_tensors(data: bytes) -> Iterator[dict[str, str]]:
    for graph in _payloads(data, _GRAPH):
        for tensor in _payloads(graph, _INITIALIZER):
            pairs = [dict(_texts(entry)) for entry in _payloads(tensor, _EXTERNAL_DATA)]
            if pairs:
                yield {pair.get(_KEY, ""): pair.get(_VALUE, "") for pair in pairs}


def _payloads(data: bytes, number: int) -> Iterator[bytes]:
    return (value for found, _, value in read_fields(data) if found == number and isinstance(value, bytes))


def _texts(entry: bytes) -> Iterator[tuple[int, str]]:
    for number, _, value in read_fields(entry):
        if isinstance(value, bytes):
            yield number, value.decode("utf-8", errors="replace")


def _end(entry: dict[str, str]) -> int:
    """Return the byte in the file after a tensor's last, as far as the model says it."""
    numbers = [entry.get(key, "0") for key in ("offset", "length")]
    return sum(int(number) for number in numbers if number.isdecimal() and len(number) < 20)
