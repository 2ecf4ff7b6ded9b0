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
from fastnst.file_lock import FileLock, LockedError
from fastnst.files.claim import claim
from fastnst.files.plan import Task
from fastnst.image.file import Picture
from fastnst.interruption import uninterrupted

Paint = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Takes RGB of shape (H, W, 3), uint8, and returns the same shape and type, as a `Stylizer` does."""

MOST_WORKERS = 8
"""Threads that read, and as many that write: more only hold more pictures in memory."""


_WAIT_SECONDS = 0.1
"""Between two looks at what another process is painting."""


class DiskFullError(FastnstError):
    """The disk or the quota is full: the next image would fail too."""


class ResultExistsError(FastnstError):
    """There is a file in the result's place, which stays as it is."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one image.

    Attributes:
        task: The image and its result.
        milliseconds: Time that painting took.
        error: The line that says why there is no result; None if there is one.
        is_skipped: Whether another process wrote the result, which stays as it is.
    """

    task: Task
    milliseconds: float = 0.0
    error: str | None = None
    is_skipped: bool = False


def paint_batch(
    tasks: Iterable[Task],
    paint: Paint,
    *,
    read: Callable[[Path], Picture],
    encode: Callable[[Task, Picture], bytes],
    report: Callable[[Outcome], None],
    replace: bool = False,
    on_wait: Callable[[Task], None] = lambda _: None,
    workers: int | None = None,
) -> None:
    """Paint many images while threads read the next ones and write the last ones.

    `paint` and `report` are called in the caller's thread and in the order of the tasks; `read` and `encode`
    are called in others, several at a time. At most `2 * workers + 2` pictures are held at once, however
    many there are. An image that fails does not stop the next one.

    Without `replace`, several processes may paint the same images, and share the work: each skips what
    another has painted, leaves what another is painting to the end, and then waits for it. What another
    gave up is painted.

    When `paint`, `report` or a signal handler in their thread raises, painted results are written and
    reported before the exception propagates, and files may still be read after it. A second interruption
    does not wait for that.

    Args:
        tasks: The images; taken one after the other as they are needed.
        paint: Paints one picture.
        read: Reads a file, as `read_image` does.
        encode: Returns the bytes of a result.
        report: Called once for each image.
        replace: Whether results that exist are replaced.
        on_wait: Called before the wait for an image that another process is painting.
        workers: Threads for reading, and as many for writing; None takes one per core, up to 8.

    Raises:
        DiskFullError: If a result does not fit onto the disk: the rest would not either.
    """
    workers = workers or min(_cores(), MOST_WORKERS)
    batch = _Batch(paint, read, encode, report, workers, replace=replace)
    claimed = batch.run(tasks)
    batch.run(claimed, on_wait)


class _Batch:
    """The work of `paint_batch`, whose arguments it takes."""

    def __init__(
        self,
        paint: Paint,
        read: Callable[[Path], Picture],
        encode: Callable[[Task, Picture], bytes],
        report: Callable[[Outcome], None],
        workers: int,
        *,
        replace: bool,
    ) -> None:
        self._paint, self._read_file, self._encode, self._report = paint, read, encode, report
        self._workers, self._replace = workers, replace
        self._held: set[FileLock] = set()

    def run(self, tasks: Iterable[Task], on_wait: Callable[[Task], None] | None = None) -> list[Task]:
        """Paint the tasks' images, and return those that another process is painting.

        With `on_wait`, which is called then, such an image is waited for.
        """
        upcoming = iter(tasks)
        claimed: list[Task] = []
        reading: deque[tuple[Task, Future[Picture | None]]] = deque()
        writing: deque[tuple[Outcome, Future[bool] | None]] = deque()
        readers = ThreadPoolExecutor(self._workers, "fastnst-read")
        writers = ThreadPoolExecutor(self._workers, "fastnst-write")

        def report_first() -> None:
            outcome = _result(*writing[0])  # it stays in its place while it is waited for: see below
            with uninterrupted():
                writing.popleft()
                self._report(outcome)

        try:
            for task in islice(upcoming, self._workers):
                reading.append((task, readers.submit(self._read, task)))
            while reading:
                task, picture = reading.popleft()
                for following in islice(upcoming, 1):
                    reading.append((following, readers.submit(self._read, following)))
                try:
                    outcome, painted, held = self._painted(task, picture, on_wait)
                except LockedError:
                    claimed.append(task)
                else:
                    with uninterrupted():
                        written = (
                            None if painted is None else writers.submit(self._write, task, painted, held)
                        )
                        writing.append((outcome, written))
                    del painted  # so that neither is held while the next one is waited for
                del picture
                while writing and (len(writing) > self._workers or _is_done(writing[0])):
                    report_first()
            while writing:
                report_first()
        except BaseException:
            for _, unread in reading:
                unread.cancel()
            while writing:
                try:
                    report_first()
                except DiskFullError:  # noqa: PERF203 - which is on its way already
                    writing.popleft()
            readers.shutdown(wait=False)  # a pipe that nobody writes to is read for ever
            raise
        else:
            readers.shutdown()
        finally:
            writers.shutdown(cancel_futures=True)
            for held in list(self._held):  # of pictures that an interruption kept from being written
                self._release(held)
        return claimed

    def _read(self, task: Task) -> Picture | None:
        """Return the picture, or None if another process has written its result."""
        if self._is_done(task) and task.source.exists():  # else reading says that it is missing
            return None
        return self._read_file(task.source)

    def _is_done(self, task: Task) -> bool:
        return not self._replace and _exists(task.result)

    def _painted(
        self, task: Task, read: Future[Picture | None], on_wait: Callable[[Task], None] | None
    ) -> tuple[Outcome, Picture | None, FileLock | None]:
        """Return the outcome, and, if there is something to write, the painted picture and its claim.

        Raises:
            LockedError: If another process is painting it.
        """
        try:
            picture = read.result()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this image's alone
            return Outcome(task, error=_line(task, error)), None, None
        if picture is None:
            return Outcome(task, is_skipped=True), None, None
        held: FileLock | None = None
        if not self._replace:
            try:
                task.result.parent.mkdir(parents=True, exist_ok=True)
                held = self._claim(task, on_wait)
            except OSError as error:
                problem = _cannot_write(task.result, error, picture.pixels.nbytes)
                if isinstance(problem, DiskFullError):
                    raise problem from None
                return Outcome(task, error=str(problem)), None, None
            except FastnstError as error:
                return Outcome(task, error=str(error)), None, None
        outcome = Outcome(task, is_skipped=True)
        painted = None
        try:
            if not self._is_done(task):  # as another process may have finished it while it was read
                start = time.perf_counter()
                painted = picture.painted(self._paint(picture.pixels))
                outcome = Outcome(task, 1000 * (time.perf_counter() - start))
        except Exception as error:  # noqa: BLE001 - as above
            message = f"{task.source}: {error}" if isinstance(error, FastnstError) else _line(task, error)
            outcome = Outcome(task, error=message)
        finally:
            if painted is None:
                self._release(held)
        return outcome, painted, held

    def _claim(self, task: Task, on_wait: Callable[[Task], None] | None) -> FileLock | None:
        is_first = True
        while True:
            try:
                with uninterrupted():
                    held = claim(task.result)
                    if held is not None:
                        self._held.add(held)
                    return held
            except LockedError:  # noqa: PERF203 - this loop waits
                if on_wait is None:
                    raise
                if is_first:
                    on_wait(task)
                is_first = False
                time.sleep(_WAIT_SECONDS)

    def _release(self, held: FileLock | None) -> None:
        if held is not None:
            held.release(delete=True)
            self._held.discard(held)

    def _write(self, task: Task, picture: Picture, held: FileLock | None) -> bool:
        """Write the result, and return whether it took its place: another program may have written one."""
        try:
            data = self._encode(task, picture)
            write_result(task.result, data, replace=self._replace)
        except ResultExistsError:
            return False
        except DiskFullError:
            raise
        except FastnstError as error:  # which knows the picture's size and format, not whose it is
            raise FastnstError(f"{task.source}: {error}") from None
        finally:
            self._release(held)
        return True


def write_result(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Write a file in one step, with the folders above it.

    Args:
        path: The file.
        data: Its content.
        replace: Whether a file of that name is replaced.

    Raises:
        ResultExistsError: If there is such a file and it is not to be replaced.
        DiskFullError: If there is no room.
        FastnstError: If the folder is read-only, is not a folder, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, replace=replace) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        if isinstance(error, FileExistsError) and _exists(path):
            raise ResultExistsError(result_exists(path)) from None
        raise _cannot_write(path, error, len(data)) from None


def result_exists(path: Path) -> str:
    """Return the line for a result whose place is taken."""
    return f"{path} exists: --overwrite replaces it, -o writes elsewhere"


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()  # a link that leads nowhere is a file of that name too


def _cannot_write(path: Path, error: OSError, size: int) -> FastnstError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"{path} cannot be written, the disk is full: free {size:,} bytes")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return FastnstError(f"{path} cannot be written, {path.parent} is read-only: give -o FOLDER")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return FastnstError(f"{path} cannot be written, {path.parent} is not a folder")
    return FastnstError(f"{path} cannot be written: {error.strerror or error}")


def _is_done(entry: tuple[Outcome, Future[bool] | None]) -> bool:
    return entry[1] is None or entry[1].done()


def _result(outcome: Outcome, written: Future[bool] | None) -> Outcome:
    try:
        if written is None or written.result():
            return outcome
    except DiskFullError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        return Outcome(outcome.task, outcome.milliseconds, _line(outcome.task, error))
    return Outcome(outcome.task, is_skipped=True)


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
