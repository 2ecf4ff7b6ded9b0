"""The page from the server, in a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import Stylizer
from fastnst.arbitrary.freeze import freeze
from fastnst.server import page_files, sent_paintings
from tests.fastnst.arbitrary.conftest import stripes
from tests.fastnst.server.conftest import Serve
from tests.fastnst.web.browser.page import Browser
from tests.fastnst.web.conftest import browser, node, npm_modules  # noqa: F401
from tests.fastnst.web.pictures import photo


def test_the_page_paints_on_the_server(
    browser: Browser,  # noqa: F811
    serve: Serve,
    style_files: dict[str, Path],
    tmp_path: Path,
) -> None:
    styles = {name: style_files[name] for name in ("same", "negative")}
    server = serve(styles, token="a secret/with=signs", max_pixels=2_000_000)
    origin = f"http://127.0.0.1:{server.port}/"
    page = browser.open(f"{origin}?token=a%20secret/with%3Dsigns")
    assert page.evaluate("return location.href") == origin
    assert page.evaluate("return document.querySelector('[data-text=private]').textContent") == (
        f"Painted on 127.0.0.1:{server.port}"
    )
    page.wait("[...document.querySelectorAll('#samples img')].every((image) => image.naturalWidth > 0)")
    # Wider than it is high, and of a width that BMP fills up.
    Image.fromarray(photo(61, 83)).save(tmp_path / "a.png")
    page.drop(tmp_path / "a.png")
    page.wait_painted()
    np.testing.assert_array_equal(page.result(), photo(61, 83))
    page.evaluate("fastnst.studio.change({style: 'negative'})")
    page.wait_painted()
    np.testing.assert_array_equal(page.result(), 255 - photo(61, 83))
    assert page.evaluate("return fastnst.engine.device") == "server"
    page.set("#strength", 0.5)
    assert np.abs(page.result().astype(int) - 127.5).max() <= 0.5
    page.click("#download")
    with Image.open(page.saved("a.negative.jpg")) as saved:
        assert saved.size == (83, 61)
    shutil.copy(style_files["negative"], tmp_path / "mine.onnx")
    page.drop(tmp_path / "mine.onnx")
    page.wait("document.querySelector('#status').textContent.endsWith('paints in its own styles only')")
    for request in page.requests():
        assert request["url"].startswith((origin, f"blob:{origin}", "data:")), request
    page.check()


def test_a_painting_goes_to_the_server(
    browser: Browser,  # noqa: F811
    serve: Serve,
    style_files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # At 768 px, measuring takes seconds.
    monkeypatch.setattr(sent_paintings, "painting_size", lambda: 96)
    monkeypatch.setattr(page_files, "any_painting_entry", lambda: {"size": 96})
    server = serve({"same": style_files["same"]}, max_pixels=2_000_000)
    page = browser.open(f"http://127.0.0.1:{server.port}/")
    # Larger than it is measured: the page scales it as Python does.
    painting = stripes(120, 180, (10, 20, 90), (160, 200, 240))
    Image.fromarray(painting).save(tmp_path / "blue.png")
    Image.fromarray(photo(61, 83)).save(tmp_path / "a.png")
    page.choose("#paintings", tmp_path / "blue.png")
    page.wait("document.querySelector('#welcome-status').textContent.startsWith('Blue is a style now')")
    page.drop(tmp_path / "a.png")
    page.wait_painted()
    (tmp_path / "blue.onnx").write_bytes(freeze(tmp_path / "blue.png", style_size=96))
    expected = Stylizer(tmp_path / "blue.onnx")(photo(61, 83)).astype(int)
    assert np.abs(page.result() - expected).max() <= 1
    page.click("#download")
    page.saved("a.blue.jpg")
    page.check()


def test_the_page_that_tries_the_api(browser: Browser, serve: Serve, tmp_path: Path) -> None:  # noqa: F811
    server = serve()
    page = browser.open(f"http://127.0.0.1:{server.port}/")
    page.do("await page.goto(value)", f"http://127.0.0.1:{server.port}/api")
    page.wait("document.querySelectorAll('#fields .field').length > 10")
    Image.fromarray(photo(61, 83)).save(tmp_path / "a.png")
    page.choose("[name=image]", tmp_path / "a.png")
    page.set("[name=format]", "jpg")
    command = page.evaluate("return document.querySelector('#command').textContent")
    assert command == (
        f"curl -o painted -F image=@a.png -F style=negative -F format=jpg http://127.0.0.1:{server.port}/api/v1/stylize"
    )
    page.click("button")
    page.wait("document.querySelector('#painted').naturalWidth === 83")
    assert page.evaluate("return document.querySelector('#told').textContent").startswith("image/jpeg, ")
    page.set("[name=strength]", "7")
    page.evaluate(
        "document.querySelector('[name=strength]').max = 9; document.querySelector('button').click()"
    )
    page.wait("document.querySelector('#told').textContent === '422: strength must be 0 to 2, not 7'")
    page.do("page.messages.length = 0")
    page.check()
