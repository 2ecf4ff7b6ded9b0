"""Writing a site: a whole folder or none."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fastnst.errors import FastnstError
from fastnst.web.site import MARK, Files


def check_folder(folder: Path, *, replace: bool) -> None:
    """Check before the work that a site may be written to a folder.

    Raises:
        FastnstError: If it holds anything but a site that is to be replaced.
    """
    if not folder.exists() and not folder.is_symlink():
        if not folder.absolute().parent.is_dir():
            raise FastnstError(f"cannot write {folder}: there is no folder {folder.parent}")
        return
    if not folder.is_dir():
        raise FastnstError(f"{folder} is not a folder: name another one with -o")
    if not any(folder.iterdir()):
        return
    if not (folder / MARK).is_file():
        raise FastnstError(f"{folder} holds other files: name a new folder with -o")
    if not replace:
        raise FastnstError(f"{folder} exists already: --overwrite replaces it")


def write_folder(files: Files, folder: Path) -> None:
    """Write a site beside its place first, and move it there when it is whole.

    Raises:
        FastnstError: If it cannot be written.
    """
    try:
        target = folder.resolve()
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
            site = Path(temporary) / "site"
            for path, data in files.items():
                place = site / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
            if target.exists():
                target.rename(Path(temporary) / "before")
            site.rename(target)
    except OSError as error:
        raise FastnstError(f"cannot write {error.filename or folder}: {error.strerror or error}") from None


def size_of(files: Files) -> int:
    """Return how many bytes a site has."""
    return sum(map(len, files.values()))
