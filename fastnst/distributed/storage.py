"""Files by path or by address: on the disk, or wherever pyarrow or fsspec reach, such as s3:// and gs://."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from fastnst.errors import FastnstError
from fastnst.files.result import ResultExistsError, is_taken, result_exists, write_result
from fastnst.model.session import first_line


def is_address(place: str) -> bool:
    """Return whether a place is an address such as s3://bucket/photos, and no path."""
    return "://" in place


def without_file_scheme(place: str) -> str:
    """Return the path that an address such as file:///photos names; any other place stays."""
    return url2pathname(urlsplit(place).path) if place.startswith("file://") else place


def read(place: str) -> bytes:
    """Return a file's bytes.

    Raises:
        FastnstError: If it is missing or cannot be read.
    """
    try:
        if not is_address(place):
            return Path(place).read_bytes()
        system, path = _open(place)
        with system.open_input_file(path) as file:
            return bytes(file.read())
    except FileNotFoundError:
        raise FastnstError(f"{place} does not exist") from None
    except Exception as error:  # noqa: BLE001 - each store has errors of its own
        raise FastnstError(f"{place} cannot be read: {first_line(error)}") from None


def exists(place: str) -> bool:
    """Return whether there is a file.

    Raises:
        FastnstError: If the store does not answer.
    """
    if not is_address(place):
        return is_taken(Path(place))
    system, path = _open(place)
    try:
        return bool(system.get_file_info(path).type.name != "NotFound")
    except Exception as error:  # noqa: BLE001 - as above
        raise FastnstError(f"{place} cannot be looked up: {first_line(error)}") from None


def write(place: str, data: bytes, *, replace: bool) -> None:
    """Write a file in one step, with the folders above it.

    Raises:
        ResultExistsError: If there is such a file and it is not to be replaced.
        FastnstError: If it cannot be written.
    """
    if not is_address(place):
        write_result(Path(place), data, replace=replace)
        return
    if not replace and exists(place):
        raise ResultExistsError(result_exists(Path(place)))
    system, path = _open(place)
    try:
        # A store makes an object of one upload, which is there as a whole or not at all.
        if "/" in path and getattr(system, "type_name", "").startswith(("local", "hdfs", "py::")):
            system.create_dir(path.rpartition("/")[0], recursive=True)
        with system.open_output_stream(path) as file:
            file.write(data)
    except Exception as error:  # noqa: BLE001 - as above
        raise FastnstError(f"{place} cannot be written: {first_line(error)}") from None


def list_files(folder: str, *, recursive: bool) -> list[str]:
    """Return the names of the files in a folder, relative to it; none if there is no such folder.

    Raises:
        FastnstError: If it cannot be listed.
    """
    from pyarrow import fs

    system, path = _open(folder.rstrip("/"))
    try:
        selector = fs.FileSelector(path, recursive=recursive, allow_not_found=True)
        found = [entry.path for entry in system.get_file_info(selector) if entry.is_file]
    except Exception as error:  # noqa: BLE001 - as above
        raise FastnstError(f"{folder} cannot be listed: {first_line(error)}") from None
    start = path.strip("/") + "/"
    return [entry.lstrip("/").removeprefix(start) for entry in found]


def _open(place: str) -> tuple[Any, str]:
    """Return the file system of a place and the path in it."""
    if not is_address(place):
        from pyarrow import fs

        return fs.LocalFileSystem(), place
    scheme, _, rest = place.partition("://")
    host = rest.partition("/")[0]
    system, prefix = _file_system(f"{scheme}://{host}")
    return system, (f"{prefix}{rest.removeprefix(host)}" if prefix is not None else rest)


@functools.cache
def _file_system(root: str) -> tuple[Any, str | None]:
    from pyarrow import ArrowInvalid, fs

    try:
        return fs.FileSystem.from_uri(root)  # type: ignore[no-any-return]
    except (ArrowInvalid, ValueError):  # which pyarrow does not know
        pass
    except Exception as error:  # noqa: BLE001 - as above
        raise FastnstError(f"{root} cannot be reached: {first_line(error)}") from None
    try:
        import fsspec

        system, prefix = fsspec.core.url_to_fs(root)
    except (ImportError, ValueError) as error:
        raise FastnstError(
            f"{root} is at no place that pyarrow or fsspec reach: {first_line(error)}"
        ) from None
    return fs.PyFileSystem(fs.FSSpecHandler(system)), str(prefix)
