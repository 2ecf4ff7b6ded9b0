"""A server that runs in this process, and clients that speak to it over sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnst.server import page_files
from fastnst.server.access import AccessRules
from fastnst.server.application import Application, Limits
from fastnst.server.body import BodyLimits
from fastnst.server.open_styles import OpenStyles
from fastnst.server.serving import Server, open_socket
from fastnst.stylizer import Stylizer
from fastnst.web.samples import Example
from tests.fastnst import tiny_models
from tests.fastnst.make_images import encoded, pixels

PATH = "/api/v1/stylize"

DARK = encoded(np.zeros((8, 8, 3), np.uint8))
ENDLESS = encoded(np.full((8, 8, 3), 255, np.uint8))
"""A photo that the style `endless` never ends."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def error(self) -> str:
        """The one line that says what is wrong."""
        assert self.headers["content-type"] == "application/json"
        assert self.data.count(b"\n") == 1
        assert list(json.loads(self.data)) == ["error"]
        return str(json.loads(self.data)["error"])


class Running:
    """A server in a thread of its own."""

    def __init__(self, application: Application, grace: float = 0.2) -> None:
        self.application = application
        self.queue = application.queue
        self._server = Server(application, grace)
        listening = open_socket("127.0.0.1", 0)
        self.port = listening.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_on, args=(listening,), daemon=True)
        self._thread.start()

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Answer(
                response.status,
                {name.lower(): value for name, value in response.getheaders()},
                response.read(),
            )

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})

    def paint(self, query: str, body: bytes = DARK, headers: Mapping[str, str] = {}) -> Answer:
        return self.ask("POST", f"{PATH}?{query}", body, headers)

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(sent)
        return connection

    def begin(self, query: str, body: bytes, headers: str = "") -> socket.socket:
        """Send a whole request and do not wait for its answer."""
        head = (
            f"POST {PATH}?{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        )
        return self.connect(head.encode() + body)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


def wait_until(is_true: Callable[[], bool], seconds: float = 10) -> float:
    """Return how many seconds it took."""
    start = time.monotonic()
    while not is_true():
        assert time.monotonic() < start + seconds
        time.sleep(0.01)
    return time.monotonic() - start


def answer_of(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.fixture(scope="session")
def style_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("served")
    return {
        "negative": tiny_models.invert(folder / "negative.onnx"),
        "endless": tiny_models.endless(folder / "endless.onnx", while_above=200),
        "same": tiny_models.endless(folder / "same.onnx", while_above=255),
    }


Serve = Callable[..., Running]


@pytest.fixture(scope="module")
def serve(style_files: dict[str, Path]) -> Iterator[Serve]:
    """Start a server; arguments are those of the limits and rules, by their names."""
    started: list[Running] = []

    def start(
        given: dict[str, Path] | None = style_files, examples: int = 1, grace: float = 0.2, **settings: Any
    ) -> Running:
        rules = {
            name: settings.pop(name)
            for name in ("hosts", "any_address", "origins", "token")
            if name in settings
        }
        body = BodyLimits(
            settings.pop("most_bytes", 1_000_000),
            settings.pop("idle_seconds", 5),
            settings.pop("body_seconds", 9),
        )
        limits = {"max_pixels": 100_000, "waiting": 4, "at_once": 1, "seconds": 20, **settings}
        application = Application(
            OpenStyles(given, lambda path: Stylizer(path, device="cpu", threads=1)),
            [Example("shapes", "Shapes", pixels(40, 60))][:examples],
            AccessRules(**rules),
            Limits(body, **limits),
        )
        started.append(Running(application, grace))
        return started[-1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(page_files.onnxruntime_web, "find_here", lambda: None)
        yield start
    for running in started:
        running.stop()


@pytest.fixture(scope="module")
def server(serve: Serve) -> Running:
    """A server that all tests of a module share."""
    return serve()


def form(*fields: tuple[str, str | bytes]) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a form; bytes are files."""
    parts = []
    for name, value in fields:
        file = '; filename="x.png"' if isinstance(value, bytes) else ""
        head = f'--sep\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        parts.append(head + (value if isinstance(value, bytes) else value.encode()) + b"\r\n")
    return b"".join([*parts, b"--sep--\r\n"]), {"Content-Type": "multipart/form-data; boundary=sep"}
