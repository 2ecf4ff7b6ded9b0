"""Many images through the network: read, painted and written at the same time, each by itself."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fastnst.errors import FastnstError
from fastnst.file_lock import FileLock, LockedError
from fastnst.files.claim import claim
from fastnst.files.lanes import Lanes, Paint, cores
from fastnst.files.plan import Task
from fastnst.files.result import DiskFullError, ResultExistsError, cannot_write, is_taken, write_result
from fastnst.image.file import Picture
from fastnst.interruption import uninterrupted
from fastnst.model.running import Cancellation, Cancelled

MOST_WORKERS = 8
"""Threads that read, and as many that write: more only hold more pictures in memory."""


_WAIT_SECONDS = 0.1
"""Between two looks at what another process is painting, and at signals on Windows, which end no wait."""

_GRACE_SECONDS = 2.0
"""In which what is being painted in other threads ends after an interruption."""


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
    lanes: Lanes | None = None,
) -> None:
    """Paint many images while threads read the next ones and write the last ones.

    `paint` and `report` are called in the caller's thread and in the order of the tasks; `read` and `encode`
    are called in others, several at a time. At most `2 * workers + 2` pictures are held at once, however
    many there are. An image that fails does not stop the next one.

    With `lanes`, pictures that fit are painted in these, and `2 * lanes.count` more may be held; `paint` has
    the others, while the lanes are empty.

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
        lanes: What paints the pictures that fit; without, `paint` has all.

    Raises:
        DiskFullError: If a result does not fit onto the disk: the rest would not either.
    """
    workers = workers or min(cores(), MOST_WORKERS)
    batch = _Batch(paint, read, encode, report, workers, lanes, replace=replace)
    claimed = batch.run(tasks)
    batch.run(claimed, on_wait)


@dataclass(frozen=True)
class _Begun:
    """A picture that was read, and the claim to paint it; None if results are replaced."""

    task: Task
    picture: Picture
    held: FileLock | None = None


@dataclass(frozen=True)
class _Painted:
    """The outcome so far, and, if there is something to write, the painted picture and its claim."""

    outcome: Outcome
    picture: Picture | None = None
    held: FileLock | None = None


class _Batch:
    """The work of `paint_batch`, whose arguments it takes."""

    def __init__(
        self,
        paint: Paint,
        read: Callable[[Path], Picture],
        encode: Callable[[Task, Picture], bytes],
        report: Callable[[Outcome], None],
        workers: int,
        lanes: Lanes | None,
        *,
        replace: bool,
    ) -> None:
        self._paint, self._read_file, self._encode, self._report = paint, read, encode, report
        self._workers, self._replace = workers, replace
        self._lanes = lanes or Lanes(0, paint, lambda *_: False)
        self._held: set[FileLock] = set()

    def run(self, tasks: Iterable[Task], on_wait: Callable[[Task], None] | None = None) -> list[Task]:
        """Paint the tasks' images, and return those that another process is painting.

        With `on_wait`, which is called then, such an image is waited for.
        """
        upcoming = iter(tasks)
        claimed: list[Task] = []
        reading: deque[tuple[Task, Future[Picture | None]]] = deque()
        painting: deque[tuple[FileLock | None, Future[_Painted]]] = deque()
        writing: deque[tuple[Outcome, Future[bool] | None]] = deque()
        readers = ThreadPoolExecutor(self._workers, "fastnst-read")
        painters = ThreadPoolExecutor(max(self._lanes.count, 1), "fastnst-paint")
        writers = ThreadPoolExecutor(self._workers, "fastnst-write")
        interruption = Cancellation()

        def paint_first() -> None:
            task, read = reading.popleft()
            for following in islice(upcoming, 1):
                reading.append((following, readers.submit(self._read, following)))
            try:
                begun = self._begun(task, read, on_wait)
            except LockedError:
                claimed.append(task)
                return
            if isinstance(begun, Outcome):
                painting.append((None, _finished(_Painted(begun))))
            elif self._lanes.fit(*begun.picture.pixels.shape[:2]):
                with uninterrupted():
                    future = painters.submit(self._painted, begun, self._lanes.paint, interruption)
                    painting.append((begun.held, future))
            else:
                while painting:  # which would take memory and cores
                    write_first()
                painted = self._painted(begun, self._paint)
                painting.append((begun.held, _finished(painted)))

        def write_first() -> None:
            while not wait([painting[0][1]], _WAIT_SECONDS).done:
                pass
            with uninterrupted():
                _, painted = painting.popleft()
                writing.append(write(painted.result()))

        def write(painted: _Painted) -> tuple[Outcome, Future[bool] | None]:
            outcome, picture, held = painted.outcome, painted.picture, painted.held
            if picture is None:
                return outcome, None
            return outcome, writers.submit(self._write, outcome.task, picture, held)

        def report_first() -> None:
            outcome = _result(*writing[0])  # it stays in its place while it is waited for: see below
            with uninterrupted():
                writing.popleft()
                self._report(outcome)

        try:
            for task in islice(upcoming, self._workers):
                reading.append((task, readers.submit(self._read, task)))
            while reading or painting:
                if reading and len(painting) < max(2 * self._lanes.count, 1):
                    paint_first()
                else:
                    write_first()
                while painting and painting[0][1].done():
                    write_first()
                while writing and (len(writing) > self._workers or _is_done(writing[0])):
                    report_first()
            while writing:
                report_first()
        except BaseException:
            interruption.cancel()
            for _, unread in reading:
                unread.cancel()
            begun = [future for _, future in painting if not future.cancel()]
            wait(begun, _GRACE_SECONDS)
            writing += [write(future.result()) for future in begun if _has_result(future)]
            while writing:
                try:
                    report_first()
                except DiskFullError:  # noqa: PERF203 - which is on its way already
                    writing.popleft()
            readers.shutdown(wait=False)  # a pipe that nobody writes to is read for ever
            painters.shutdown(wait=False)
            raise
        else:
            readers.shutdown()
            painters.shutdown()
        finally:
            writers.shutdown(cancel_futures=True)
            # What an interruption kept from being written is given up, unless it is still being painted.
            for held in self._held - {held for held, future in painting if not future.done()}:
                self._release(held)
        return claimed

    def _read(self, task: Task) -> Picture | None:
        """Return the picture, or None if another process has written its result."""
        if self._is_done(task) and task.source.exists():  # else reading says that it is missing
            return None
        return self._read_file(task.source)

    def _is_done(self, task: Task) -> bool:
        return not self._replace and is_taken(task.result)

    def _begun(
        self, task: Task, read: Future[Picture | None], on_wait: Callable[[Task], None] | None
    ) -> _Begun | Outcome:
        """Return the picture with its claim, or the outcome if there is nothing to paint.

        Raises:
            LockedError: If another process is painting it.
        """
        try:
            picture = read.result()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this image's alone
            return Outcome(task, error=_line(task, error))
        if picture is None:
            return Outcome(task, is_skipped=True)
        if self._replace:
            return _Begun(task, picture)
        try:
            task.result.parent.mkdir(parents=True, exist_ok=True)
            return _Begun(task, picture, self._claim(task, on_wait))
        except OSError as error:
            problem = cannot_write(task.result, error, picture.pixels.nbytes)
            if isinstance(problem, DiskFullError):
                raise problem from None
            return Outcome(task, error=str(problem))
        except FastnstError as error:
            return Outcome(task, error=str(error))

    def _painted(self, begun: _Begun, paint: Paint, interruption: Cancellation | None = None) -> _Painted:
        """Paint a picture, in any thread.

        Raises:
            Cancelled: If the interruption ended it.
        """
        task, picture, held = begun.task, begun.picture, begun.held
        outcome = Outcome(task, is_skipped=True)
        painted = None
        try:
            with interruption or contextlib.nullcontext():
                if not self._is_done(task):  # as another process may have finished it while it was read
                    start = time.perf_counter()
                    painted = picture.painted(paint(picture.pixels))
                    outcome = Outcome(task, 1000 * (time.perf_counter() - start))
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            message = f"{task.source}: {error}" if isinstance(error, FastnstError) else _line(task, error)
            outcome = Outcome(task, error=message)
        finally:
            if painted is None:
                self._release(held)
        return _Painted(outcome, painted, held)

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


def _finished(painted: _Painted) -> Future[_Painted]:
    future: Future[_Painted] = Future()
    future.set_result(painted)
    return future


def _has_result(future: Future[_Painted]) -> bool:
    return future.done() and future.exception() is None


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
