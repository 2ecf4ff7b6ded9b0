"""`fastnst serve` as a process: what it says, what it refuses, and how it ends."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from fastnst.server import serving
from tests.fastnst import tiny_models
from tests.fastnst.server.conftest import DARK, ENDLESS, PATH, answer_of

Fails = Callable[..., str]


class Process:
    """The command."""

    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fastnst", "serve", "--port", "0", "--device", "cpu", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        self.port = urlsplit(self.address).port or 0

    def post(self, style: str, body: bytes, headers: str = "") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        headers += f"Host: localhost\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(f"POST {PATH}?style={style} HTTP/1.1\r\n{headers}\r\n".encode() + body)
        return connection

    def get(self, path: str, authorization: str = "") -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": authorization})
            return connection.getresponse().read().decode()

    def wait_running(self, authorization: str = "") -> None:
        end = time.monotonic() + 20
        while "fastnst_running 1\n" not in self.get("/metrics", authorization):
            assert time.monotonic() < end
            time.sleep(0.05)

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; return the exit code, and what was said on stderr."""
        self.send(number)
        _, said = self._process.communicate(timeout=20)
        return self._process.returncode, said

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def start(style_files: dict[str, Path], tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start the command with the styles of the tests and one example."""
    started: list[Process] = []
    Image.new("RGB", (30, 20)).save(tmp_path / "x.jpg")
    styles = [word for path in style_files.values() for word in ("-m", str(path))]

    def begin(*options: str) -> Process:
        started.append(Process(*styles, "--example", str(tmp_path / "x.jpg"), *options))
        return started[-1]

    yield begin
    for process in started:
        process.kill()


def test_sigterm_in_the_middle_of_a_painting(start: Callable[..., Process]) -> None:
    process = start("--grace", "0.3")
    assert process.address == f"http://127.0.0.1:{process.port}/"
    with process.post("endless", ENDLESS) as painted:
        process.wait_running()
        with process.post("negative", DARK) as waiting:
            begin = time.monotonic()
            code, said = process.end(signal.SIGTERM)
            for client in (painted, waiting):
                assert b'{"error": "the server is ending"}' in answer_of(client)
    assert code == 0
    assert time.monotonic() - begin >= 0.3
    assert said == "fastnst: serves 3 styles; Ctrl-C ends it\n"


def test_the_end_in_the_middle_of_what_cannot_be_stopped(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    style = tiny_models.one_long_step(tmp_path / "long.onnx", 450)
    process = start("--grace", "0", "--threads", "1", "-m", str(style))
    with process.post("long", DARK) as client:
        process.wait_running()
        code, said = process.end(signal.SIGTERM)
        assert b'{"error": "the server is ending"}' in answer_of(client)
    assert (code, said.count("\n")) == (0, 1), said


def test_a_second_signal_does_not_wait(start: Callable[..., Process]) -> None:
    process = start("--token", "long enough", "--grace", "100")
    assert process.address == f"http://127.0.0.1:{process.port}/?token=long%20enough"
    assert "its token" in process.get("/")
    with process.post("endless", ENDLESS, "Authorization: Bearer long enough\r\n") as client:
        process.wait_running("Bearer long enough")
        process.send(signal.SIGINT)
        time.sleep(0.7)  # one that comes at once is taken for the same
        assert process.end(signal.SIGINT)[0] == 128 + signal.SIGINT
        assert answer_of(client) == b""


@pytest.fixture
def serving_fails(fails: Fails, style_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Fails:
    def never(*_: object) -> None:
        raise AssertionError("it serves")

    monkeypatch.setattr(serving.Server, "serve_on", never)
    return lambda *options: fails("serve", "--port", "0", "-m", style_files["negative"], *options)


def test_what_is_refused_before_it_serves(
    serving_fails: Fails, fails: Fails, style_files: dict[str, Path], tmp_path: Path
) -> None:
    assert "give --token TEXT, or --without-token" in serving_fails("--host", "0.0.0.0")
    assert "give --token TEXT, or --without-token" in serving_fails("--host", "::")
    assert "at least 8 characters" in serving_fails("--token", "short")
    assert "'*' is no origin" in serving_fails("--allow-origin", "*")
    assert "there is no host 'no.such.host.invalid'" in serving_fails("--host", "no.such.host.invalid")
    assert "nobody.onnx does not exist" in serving_fails("-m", "nobody.onnx")
    assert "two styles are called negative" in serving_fails("-m", style_files["negative"])
    assert "x.jpg does not exist" in serving_fails("--example", tmp_path / "x.jpg")
    assert "there are no styles: name one with -m" in fails("serve", "--port", "0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = fails("serve", "-m", style_files["negative"], "--port", port)
    assert line.startswith(f"127.0.0.1:{port} cannot be used: ")
    assert line.endswith("name another --port or --host")


def test_what_is_missing_is_named(fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else find(name))
    assert fails("serve") == 'fastnst serve needs uvicorn: pip install "fastnst[web]"'


@pytest.mark.parametrize(
    ("host", "options"), [("0.0.0.0", ["--without-token"]), ("127.0.0.1", []), ("localhost", [])]
)
def test_what_is_served(
    run: Callable[..., object],
    style_files: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    host: str,
    options: list[str],
) -> None:
    monkeypatch.setattr(serving.Server, "serve_on", lambda self, listening: self._on_start())
    Image.new("RGB", (30, 20)).save(tmp_path / "x.jpg")
    arguments = ["--host", host, "--port", "0", "-m", style_files["same"], "--example", tmp_path / "x.jpg"]
    result = run("serve", *arguments, *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(("http://127.0.0.1:", "http://[::1]:"))
