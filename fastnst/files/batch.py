"""Many images through the network: read, painted and written at the same time, each by itself."""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastnst.atomic_write import atomic_write
from fastnst.errors import FastnstError
from fastnst.files.plan import Task
from fastnst.image.file import Picture

Paint = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Takes RGB of shape (H, W, 3), uint8, and returns the same shape and type, as a `Stylizer` does."""

MOST_WORKERS = 8
"""Threads that read, and as many that write: more only hold more pictures in memory."""


class DiskFullError(FastnstError):
    """The disk or the quota is full: the next image would fail too."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one image.

    Attributes:
        task: The image and its result.
        milliseconds: Time that painting took.
        error: The line that says why there is no result; None if there is one.
    """

    task: Task
    milliseconds: float = 0.0
    error: str | None = None


def paint_batch(
    tasks: Iterable[Task],
    paint: Paint,
    *,
    read: Callable[[Path], Picture],
    encode: Callable[[Task, Picture], bytes],
    report: Callable[[Outcome], None],
    workers: int | None = None,
) -> None:
    """Paint many images while threads read the next ones and write the last ones.

    `paint` and `report` are called in the caller's thread and in the order of the tasks; `read` and `encode`
    are called in others, several at a time. At most `2 * workers + 2` pictures are held at once, however
    many there are. An image that fails does not stop the next one.

    When `paint`, `report` or a signal handler in their thread raises, painted results are written and
    reported before the exception propagates. A second interruption does not wait for that.

    Args:
        tasks: The images; taken one after the other as they are needed.
        paint: Paints one picture.
        read: Reads a file, as `read_image` does.
        encode: Returns the bytes of a result.
        report: Called once for each image.
        workers: Threads for reading, and as many for writing; None takes one per core, up to 8.

    Raises:
        DiskFullError: If a result does not fit onto the disk: the rest would not either.
    """
    workers = workers or min(_cores(), MOST_WORKERS)
    upcoming = iter(tasks)
    reading: deque[tuple[Task, Future[Picture]]] = deque()
    writing: deque[tuple[Outcome, Future[None] | None]] = deque()
    readers = ThreadPoolExecutor(workers, "fastnst-read")
    writers = ThreadPoolExecutor(workers, "fastnst-write")

    def report_first() -> None:
        outcome = _result(*writing[0])  # it stays in its place while it is waited for: see below
        writing.popleft()
        report(outcome)

    try:
        for task in islice(upcoming, workers):
            reading.append((task, readers.submit(read, task.source)))
        while reading:
            task, picture = reading.popleft()
            for following in islice(upcoming, 1):
                reading.append((following, readers.submit(read, following.source)))
            outcome, painted = _painted(task, picture, paint)
            written = None if painted is None else writers.submit(_write, task, painted, encode)
            writing.append((outcome, written))
            del picture, painted  # so that neither is held while the next one is waited for
            while writing and (len(writing) > workers or _is_done(writing[0])):
                report_first()
        while writing:
            report_first()
    except BaseException:
        for _, unread in reading:
            unread.cancel()
        for outcome, written in writing:
            try:
                finished = _result(outcome, written)
            except DiskFullError:  # which is on its way already
                continue
            report(finished)
        raise
    finally:
        readers.shutdown(cancel_futures=True)
        writers.shutdown(cancel_futures=True)


def write_result(path: Path, data: bytes) -> None:
    """Write a file in one step, with the folders above it.

    Raises:
        DiskFullError: If there is no room.
        FastnstError: If the folder is read-only, is not a folder, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"{path} cannot be written, the disk is full: free {len(data):,} bytes"
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise FastnstError(
                f"{path} cannot be written, {path.parent} is read-only: give -o FOLDER"
            ) from None
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise FastnstError(f"{path} cannot be written, {path.parent} is not a folder") from None
        raise FastnstError(f"{path} cannot be written: {error.strerror or error}") from None


def _painted(task: Task, read: Future[Picture], paint: Paint) -> tuple[Outcome, Picture | None]:
    try:
        picture = read.result()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this image's alone
        return Outcome(task, error=_line(task, error)), None
    start = time.perf_counter()
    try:
        pixels = paint(picture.pixels)
    except Exception as error:  # noqa: BLE001 - as above
        message = f"{task.source}: {error}" if isinstance(error, FastnstError) else _line(task, error)
        return Outcome(task, error=message), None
    return Outcome(task, 1000 * (time.perf_counter() - start)), picture.painted(pixels)


def _write(task: Task, picture: Picture, encode: Callable[[Task, Picture], bytes]) -> None:
    try:
        data = encode(task, picture)
    except FastnstError as error:  # which knows the picture's size and format, not whose it is
        raise FastnstError(f"{task.source}: {error}") from None
    write_result(task.result, data)


def _is_done(entry: tuple[Outcome, Future[None] | None]) -> bool:
    return entry[1] is None or entry[1].done()


def _result(outcome: Outcome, written: Future[None] | None) -> Outcome:
    try:
        if written is not None:
            written.result()
    except DiskFullError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        return Outcome(outcome.task, outcome.milliseconds, _line(outcome.task, error))
    return outcome


def _line(task: Task, error: Exception) -> str:
    if isinstance(error, FastnstError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"{task.source} does not fit into memory: resize it"
    reason = str(error).strip().splitlines()[:1]
    return f"{task.source} cannot be done: {type(error).__name__}{f': {reason[0]}' if reason else ''}"


def _cores() -> int:
    # A container or taskset may allow fewer than there are.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
