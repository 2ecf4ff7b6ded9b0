"""Clients that send too much, too slowly, or nonsense, that leave, and that come in crowds."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastnst.server import body, connection
from fastnst.server.form import MOST_PARTS
from fastnst.server.parameters import IMAGE
from tests.fastnst.make_images import encoded
from tests.fastnst.server.conftest import DARK, ENDLESS, PATH, Running, Serve, answer_of, form, wait_until

HEAD = f"POST {PATH}?style=negative HTTP/1.1\r\nHost: localhost\r\n".encode()


@pytest.fixture
def is_well(server: Running):
    """After the test, the shared server paints, and holds nothing."""
    yield
    wait_until(lambda: server.queue.running == 0)
    assert server.paint("style=negative").status == 200
    wait_until(lambda: b"fastnst_held_bytes 0\n" in server.get("/metrics").data)


@pytest.mark.usefixtures("is_well")
@pytest.mark.parametrize(
    "sent",
    [
        b"no HTTP at all\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),  # TLS
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000,
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffffffff\r\n",
        b"GET \x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_request(server: Running, sent: bytes) -> None:
    with server.connect(sent) as client:
        answer = answer_of(client)
    assert not answer or (answer.startswith(b"HTTP/1.1 4") and b'{"error": "' in answer)


@pytest.mark.usefixtures("is_well")
@pytest.mark.parametrize(
    ("sent", "headers", "message"),
    [
        (b"", {"Content-Type": "multipart/form-data"}, "names no boundary"),
        (b"", {"Content-Type": "multipart/form-data; boundary=sep"}, "the form is cut short"),
        (b"no form", {"Content-Type": "multipart/form-data; boundary=sep"}, "the form is malformed"),
        (form((IMAGE, DARK))[0][:-20], form()[1], "the form is cut short"),
        (b"--sep\r\nContent-Disposition: form-data\r\n\r\n\r\n--sep--\r\n", form()[1], "has no name"),
        (form(*[("style", "negative")] * (MOST_PARTS + 1))[0], form()[1], "more than 64 parts"),
        (b"--sep\r\n" + b"X: y\r\n" * 1000, form()[1], "the form is malformed"),
        (b"--sep\r\nX: " + b"y" * 100_000, form()[1], "the form is malformed"),
        (form((IMAGE, b""))[0], form()[1], "there is no image"),
    ],
)
def test_forms_that_are_broken(server: Running, sent: bytes, headers: dict[str, str], message: str) -> None:
    answer = server.paint("style=negative", sent, headers)
    assert (answer.status, message in answer.error) == (400, True), answer.data


@pytest.mark.usefixtures("is_well")
def test_a_large_body_is_read_away_before_its_answer(server: Running) -> None:
    refused = server.paint("style=negative", bytes(20_000_000))
    assert refused.status == 413
    assert refused.error == "the request has more than 1,000,000 bytes: send a smaller image"
    # A client that asks first is told so before it sends anything.
    with server.connect(HEAD + b"Content-Length: 20000000\r\nExpect: 100-continue\r\n\r\n") as client:
        answer = answer_of(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    with server.connect(HEAD + b"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n") as client:
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")


@pytest.mark.usefixtures("is_well")
def test_an_endless_body_is_cut_off(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_DRAINED_BYTES", 2_000_000)
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    sent = 0
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    with server.connect(head) as client, contextlib.suppress(ConnectionError):
        while sent < 200_000_000:
            client.sendall(chunk)
            sent += len(chunk)
    assert sent < 100_000_000  # what fits into the system's buffers too


@pytest.mark.usefixtures("is_well")
def test_a_refused_body_that_never_comes(server: Running) -> None:
    head = HEAD.replace(b"localhost", b"evil.example")
    with server.connect(head + b"Content-Length: 1000\r\n\r\n") as client:
        answer = answer_of(client)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"connection: close" in answer.lower()


def test_bodies_that_come_slowly(serve: Serve) -> None:
    server = serve(idle_seconds=0.2, body_seconds=0.6)
    with server.connect(HEAD + b"Content-Length: 100\r\n\r\nx") as client:
        answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408 ")
    with server.connect(HEAD + b"Content-Length: 100\r\n\r\n") as client:
        for _ in range(20):  # a byte now and then does not keep it alive
            client.sendall(b"x")
            time.sleep(0.05)
        assert client.recv(4096).startswith(b"HTTP/1.1 408 ")
    wait_until(lambda: server.application._held.now == 0)


def test_headers_that_come_slowly(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.3)
    server = serve()
    silent = server.connect()
    slow = server.connect(b"GET /healthz HTTP/1.1\r\n")
    again = server.connect(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert again.recv(4096).startswith(b"HTTP/1.1 200 ")
    again.sendall(b"GET /he")
    for client in (silent, slow, again):
        with client:
            assert answer_of(client) == b"" or client is again


def test_a_client_that_takes_no_answer(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WRITE_SECONDS", 0.3)
    server = serve(max_pixels=30_000_000)
    with server.begin("style=negative&format=bmp", encoded(np.zeros((3000, 5000), np.uint8))) as client:
        wait_until(lambda: server.application._held.now > 40_000_000)
        wait_until(lambda: server.application._held.now == 0)
        assert len(answer_of(client)) < 45_000_000


def test_too_many_connections(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 3)
    server = serve()
    with contextlib.ExitStack() as clients:
        for _ in range(3):
            clients.enter_context(server.connect())
        assert answer_of(clients.enter_context(server.connect())) == b""
    wait_until(lambda: server.get("/healthz").status == 200)


def test_a_client_that_leaves_frees_the_painter_within_a_second(serve: Serve) -> None:
    server = serve(waiting=1)
    client = server.begin("style=endless", ENDLESS)
    wait_until(lambda: server.queue.running == 1)
    waiting = server.begin("style=endless", ENDLESS)
    wait_until(lambda: server.queue.waiting == 1)
    waiting.close()
    wait_until(lambda: server.queue.waiting == 0)
    client.close()
    assert wait_until(lambda: server.queue.running == 0) < 1.5  # a busy machine's second
    assert server.paint("style=endless").data == DARK
    assert b"fastnst_clients_left_total 2\n" in server.get("/metrics").data


def test_a_painting_has_a_time_limit(serve: Serve) -> None:
    server = serve(seconds=0.3)
    answer = server.paint("style=endless", ENDLESS)
    assert (answer.status, answer.error) == (504, "the painting takes more than 0.3 s: send a smaller image")
    wait_until(lambda: server.queue.running == 0)
    assert server.paint("style=endless").status == 200


def test_a_crowd_is_told_when_to_come_again(serve: Serve) -> None:
    server = serve(waiting=2)
    with contextlib.ExitStack() as clients:
        clients.enter_context(server.begin("style=endless", ENDLESS))
        wait_until(lambda: server.queue.running == 1)
        for count in (1, 2):
            clients.enter_context(server.begin("style=negative", DARK))
            wait_until(lambda count=count: server.queue.waiting == count)
        answers = [server.paint("style=negative") for _ in range(5)]
        assert server.get("/healthz").status == 200
    for answer in answers:
        assert (answer.status, "1 are painted and 2 wait" in answer.error) == (503, True)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    wait_until(lambda: server.queue.running == 0 and server.queue.waiting == 0)
    assert server.paint("style=negative").status == 200


def test_a_flood_is_painted_or_refused(serve: Serve) -> None:
    server = serve(waiting=3, at_once=2)
    sizes = [(5 + 7 * number % 60, 9 + number) for number in range(40)]
    photos = [encoded(np.full((*size, 3), 100, np.uint8)) for size in sizes]
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda photo: server.paint("style=negative", photo), photos))
    assert {answer.status for answer in answers} <= {200, 503}
    painted = [
        (size, answer.data) for size, answer in zip(sizes, answers, strict=True) if answer.status == 200
    ]
    assert painted
    for size, data in painted:
        assert data == encoded(np.full((*size, 3), 155, np.uint8))
    wait_until(
        lambda: (server.queue.running, server.queue.waiting, server.application._held.now) == (0, 0, 0)
    )


def test_all_bodies_together_have_a_limit(serve: Serve) -> None:
    server = serve(most_bytes=1000, max_pixels=100)
    with contextlib.ExitStack() as clients:
        most = 3 * (1000 + 400)
        for _ in range(most // 900):
            clients.enter_context(server.connect(HEAD + b"Content-Length: 950\r\n\r\n" + bytes(900)))
        wait_until(lambda: server.application._held.now == most // 900 * 900)
        answer = server.paint("style=negative", bytes(999))
        assert (answer.status, "as many pictures as it may" in answer.error) == (503, True)
        assert answer.headers["retry-after"]
    wait_until(lambda: server.application._held.now == 0)


def test_the_end_refuses_who_waits_and_gives_time_to_who_is_painted(serve: Serve) -> None:
    server = serve(grace=0.4)
    client = server.begin("style=endless", ENDLESS)
    wait_until(lambda: server.queue.running == 1)
    waiting = server.begin("style=negative", DARK)
    wait_until(lambda: server.queue.waiting == 1)
    sending = server.connect(HEAD + b"Content-Length: 1000\r\n\r\nx")
    idle = server.connect()
    start = time.monotonic()
    ending = threading.Thread(target=server.stop)
    ending.start()
    with idle:
        assert answer_of(idle) == b""
    for one in (waiting, sending, client):
        with one:
            answer = answer_of(one)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'{"error": "the server is ending"}' in answer
    assert time.monotonic() - start > 0.35
    ending.join()
