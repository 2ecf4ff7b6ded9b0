"""The queue of paintings: one at a time by default, since each asks for the free memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastnst.model.running import Cancellation, Cancelled
from fastnst.server.body import Body
from fastnst.server.errors import ApiError, BusyError, ClientLeftError

T = TypeVar("T")

_FIRST_GUESS = 2.0
"""Seconds that a painting takes, before the first one is done."""


class PaintingQueue:
    """Paints in threads, so many at a time, while others wait in their order.

    A painting's place is free when its thread has ended, also where its client has left or its time is up: no
    more memory is taken than by those that run.

    Args:
        at_once: Paintings that run at the same time.
        most_waiting: Paintings that wait; more are refused.
        seconds: A painting that takes longer is ended.
    """

    def __init__(self, at_once: int, most_waiting: int, seconds: float) -> None:
        self._at_once, self._most_waiting, self._seconds = at_once, most_waiting, seconds
        self._threads = ThreadPoolExecutor(at_once, "fastnst-paint")
        self._turns: deque[asyncio.Future[None]] = deque()
        self._running: set[Cancellation] = set()
        self._places = at_once
        self._mean_seconds = _FIRST_GUESS
        self.ending = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._turns)

    @property
    def running(self) -> int:
        """How many run."""
        return self._at_once - self._places

    async def run(self, work: Callable[[], T], body: Body | None = None) -> T:
        """Do work when its turn comes.

        Args:
            work: What to do, in a thread, inside a `Cancellation`.
            body: The request's, which is whole: its client is watched.

        Returns:
            What `work` returned.

        Raises:
            BusyError: If too many wait, or the server ends.
            ClientLeftError: If the client has left.
            ApiError: 504 if it takes too long.
        """
        left: asyncio.Future[Any] = asyncio.ensure_future(
            asyncio.Event().wait() if body is None else body.left()
        )
        try:
            await self._wait_for_place(left)
            return await self._run(work, left)
        finally:
            left.cancel()

    def close(self) -> None:
        """Refuse what waits and what comes; what runs goes on."""
        self.ending.set()
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_exception(self._ending_error())

    def cancel(self) -> None:
        """End what runs."""
        for cancellation in list(self._running):
            cancellation.cancel()

    async def _wait_for_place(self, left: asyncio.Future[Any]) -> None:
        if self.ending.is_set():
            raise self._ending_error()
        if self._places:
            self._places -= 1
            return
        if len(self._turns) >= self._most_waiting:
            raise BusyError(
                f"{self.running} are painted and {self.waiting} wait: try again later",
                self._mean_seconds * (1 + self.waiting / self._at_once),
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            await asyncio.wait([turn, left], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._give_up(turn)
            raise
        if left.done():
            self._give_up(turn)
            raise ClientLeftError
        turn.result()

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            self._turns.remove(turn)
        elif turn.exception() is None:
            self._free_place()

    def _free_place(self) -> None:
        """Give a place to the next one that waits."""
        if self._turns:
            self._turns.popleft().set_result(None)
        else:
            self._places += 1

    async def _run(self, work: Callable[[], T], left: asyncio.Future[Any]) -> T:
        cancellation = Cancellation()
        self._running.add(cancellation)
        loop = asyncio.get_running_loop()
        start = loop.time()

        def end(future: asyncio.Future[T]) -> None:
            self._running.discard(cancellation)
            self._free_place()
            if not future.cancelled() and future.exception() is None:
                self._mean_seconds += 0.2 * (loop.time() - start - self._mean_seconds)

        future = asyncio.ensure_future(loop.run_in_executor(self._threads, _inside, cancellation, work))
        future.add_done_callback(end)
        try:
            await asyncio.wait([future, left], timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            cancellation.cancel()
            raise
        if future.done():
            try:
                return future.result()
            except Cancelled:
                raise self._ending_error() from None
        cancellation.cancel()
        if left.done():
            raise ClientLeftError
        raise ApiError(504, f"the painting takes more than {self._seconds:g} s: send a smaller image")

    @staticmethod
    def _ending_error() -> BusyError:
        return BusyError("the server is ending", 5)


def _inside(cancellation: Cancellation, work: Callable[[], T]) -> T:
    with cancellation:
        return work()
