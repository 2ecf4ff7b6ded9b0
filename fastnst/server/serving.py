"""The running server: its socket, uvicorn, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import math
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from fastnst.errors import FastnstError
from fastnst.interruption import note_signal
from fastnst.server.application import Application
from fastnst.server.connection import Connection

# A training that runs is waited for as long, at least, while it saves.
_SAVE_SECONDS = 8.0

# After those that it gives paintings, in which connections end.
_MORE_SECONDS = 2


def open_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Args:
        host: A name or an address.
        port: 0 takes a free one.

    Raises:
        FastnstError: If there is no such host, or the port is taken or needs more rights.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server((str(address[0]), port), family=family, backlog=128)
    except socket.gaierror as error:
        raise FastnstError(f"there is no host {host!r}: {error.strerror}") from None
    except (OSError, OverflowError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FastnstError(f"{host}:{port} cannot be used: {reason}; name another --port or --host") from None


def is_local(listening: socket.socket) -> bool:
    """Return whether only programs on this machine reach a socket."""
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def address_of(listening: socket.socket) -> str:
    """Return the address by which a browser on this machine reaches a socket."""
    host, port = listening.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class Server(uvicorn.Server):
    """Serves until SIGINT or SIGTERM.

    Then it takes no more requests, refuses those that wait, and gives those that are painted some seconds.

    Args:
        application: What answers.
        grace: These seconds.
        on_start: Called when it takes requests.
    """

    def __init__(
        self, application: Application, grace: float, on_start: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=math.ceil(grace) + _MORE_SECONDS,
            )
        )
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._application, self._grace, self._on_start = application, grace, on_start

    def serve_on(self, listening: socket.socket) -> None:
        """Serve on a socket, which is closed at the end."""
        with listening:
            asyncio.run(self.serve(sockets=[listening]))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin; called by uvicorn."""
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; called by uvicorn."""
        queue = self._application.queue
        queue.close()
        asyncio.get_running_loop().call_later(self._grace, queue.cancel)
        closing = asyncio.ensure_future(self._close_connections())
        trainings = self._application.trainings
        saving = None
        if trainings is not None:
            saving = asyncio.ensure_future(
                asyncio.to_thread(trainings.close, max(self._grace, _SAVE_SECONDS))
            )
        await super().shutdown(sockets)
        closing.cancel()
        queue.cancel()
        if saving is not None:
            await saving

    async def _close_connections(self) -> None:
        """Close those that are idle, also those that were on their way when the socket was closed."""
        while True:
            await asyncio.sleep(0.1)
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection) and not connection.transport.is_closing():
                    connection.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Have signals end the server, and not the process: its exit code is 0."""

        def end(number: int, _: FrameType | None) -> None:
            note_signal(number)
            self.should_exit = True

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # A shell's background jobs, and what nohup starts, may ignore SIGINT.
        before = {
            number: signal.getsignal(number)
            for number in (signal.SIGINT, signal.SIGTERM)
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            for number in before:
                signal.signal(number, end)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
