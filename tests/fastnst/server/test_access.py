"""Who may ask: Host, Origin and token; and what every answer says to browsers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fastnst.server.access import checked_origins
from fastnst.server.page_files import CONTENT_POLICY
from fastnst.web.site import HEADERS, PAGE
from tests.fastnst.server.conftest import PATH, Running, Serve, answer_of

TOKEN = "a secret/with=signs"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "LOCALHOST.:80", "127.0.0.1:99", "[::1]:8000", "a.localhost"]
)
def test_names_of_this_machine(server: Running, host: str) -> None:
    assert server.get("/healthz", Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.7", "[::2]", "[",
     "a@localhost@b", "", "evil.example:8000"],
)  # fmt: skip
def test_other_names_are_refused_before_anything_else(serve: Serve, server: Running, host: str) -> None:
    for path in ("/healthz", "/", "/nothing", PATH):
        answer = server.get(path, Host=host)
        assert answer.status in (400, 403)
        assert answer.error
    answer = server.ask("POST", f"{PATH}?style=negative", b"x" * 100_000, {"Host": host})
    assert answer.status in (400, 403)


def test_names_that_are_allowed(serve: Serve) -> None:
    server = serve(hosts=frozenset({"paint.example"}), any_address=True)
    for host in ("paint.example", "PAINT.example:443", "192.168.1.7:8000", "[fe80::1]"):
        assert server.get("/healthz", Host=host).status == 200
    assert server.get("/healthz", Host="evil.example").status == 403


def test_a_request_has_one_host(server: Running) -> None:
    for hosts in ("", "Host: localhost\r\nHost: localhost\r\n"):
        with server.connect(f"GET /healthz HTTP/1.1\r\n{hosts}\r\n".encode()) as client:
            assert answer_of(client).startswith(b"HTTP/1.1 400 ")
    with server.connect(b"GET /healthz HTTP/1.0\r\n\r\n") as client:
        assert b'{"error": "the request must have one Host"}' in answer_of(client)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://localhost:1", "http://localhost"]
)
def test_pages_of_others_are_refused(server: Running, origin: str) -> None:
    for method in ("POST", "GET", "OPTIONS"):
        answer = server.ask(method, f"{PATH}?style=negative", headers={"Origin": origin})
        assert (answer.status, "--allow-origin" in answer.error) == (403, True)
        assert "access-control-allow-origin" not in answer.headers
    assert server.paint("style=negative", headers={"Sec-Fetch-Site": "cross-site"}).status == 403


def test_the_own_page_may_ask(server: Running) -> None:
    origin = f"http://127.0.0.1:{server.port}"
    answer = server.paint("style=negative", headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"})
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_that_is_allowed(serve: Serve) -> None:
    server = serve(origins=checked_origins(["https://Paint.example/"]), token=TOKEN)
    origin = {"Origin": "https://paint.example"}
    asked = server.ask("OPTIONS", PATH, headers={**origin, "Access-Control-Request-Method": "POST"})
    assert asked.status == 204
    assert asked.headers["access-control-allow-origin"] == "https://paint.example"
    assert asked.headers["access-control-allow-headers"] == "Authorization, Content-Type"
    assert "Origin" in asked.headers["vary"]
    assert server.paint("style=negative", headers=origin).status == 401
    answer = server.paint("style=negative", headers={**origin, "Authorization": f"Bearer {TOKEN}"})
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://paint.example"
    assert server.get("/", Origin="https://other.example").status == 403


@pytest.mark.parametrize("origin", ["*", "paint.example", "ftp://a", "https://a/b", "null", "https://", ""])
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        checked_origins([origin])


def test_the_token(serve: Serve) -> None:
    server = serve(token=TOKEN)
    for path in (
        "/",
        "/site.json",
        "/api/v1/styles",
        "/openapi.json",
        "/metrics",
        "/nothing",
        "/?token=wrong",
    ):
        answer = server.get(path)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "its token" in answer.error
    for wrong in ("Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x"):
        assert server.get("/metrics", Authorization=wrong).status == 401
    assert server.get("/metrics", Authorization=f"bearer {TOKEN}").status == 200
    assert server.get("/healthz").status == 200
    document = json.loads(server.get("/openapi.json", Authorization=f"Bearer {TOKEN}").data)
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"

    opened = server.get("/?token=a%20secret/with%3Dsigns")
    assert (opened.status, opened.headers["location"]) == (303, "./")
    cookie, *attributes = opened.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} == set(attributes)
    assert server.get("/", Cookie=f"other=1; {cookie}").status == 200
    assert server.paint("style=negative", headers={"Cookie": cookie}).status == 200
    assert server.get("/", Cookie="fastnst-token=wrong").status == 401


def test_every_answer_has_the_pages_headers(server: Running) -> None:
    for answer in (
        server.get("/"),
        server.get("/nothing"),
        server.get("/", Host="evil.example"),
        server.paint("style=negative"),
        server.paint("style=nobody"),
    ):
        for name, value in HEADERS.items():
            if name != "Content-Security-Policy":
                assert answer.headers[name.lower()] == value
        assert answer.headers["content-security-policy"] == CONTENT_POLICY
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]
    own = re.search(r'Content-Security-Policy" content="([^"]*)"', (PAGE / "index.html").read_text())
    assert own is not None
    assert f"{own[1]}; frame-ancestors 'none'" == CONTENT_POLICY


def test_the_files_of_the_page(server: Running, style_files: dict[str, Path]) -> None:
    for path, media_type in (
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/main.js", "text/javascript; charset=utf-8"),
        ("/network/server.js", "text/javascript; charset=utf-8"),
        ("/api", "text/html; charset=utf-8"),
        ("/api.js", "text/javascript; charset=utf-8"),
        ("/site.json", "application/json; charset=utf-8"),
        ("/examples/shapes.jpg", "image/jpeg"),
        ("/samples/negative.jpg", "image/jpeg"),
    ):
        answer = server.get(path)
        assert (answer.status, answer.headers["content-type"]) == (200, media_type)
        assert server.ask("HEAD", path).data == b""
        assert server.get(path, If_None_Match=answer.headers["etag"]).status == 304
    site = json.loads(server.get("/site.json").data)
    assert [style["key"] for style in site["styles"]] == list(style_files)
    assert site["server"] == {"stylize": PATH[1:], "mostPixels": 100_000}
    assert b"unregister" in server.get("/sw.js").data


@pytest.mark.parametrize(
    "path",
    ["/../pyproject.toml", "/%2e%2e/site.py", "//etc/passwd", "/etc/passwd", "/styles/negative.onnx",
     "/api/v1", "/samples/nobody.jpg", "/samples/..%2f..%2fx.jpg", "/%00", "/%ff"],
)  # fmt: skip
def test_there_are_no_other_files(server: Running, path: str) -> None:
    answer = server.get(path)
    assert (answer.status, "there is no" in answer.error) == (404, True)


def test_other_methods(server: Running) -> None:
    for method, path, allowed in (
        ("GET", PATH, "POST"),
        ("PUT", PATH, "POST"),
        ("POST", "/api/v1/styles", "GET"),
        ("DELETE", "/", "GET"),
    ):
        answer = server.ask(method, path)
        assert (answer.status, allowed in answer.headers["allow"]) == (405, True)
        assert answer.error.startswith(f"{path} takes ")
