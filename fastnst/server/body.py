"""Bodies of requests: read with limits, and with little memory however many clients send."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from fastnst.server.errors import ApiError, BusyError, ClientLeftError

# What is read of a body that is refused, and thrown away: a connection that is closed while its client sends
# is reset, and the answer is lost with it.
_DRAINED_BYTES = 256_000_000
_DRAINED_SECONDS = 5.0
_DRAINED_IDLE_SECONDS = 0.3  # a client that has stopped sending reads


@dataclass(frozen=True)
class BodyLimits:
    """Limits of one request's body.

    Attributes:
        most_bytes: More are refused.
        idle_seconds: A client that sends nothing for so long is refused.
        seconds: A body that takes longer is refused.
    """

    most_bytes: int
    idle_seconds: float = 20
    seconds: float = 600


class Body:
    """The body of one request. Given to the application as its `receive`.

    Attributes:
        is_whole: Whether all of it has come.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_whole = False

    async def __call__(self) -> Message:
        """Return the next part."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.is_whole = True
        return message

    async def left(self) -> None:
        """Return when the client has closed the connection; called when the body is whole."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def drain(self, headers: Headers) -> None:
        """Read on and throw away, up to a limit, so that the client reads the answer that comes next."""
        if self.is_whole or waits_for_permission(headers):
            return
        size, end = 0, time.monotonic() + _DRAINED_SECONDS
        with contextlib.suppress(asyncio.TimeoutError):
            while not self.is_whole and size < _DRAINED_BYTES and time.monotonic() < end:
                part = await asyncio.wait_for(self(), _DRAINED_IDLE_SECONDS)
                size += len(part.get("body", b""))


class HeldBytes:
    """The memory that the bodies and results of all requests may take together.

    Args:
        most: In bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.now = 0

    def change(self, difference: int) -> None:
        """Count what one request holds more or less.

        Raises:
            BusyError: If there is no room for more.
        """
        if difference > 0 and self.now + difference > self._most:
            raise BusyError("the server holds as many pictures as it may: try again later", 5)
        self.now += difference


class Share:
    """How many of the `HeldBytes` one request holds: none at first, and none at the end."""

    def __init__(self, whole: HeldBytes) -> None:
        self._whole = whole
        self._size = 0

    def set(self, size: int) -> None:
        """Hold so many bytes from now on."""
        self._whole.change(size - self._size)
        self._size = size


async def read_body(
    body: Body, headers: Headers, limits: BodyLimits, share: Share, ending: asyncio.Event
) -> bytes:
    """Read a whole body.

    Args:
        body: What to read.
        headers: The request's.
        limits: Its limits.
        share: Counts its bytes.
        ending: Set when the server ends.

    Raises:
        ApiError: 413 if it is too large, 408 if it comes too slowly.
        BusyError: If all bodies together are too large, or the server ends.
        ClientLeftError: If the client goes away before its end.
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limits.most_bytes:
        raise _too_large(limits)
    data = bytearray()
    deadline = time.monotonic() + limits.seconds
    end = asyncio.ensure_future(ending.wait())
    try:
        while not body.is_whole:
            part = asyncio.ensure_future(body())
            wait = min(limits.idle_seconds, deadline - time.monotonic())
            try:
                await asyncio.wait({part, end}, timeout=max(wait, 0), return_when=asyncio.FIRST_COMPLETED)
            finally:
                part.cancel()
            if not part.done():
                if ending.is_set():
                    raise BusyError("the server is ending", 5)
                raise ApiError(
                    408, f"the image did not come within {limits.idle_seconds:g} s: send it faster"
                )
            message = part.result()
            if message["type"] == "http.disconnect":
                raise ClientLeftError
            data += message.get("body", b"")
            if len(data) > limits.most_bytes:
                raise _too_large(limits)
            share.set(len(data))
    finally:
        end.cancel()
    return bytes(data)


def waits_for_permission(headers: Headers) -> bool:
    """Return whether a client sends its body only when the server has asked for it."""
    return headers.get("expect", "").lower() == "100-continue"


def _too_large(limits: BodyLimits) -> ApiError:
    return ApiError(413, f"the request has more than {limits.most_bytes:,} bytes: send a smaller image")
