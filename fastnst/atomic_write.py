"""Writing files so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def _umask() -> int:
    # The umask can only be read by setting it, which is not safe once there are threads: do it at import.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK = _umask()


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the path of a temporary file that takes the name `path` once the block has ended well.

    The temporary file lies in the same folder, so that the renaming is atomic, keeps the suffix, so that
    libraries which choose a format by it do so, and is hidden. It is flushed to the disk before it is
    renamed. When the block raises, it is removed and `path` stays as it was.

    Args:
        path: The file to write. Its folder must exist.

    Yields:
        The path to write to.

    Raises:
        OSError: If the folder is missing, full or read-only.
    """
    target = Path(path)
    descriptor, name = tempfile.mkstemp(
        prefix=f".{target.stem}.", suffix=f".partial{target.suffix}", dir=target.parent
    )
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp made the file private; a new file has the permissions that the user's umask gives.
        temporary.chmod(target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_UMASK)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)  # noqa: PTH105 - Path.replace says the same; os.replace names the guarantee
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_partial_writes(folder: Path, stem: str) -> None:
    """Delete what a killed process left of writing files of one name.

    Args:
        folder: Where it wrote.
        stem: The file's name without its suffix.
    """
    # The random part is eight characters long, so that a longer name is not taken for this one.
    for partial in folder.glob(f".{glob.escape(stem)}.????????.partial.*"):
        partial.unlink(missing_ok=True)
