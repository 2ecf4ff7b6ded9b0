"""Work of ONNX Runtime that can be ended: by a signal, by another thread, or by a time limit.

Python handles a signal between two of its own instructions in the main thread, so that one run of a network,
however long, would hold it up. Here the main thread only waits while another one runs the network, and ONNX
Runtime is told to stop when the wait is interrupted.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextvars import ContextVar
from types import TracebackType
from typing import TypeVar

from fastnst.errors import FastnstError

T = TypeVar("T")

_GRACE = 1.0
"""Seconds in which stopped work ends. ONNX Runtime looks between two operations; a longer one is left to run
in its thread, which does not keep the process alive."""

# On Windows, no signal interrupts a wait.
_LOOK_UP = 0.1


class Cancelled(Exception):  # noqa: N818 - as in asyncio and concurrent.futures, it is no fault
    """The work was ended by `Cancellation.cancel`."""


class TimeLimitError(FastnstError):
    """The work took longer than `time_limit` allows."""


class Cancellation:
    """Lets one thread end what others open and paint.

    Whatever a thread does with a `Stylizer` or `Painter` inside `with cancellation:` raises `Cancelled` soon
    after another thread calls `cancel`, and is not begun after that. Several threads may be inside at once.

    Example:
        >>> cancellation = Cancellation()
        >>> with cancellation:  # doctest: +SKIP
        ...     painted = stylizer(photo)  # until another thread calls cancellation.cancel()
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._stops: dict[int, Callable[[], None]] = {}

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` has been called."""
        return self._cancelled

    def cancel(self) -> None:
        """End the work inside; it may be called from any thread, and more than once."""
        with self._lock:
            self._cancelled = True
            stops = list(self._stops.values())
        for stop in stops:
            stop()

    def __enter__(self) -> Cancellation:
        _active.set((*_active.get(), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _active.set(_active.get()[:-1])

    @contextlib.contextmanager
    def _stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        with self._lock:
            if self._cancelled:
                raise Cancelled
            self._stops[id(stop)] = stop
        try:
            yield
        finally:
            with self._lock:
                del self._stops[id(stop)]


# The cancellations that this thread is inside of.
_active: ContextVar[tuple[Cancellation, ...]] = ContextVar("fastnst_cancellations", default=())


def raise_if_cancelled() -> None:
    """End the work that this thread does inside a `Cancellation`, if that is cancelled.

    Raises:
        Cancelled: If it is.
    """
    if any(cancellation.cancelled for cancellation in _active.get()):
        raise Cancelled


@contextlib.contextmanager
def time_limit(seconds: float, message: str) -> Iterator[None]:
    """End the work inside after a time.

    Raises:
        TimeLimitError: With the message, if it takes longer.
    """
    limit = Cancellation()
    timer = threading.Timer(seconds, limit.cancel)
    timer.daemon = True
    timer.start()
    try:
        with limit:
            yield
    except Cancelled:
        if not limit.cancelled:
            raise
        raise TimeLimitError(message) from None
    finally:
        timer.cancel()


def run_until_stopped(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """Do work that a signal in the main thread, a `Cancellation` or a time limit ends.

    Args:
        work: What to do. It may go on in a thread of its own after this function has raised.
        stop: Called from any thread to end it.

    Returns:
        What `work` returned.

    Raises:
        Cancelled: If the work was cancelled, or never begun for that reason.
        BaseException: Whatever `work` or a signal's handler raised.
    """
    active = _active.get()
    if not active and threading.current_thread() is not threading.main_thread():
        return work()  # neither signals nor cancellations reach it
    woken = threading.Event()

    def end() -> None:
        stop()
        woken.set()

    with contextlib.ExitStack() as watched:
        for cancellation in active:
            watched.enter_context(cancellation._stopping(end))
        future = _start(work)
        future.add_done_callback(lambda _: woken.set())
        try:
            while not woken.wait(_LOOK_UP):
                pass
            wait([future], _GRACE)
        except BaseException:
            stop()
            with contextlib.suppress(BaseException):  # a second signal does not wait any longer
                wait([future], _GRACE)
            raise
    if any(cancellation.cancelled for cancellation in active) and (
        not future.done() or future.exception() is not None
    ):
        raise Cancelled
    try:
        return future.result()
    finally:
        del future  # which holds the exception, which holds this frame with its pictures


def _start(work: Callable[[], T]) -> Future[T]:
    """Do work in a thread of its own, which does not keep the process alive."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the work is waited for
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="fastnst-run", daemon=True).start()
    return future
