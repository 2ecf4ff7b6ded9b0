"""Decoded photos, kept for the next epochs and shared by the processes of a machine."""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import shutil
import struct
import sys
import tempfile
import weakref
from collections.abc import Iterator
from multiprocessing import reduction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnst.free_memory import free_memory

_log = logging.getLogger(__name__)

# The file begins with 64-bit words: the start of the free space, the error number that ended all writing, and
# the place of each photo. At its place are the photo's record and then its pixels.
_END, _ERROR, _FIRST_PHOTO = range(3)
_WORD = struct.Struct("q")
# The photo's number, the place of the record itself, height, width. The first two are checked: a word that is
# read while it is written may be half of one, and point anywhere.
_RECORD = struct.Struct("qqii")


class PhotoCache:
    """Decoded photos in a file without a name, mapped into the memory of every process that decodes.

    The first process that decodes a photo puts it there; `get` finds it once it is complete. Workers inherit
    the cache when they are forked, or receive it when they are spawned; other processes attach to its `path`.
    The file has no name: the system frees it with the last process, even after kill -9. A full disk, or any
    other error, ends the writing and nothing else.

    Args:
        file: Descriptor of the file; the cache closes it.
        photos: How many photos there are.

    Raises:
        OSError: If the file cannot be mapped.
    """

    def __init__(self, file: int, photos: int) -> None:
        self._file, self._photos = file, photos
        self._size = os.fstat(file).st_size
        # Writing uses system calls: a store into a map on a full disk would kill the process.
        self._map = mmap.mmap(file, self._size, access=mmap.ACCESS_READ)
        self._words = np.frombuffer(self._map, np.int64, _FIRST_PHOTO + photos)
        weakref.finalize(self, os.close, file)

    @classmethod
    def create(cls, photos: int, gigabytes: float | None = None) -> PhotoCache | None:
        """Make an empty cache.

        Up to half of the free memory, it is held in memory, where keeping a photo costs one copy. Larger
        caches, and those on systems other than Linux, lie in the folder for temporary files and take at most
        half of the space there.

        Args:
            photos: How many photos there are.
            gigabytes: The most that it may hold, in 10^9 bytes. By default a quarter of the free memory: room
                for thousands of photos, and safe beside the training itself and a second run.

        Returns:
            The cache; None, with a line in the log, if there is no room for one.
        """
        if sys.platform == "win32":  # without locks on files, and descriptors that workers receive
            return None
        free = free_memory()
        budget = free // 4 if gigabytes is None else int(gigabytes * 1e9)
        try:
            if sys.platform == "linux" and budget <= free // 2:
                file = os.memfd_create("fastnst-photos")
            else:
                budget = min(budget, shutil.disk_usage(tempfile.gettempdir()).free // 2)
                with tempfile.TemporaryFile() as unnamed:
                    file = os.dup(unnamed.fileno())
            with contextlib.ExitStack() as on_error:
                on_error.callback(os.close, file)
                # Written, not only extended: recording a photo's place must never need space.
                words = bytes(_WORD.size * (_FIRST_PHOTO + photos))
                _write(file, words, 0)
                _write(file, _WORD.pack(len(words)), _WORD.size * _END)
                os.ftruncate(file, max(budget, len(words)))  # this takes no space yet
                cache = cls(file, photos)
                on_error.pop_all()
        except OSError as error:
            _log.warning("decoded photos are not kept: %s", error.strerror or error)
            return None
        return cache

    @classmethod
    def attach(cls, path: str, photos: int) -> PhotoCache | None:
        """Share the cache of another process of this user on this machine.

        Args:
            path: The other cache's `path`.
            photos: How many photos there are.

        Returns:
            The same cache; None, with a line in the log, if this process cannot reach it.
        """
        try:
            with contextlib.ExitStack() as on_error:
                file = os.open(path, os.O_RDWR)
                on_error.callback(os.close, file)
                cache = cls(file, photos)
                on_error.pop_all()
            return cache
        except OSError as error:
            _log.warning("decoded photos are not shared: %s", error.strerror or error)
            return None

    @property
    def path(self) -> str | None:
        """Where other processes find the cache while this one lives; None on systems other than Linux."""
        return f"/proc/{os.getpid()}/fd/{self._file}" if sys.platform == "linux" else None

    @property
    def gigabytes(self) -> float:
        """The most that it may hold, in 10^9 bytes."""
        return self._size / 1e9

    @property
    def failure(self) -> str | None:
        """The error that ended the writing, in any of the processes; None if there was none."""
        error = int(self._words[_ERROR])
        return os.strerror(error) if error else None

    def get(self, index: int) -> NDArray[np.uint8] | None:
        """Return a photo if it is there.

        Args:
            index: Its number, from 0.

        Returns:
            What was put: shape (H, W, 3), uint8, read-only, without a copy; or None.
        """
        start = int(self._words[_FIRST_PHOTO + index])
        if not 0 < start <= self._size - _RECORD.size:
            return None
        *place, height, width = _RECORD.unpack_from(self._map, start)
        if place != [index, start]:
            return None
        pixels = np.frombuffer(self._map, np.uint8, height * width * 3, start + _RECORD.size)
        return pixels.reshape(height, width, 3)

    def put(self, index: int, pixels: NDArray[np.uint8]) -> None:
        """Keep a photo if there is room.

        Args:
            index: Its number, from 0.
            pixels: Shape (H, W, 3), uint8.
        """
        if self._words[_ERROR] or self._words[_FIRST_PHOTO + index]:
            return
        height, width, _ = pixels.shape
        try:
            start = self._reserve(_RECORD.size + pixels.nbytes)
            if start is None:
                return
            _write(self._file, np.ascontiguousarray(pixels).data.cast("B"), start + _RECORD.size)
            _write(self._file, _RECORD.pack(index, start, height, width), start)
            # Last, because others look here: a process that dies before this leaves some space unused.
            _write(self._file, _WORD.pack(start), _WORD.size * (_FIRST_PHOTO + index))
        except OSError as error:
            with contextlib.suppress(OSError):
                _write(self._file, _WORD.pack(error.errno or -1), _WORD.size * _ERROR)

    def _reserve(self, size: int) -> int | None:
        """Reserve `size` bytes for this process and return where they start; None if there is no room."""
        with _lock(self._file):
            start = int(self._words[_END])
            # Rounded up to a whole word: records stay aligned.
            end = start + -(-size // _WORD.size) * _WORD.size
            if end > self._size:
                return None
            _write(self._file, _WORD.pack(end), _WORD.size * _END)
        return start

    def __reduce__(self) -> tuple[Any, ...]:
        if sys.platform == "win32":
            raise TypeError("a PhotoCache cannot be handed to other processes on Windows")
        return _received, (reduction.DupFd(self._file), self._photos)


def _received(file: Any, photos: int) -> PhotoCache:
    return PhotoCache(file.detach(), photos)


@contextlib.contextmanager
def _lock(file: int) -> Iterator[None]:
    """Lock the file for this process; the system unlocks it if the process dies."""
    import fcntl

    fcntl.lockf(file, fcntl.LOCK_EX, _WORD.size)
    try:
        yield
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN, _WORD.size)


def _write(file: int, content: bytes | memoryview, start: int) -> None:
    """Write all of the content, or raise OSError."""
    rest = memoryview(content)
    while rest:
        written = os.pwrite(file, rest, start)  # a nearly full disk takes only a part
        rest, start = rest[written:], start + written
