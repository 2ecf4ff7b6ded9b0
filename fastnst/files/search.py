"""The images that files, folders and patterns on a command line stand for."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastnst.image.formats import READABLE_SUFFIXES, count_formats, unread_format


@dataclass(frozen=True)
class FoundImage:
    """One image that was found.

    Attributes:
        path: Its path, as the argument spells it.
        identity: The same for every spelling of the path.
        below: Its folder, relative to the folder whose tree was searched; `.` for all others.
        tree: The folder whose tree was searched, or None.
        is_named: Whether it is an argument itself, not found in a folder or by a pattern.
    """

    path: Path
    identity: str
    below: Path = Path()
    tree: str | None = None
    is_named: bool = False


@dataclass(frozen=True)
class Problem:
    """An argument or a file that cannot be painted.

    Attributes:
        source: Its path or pattern.
        line: What is wrong with it.
    """

    source: str
    line: str


class FolderIdentities:
    """Recognises different spellings of one path; resolves each folder once."""

    def __init__(self) -> None:
        self._folders: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        """Return the same text for every spelling of a file's path; the file itself may be a link."""
        folder = self._folders.get(path.parent)
        if folder is None:
            folder = self._folders[path.parent] = str(path.parent.resolve())
        return os.path.normcase(Path(folder, path.name))


def find_images(
    arguments: Sequence[str],
    identities: FolderIdentities,
    *,
    recursive: bool = False,
    output: str | None = None,
) -> tuple[list[FoundImage], list[Problem], list[Path]]:
    """Return the images that the arguments name, each once, and a problem for each that names none.

    The last item is the images in folders that are left out, as fastnst does not read their format.

    Folders give the images in them, by name; patterns are expanded here too, for shells that do not.

    Args:
        arguments: Files, folders and patterns.
        identities: Compares the paths.
        recursive: Whether to search the folders below a folder too.
        output: A folder that no tree is searched in, unless it is an argument itself.
    """
    found: dict[str, FoundImage] = {}
    problems: list[Problem] = []
    unread: list[Path] = []
    for text in arguments:
        path = Path(text)
        tree, is_named = None, False
        try:
            if path.is_dir():
                if recursive:
                    files, unreadable = _search_tree(path, output)
                    problems += unreadable
                    tree = str(path)
                else:
                    files = sorted(file for file in path.iterdir() if _is_image(file))
                    unreadable = []
                others = [file for file in files if unread_format(file) is not None]
                files = [file for file in files if unread_format(file) is None]
                if files:
                    unread += others
                elif others:
                    what = f"holds no images that fastnst reads ({count_formats(others)})"
                    problems.append(Problem(text, f"{path} {what}"))
                elif not unreadable:
                    problems.append(Problem(text, f"{path} holds no images{_advice(path, recursive)}"))
            elif glob.has_magic(text) and not path.exists():
                matches = glob.glob(text, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
                files = sorted(file for match in matches if (file := Path(match)).is_file())
                if not files:
                    problems.append(Problem(text, f"{text} matches no file"))
            else:
                files, is_named = [path], True
        except OSError as error:
            problems.append(Problem(text, f"{path} cannot be read: {error.strerror or error}"))
            continue
        for file in files:
            identity = identities.of(file)
            below = Path() if tree is None else file.parent.relative_to(path)
            found.setdefault(identity, FoundImage(file, identity, below, tree, is_named))
    return list(found.values()), problems, unread


def _search_tree(top: Path, output: str | None) -> tuple[list[Path], list[Problem]]:
    """Return the images in a folder and below it, in the order of their names, and what cannot be read.

    Real folders are searched first, then links to folders. No folder is searched twice, so a link to a parent
    folder ends the search there, and an image is listed under the path without a link.
    """
    searched: set[tuple[int, int]] = set()
    if output is not None and Path(output).is_dir() and not Path(output).samefile(top):
        searched.add(_identity(output))
    files: list[Path] = []
    problems: list[Problem] = []

    def note(error: OSError) -> None:
        line = f"{error.filename} cannot be read: {error.strerror or error}"
        problems.append(Problem(str(error.filename), line))

    waiting = [str(top)]
    while waiting:
        links: list[str] = []
        for start in waiting:
            for folder, folders, names in os.walk(start, onerror=note):
                try:
                    number = _identity(folder)
                    files += [
                        file
                        for name in names
                        if number not in searched and _is_image(file := Path(folder, name))
                    ]
                except OSError as error:
                    note(error)
                    continue
                folders[:] = sorted(
                    name for name in folders if number not in searched and not name.startswith(".")
                )
                links += [str(link) for name in folders if (link := Path(folder, name)).is_symlink()]
                searched.add(number)
        waiting = links
    return sorted(files, key=lambda file: file.relative_to(top).parts), problems


def _identity(folder: str) -> tuple[int, int]:
    status = Path(folder).stat()
    return status.st_dev, status.st_ino


def _advice(folder: Path, recursive: bool) -> str:
    if recursive or not any(path.is_dir() and not path.name.startswith(".") for path in folder.iterdir()):
        return ""
    return ": --recursive searches the folders in it"


def _is_image(path: Path) -> bool:
    """Return whether a file's name says that it is an image, also of a format that fastnst does not read."""
    is_known = path.suffix.lower() in READABLE_SUFFIXES or unread_format(path) is not None
    return is_known and not path.name.startswith(".") and path.is_file()
