"""Writing files so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from fastnst.file_lock import try_lock
from fastnst.regular_file import open_regular_file

# The random part always has eight characters, so that a longer name is not mistaken for a shorter one.
_PARTIAL = re.compile(r"\.(?P<stem>.+)\.[a-z0-9_]{8}\.partial(?P<suffix>\..*)?", re.DOTALL)
_ADDED = len("..12345678.partial")

# What nearly every file system allows; those that count UTF-16 units allow more.
_MOST_NAME_BYTES = 255


def _umask() -> int:
    # The umask can only be read by setting it, which is not safe once there are threads: do it at import.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK = _umask()


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], *, replace: bool = True) -> Iterator[Path]:
    """Yield the path of a temporary file that takes the name `path` once the block has ended well.

    The temporary file is hidden, lies in the same folder, so that renaming is atomic, and keeps the suffix,
    by which libraries choose a format. It is flushed to the disk before it is renamed. If the block raises,
    it is removed and `path` stays unchanged. Long names are truncated to fit.

    Args:
        path: The file to write. Its folder must exist.
        replace: Whether a file of that name is replaced. False keeps one that appears at any time before the
            end, whichever process writes it.

    Yields:
        The path to write to.

    Raises:
        FileExistsError: If there is such a file and it is not to be replaced.
        OSError: If the folder is missing, full or read-only.
    """
    target = Path(path)
    descriptor, name = tempfile.mkstemp(
        prefix=f".{_shortened(target.stem, target.suffix)}.",
        suffix=f".partial{target.suffix}",
        dir=target.parent,
    )
    temporary = Path(name)
    if sys.platform == "win32":  # which lets no open file be renamed or deleted
        os.close(descriptor)
    else:
        # While the process lives, the lock shows that the file is not left over; where the file system knows
        # no locks, `remove_partial_writes` sees none either.
        try_lock(descriptor)
    try:
        yield temporary
        # mkstemp made the file private; a new file has the permissions that the user's umask gives.
        temporary.chmod(target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_UMASK)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        rename(temporary, target, replace=replace)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        if sys.platform != "win32":
            os.close(descriptor)


def rename(source: Path, target: Path, *, replace: bool = True) -> None:
    """Give a file another name in the same folder, in one step.

    Args:
        source: The file.
        target: Its new name.
        replace: Whether a file that has this name is replaced.

    Raises:
        FileExistsError: If there is such a file and it is not to be replaced.
        OSError: If the folder is missing or read-only.
    """
    if replace:
        os.replace(source, target)  # noqa: PTH105 - Path.replace says the same; os.replace names the guarantee
    elif sys.platform == "win32":
        source.rename(target)  # which replaces nothing there
    else:
        try:
            os.link(source, target)
        except FileExistsError:
            raise
        except OSError:  # the file system (FAT, many network drives) has no hard links
            with target.open("xb"):  # an empty file holds the name: no other process can take it any more
                pass
            os.replace(source, target)  # noqa: PTH105 - as above
        else:
            source.unlink()


def hidden_name(target: Path, token: str) -> str:
    """Return the name of a hidden file that belongs to `target`, and that `remove_partial_writes` finds.

    Args:
        target: The file that it belongs to.
        token: Eight characters of a to z, 0 to 9 and _.
    """
    return f".{_shortened(target.stem, target.suffix)}.{token}.partial{target.suffix}"


def remove_partial_writes(folder: Path, stems: str | Collection[str]) -> None:
    """Delete partial files that killed processes left for these names; files being written stay.

    For names that `atomic_write` truncated, the partial files of all names with the same beginning are
    deleted.

    Args:
        folder: The folder to clean.
        stems: The files' names without their suffixes, or one of them.

    Raises:
        OSError: If the folder cannot be read.
    """
    stems = {stems} if isinstance(stems, str) else set(stems)
    for partial in folder.iterdir():
        match = _PARTIAL.fullmatch(partial.name)
        if match is not None and _is_of(match["stem"], match["suffix"] or "", stems):
            with contextlib.suppress(OSError):  # another user's, or open on Windows: it stays
                _remove_unless_locked(partial)


def _is_of(shortened: str, suffix: str, stems: Collection[str]) -> bool:
    return any(shortened == _shortened(stem, suffix) for stem in stems)


def _shortened(stem: str, suffix: str) -> str:
    """Truncate a stem to whole characters so that the temporary file's name has a legal length."""
    room = _MOST_NAME_BYTES - _ADDED - len(os.fsencode(suffix))
    while len(os.fsencode(stem)) > max(room, 1):
        stem = stem[:-1]
    return stem


def _remove_unless_locked(partial: Path) -> None:
    if sys.platform == "win32":
        partial.unlink(missing_ok=True)  # which fails while it is open
        return
    descriptor = open_regular_file(partial, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if try_lock(descriptor):
            partial.unlink(missing_ok=True)  # before the lock is given back: another process may look for it
    finally:
        os.close(descriptor)
