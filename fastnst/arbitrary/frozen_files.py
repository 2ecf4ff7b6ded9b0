"""Paintings in the place of style files: frozen into temporary files, which end with the process."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from pathlib import Path

from fastnst.arbitrary.freeze import Paintings, freeze, name_of, weights_of
from fastnst.arbitrary.measure import state_of
from fastnst.errors import FastnstError
from fastnst.image.formats import READABLE_SUFFIXES, unread_format
from fastnst.interruption import call_at_end
from fastnst.style_library import FILE, find_style, kind_of_file

# The files, by their paintings, and the folder that holds those of a process.
_files: dict[tuple[object, ...], Path] = {}
_folders: dict[int, Path] = {}
_lock = threading.Lock()


def find_or_freeze(model: str | os.PathLike[str]) -> Path:
    """Return the file of a style given as a path, as a style's name, or as a painting.

    Args:
        model: As for `fastnst.style_library.find_style`; or an image file, which is frozen into a temporary
            style file of its name.

    Raises:
        FastnstError: If there is no such file or style, or the painting cannot be frozen.
    """
    if is_painting(model):
        return frozen_file(model)
    path = Path(model).expanduser()
    if _is_image(path) and not kind_of_file(path):
        raise FastnstError(f"there is no painting {path}")
    return find_style(model)


def is_painting(model: str | os.PathLike[str]) -> bool:
    """Return whether a style is given as an image file: one that exists and has an image's suffix."""
    path = Path(model).expanduser()
    return _is_image(path) and kind_of_file(path) == FILE


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in READABLE_SUFFIXES or unread_format(path) is not None


def frozen_file(paintings: Paintings) -> Path:
    """Return a temporary style file of paintings, which this process deletes at its end.

    The same paintings give the same file as long as they do not change.

    Args:
        paintings: As for `freeze`.

    Returns:
        A file whose name is the paintings', joined by +.

    Raises:
        FastnstError: If they cannot be frozen, or the file cannot be written.

    Warns:
        FastnstWarning: If a painting is partly transparent.
    """
    weights = weights_of(paintings)
    with _lock:
        key = tuple((*state_of(path), weight) for path, weight in weights.items())
        file = _files.get(key)
        if file is None or not file.exists():
            content = freeze(weights)
            try:
                folder = Path(tempfile.mkdtemp(dir=_folder()))
                file = folder / f"{name_of(list(weights))}.onnx"
                file.write_bytes(content)
            except OSError as error:
                raise FastnstError(
                    f"the frozen style cannot be written to the folder for temporary files "
                    f"{tempfile.gettempdir()}: {error.strerror or error}"
                ) from None
            _files[key] = file
        return file


def _folder() -> Path:
    """Return this process's folder of frozen styles; one that was forked makes its own."""
    if os.getpid() not in _folders:
        _folders[os.getpid()] = Path(tempfile.mkdtemp(prefix="fastnst-"))
    return _folders[os.getpid()]


def _remove_folder() -> None:
    # Not that of the process that this one was forked from.
    if (folder := _folders.pop(os.getpid(), None)) is not None:
        shutil.rmtree(folder, ignore_errors=True)


call_at_end(_remove_folder)
