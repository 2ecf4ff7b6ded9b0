"""Paintings as styles on the page: dropped, chosen and pasted ones paint as in Python."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import Stylizer
from fastnst.arbitrary.freeze import freeze
from fastnst.web.site import MARK
from tests.fastnst.arbitrary.conftest import stripes
from tests.fastnst.web.browser.page import Browser, Page
from tests.fastnst.web.conftest import Serve
from tests.fastnst.web.pictures import photo
from tests.fastnst.web.test_page import QUICK, apart
from tests.fastnst.web.test_page_anywhere import AXE

SIZE = 128  # at which the page measures here: at 768 each painting takes seconds

# The statistics differ in their last digits, and a pixel between two levels may fall to either.
LEVELS = 1


@pytest.fixture(scope="module")
def small_address(site: Path, serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("small") / "site"
    shutil.copytree(site, folder)
    described = json.loads((folder / MARK).read_text(encoding="utf-8"))
    assert described["anyPainting"]["size"] == 768
    described["anyPainting"]["size"] = SIZE
    (folder / MARK).write_text(json.dumps(described), encoding="utf-8")
    return serve(folder)


@pytest.fixture
def page(browser: Browser, small_address: str) -> Iterator[Page]:
    opened = browser.open(small_address)
    yield opened
    opened.check()
    for request in opened.requests():
        assert request["url"].startswith((small_address, f"blob:{small_address}", "data:")), request
        assert request["method"] == "GET", request


@pytest.fixture
def paintings(tmp_path: Path) -> Path:
    Image.fromarray(stripes(160, 240, (10, 20, 90), (160, 200, 240))).save(tmp_path / "blue.png")
    red = stripes(220, 180, (120, 10, 5), (250, 210, 60))
    red = np.dstack([red, np.full(red.shape[:2], 255, np.uint8)])
    red[:60, :90, 3] = 100  # laid on white
    Image.fromarray(red).save(tmp_path / "red.png")
    return tmp_path


@pytest.mark.filterwarnings("ignore:.*partly transparent")
def painted(painting: Path, image: np.ndarray, folder: Path) -> np.ndarray:
    file = folder / "frozen.onnx"
    file.write_bytes(freeze(painting, style_size=SIZE))
    return Stylizer(file)(image)


def drop_onto(page: Page, selector: str, *paths: Path) -> None:
    page.do(
        "const input = await page.evaluateHandle(() => Object.assign(document.createElement('input'), "
        "{type: 'file', multiple: true}));"
        "await input.uploadFile(...value.paths);"
        "await page.evaluate((input, selector) => {"
        "const transfer = new DataTransfer(); for (const file of input.files) transfer.items.add(file);"
        "document.querySelector(selector).dispatchEvent("
        "new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true}));"
        "}, input, value.selector)",
        {"selector": selector, "paths": [str(path) for path in paths]},
    )


def wait_style(page: Page, key: str) -> None:
    page.wait("fastnst.studio.controls.style === value", key)
    page.wait_painted()


@pytest.mark.filterwarnings("ignore:.*partly transparent")
def test_paintings_are_styles_as_any_other(page, paintings, picture, tmp_path):
    image = photo(90, 120)
    page.drop(picture("a.png", 90, 120))
    page.wait_painted()
    assert not any("any_painting" in request["url"] for request in page.requests())
    drop_onto(page, "#styles-part", paintings / "blue.png")
    wait_style(page, "blue")
    assert page.status().startswith("Blue, painted in")
    blue = page.result()
    assert apart(blue, painted(paintings / "blue.png", image, tmp_path)) <= LEVELS
    assert apart(blue, image) > 60

    # Its picture is the photo, painted, with the painting in the corner.
    canvas = "[...document.querySelectorAll('#styles label')].at(-1).querySelector('canvas.painting')"
    assert page.evaluate(f"return {canvas}.width") == SIZE

    # Two paintings, mixed; the name of the result; back, and forth.
    drop_onto(page, "#drop-painting", paintings / "red.png")
    wait_style(page, "red")
    red = page.result()
    assert apart(red, painted(paintings / "red.png", image, tmp_path)) <= LEVELS
    page.set("#blend", "blue")
    page.wait_painted()
    mixed = page.result()
    assert min(apart(mixed, each) for each in (red, blue)) > 20
    page.click("#download")
    page.saved("a.red+blue.jpg")
    page.set("#blend", QUICK)
    page.set("#strength", 0)
    assert apart(page.result(), image) == 0
    for _ in range(2):
        page.click("#undo")
    assert apart(page.result(), mixed) == 0

    # The same painting again is picked, another of its name has a name of its own.
    page.click("#undo")
    drop_onto(page, "#styles-part", paintings / "blue.png")
    count = page.evaluate("return fastnst.styles.size")
    (tmp_path / "other").mkdir()
    shutil.copy(paintings / "red.png", tmp_path / "other/blue.png")
    drop_onto(page, "#styles-part", tmp_path / "other/blue.png")
    wait_style(page, "blue (2)")
    assert page.evaluate("return fastnst.styles.size") == count + 1
    assert apart(page.result(), red) == 0

    # What is kept is a style file, for everything that takes one.
    page.click("#keep-style")
    kept = page.saved("blue (2).onnx")
    stylizer = Stylizer(kept)
    assert apart(stylizer(image), red) <= LEVELS
    frozen = Stylizer(_frozen(tmp_path / "other/blue.png")).metadata
    assert {key: value for key, value in stylizer.metadata.items() if key != "style.name"} == {
        key: value for key, value in frozen.items() if key != "style.name"
    }


def _frozen(painting: Path) -> Path:
    file = painting.with_suffix(".frozen.onnx")
    file.write_bytes(freeze(painting, style_size=SIZE))
    return file


def test_a_painting_may_come_first_and_is_pasted_where_the_styles_have_the_focus(page, paintings, picture):
    page.choose("#paintings", paintings / "blue.png")
    page.wait("document.querySelector('#welcome-status').textContent.startsWith('Blue is a style now')")
    page.drop(picture("a.png", 60, 80))
    wait_style(page, "blue")
    page.do("await page.focus('#styles input:checked')")
    page.paste(paintings / "red.png")
    wait_style(page, "red")
    assert page.evaluate("return fastnst.studio.photos.length") == 1
    page.do("await page.focus('#compare')")
    page.paste(paintings / "blue.png")
    page.wait("fastnst.studio.photos.length === 2")
    page.wait_painted()


def test_paintings_and_the_full_size_hinder_no_one(page, paintings, picture, npm_modules):
    axe = (npm_modules / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
    page.drop(picture("a.png", 700, 1000))
    page.wait_painted()
    drop_onto(page, "#styles-part", paintings / "blue.png")
    page.wait("fastnst.studio.controls.style === 'blue'")
    page.do("await page.setViewport({width: 390, height: 800})")
    page.wait("!document.querySelector('#zoom').disabled")
    page.evaluate("document.querySelector('#zoom').click()")
    page.wait("fastnst.stage.isZoomed")
    for scheme in ("light", "dark"):
        page.do("await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value}])", scheme)
        assert page.do(AXE, axe) == []
        wide = page.evaluate("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1]
    page.do("page.messages.length = 0")  # axe asks for what the policy forbids


def test_what_is_no_painting_is_said(page, picture, tmp_path):
    Image.fromarray(np.zeros((300, 63, 3), np.uint8)).save(tmp_path / "narrow.png")
    Image.fromarray(np.zeros((80, 80, 4), np.uint8)).save(tmp_path / "clear.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    (tmp_path / "notes.txt").write_text("nothing")
    page.drop(picture("a.png", 60, 80))
    page.wait_painted()
    for name, told in (
        ("narrow.png", "narrow.png has 63"),
        ("clear.png", "clear.png is fully transparent"),
        ("broken.jpg", "broken.jpg cannot be read"),
        ("notes.txt", "There was no painting"),
    ):
        drop_onto(page, "#styles-part", tmp_path / name)
        page.wait("document.querySelector('#status').textContent.startsWith(value)", told)
    assert page.evaluate("return fastnst.studio.controls.style") == QUICK
    page.do("page.messages.length = 0")


def test_a_painting_works_offline_once_one_was_added(browser, small_address, paintings, picture):
    page = browser.open(small_address)
    page.choose("#paintings", paintings / "blue.png")
    page.wait("document.querySelector('#welcome-status').textContent.startsWith('Blue is a style now')")
    kept = (
        "(await (await caches.open((await caches.keys())[0])).keys()).filter(({url}) => "
        "url.endsWith('.wasm') || url.includes('any_painting')).length === 3"
    )
    page.wait(f"(async () => {kept})()")
    page.do("await page.setOfflineMode(true)")
    page.go(small_address)
    page.choose("#paintings", paintings / "red.png")
    page.drop(picture("a.png", 60, 80))
    wait_style(page, "red")
    page.check()


@pytest.mark.slow
def test_the_gpu_paints_a_painting_as_python_does(browser, small_address, paintings, picture, tmp_path):
    page = browser.open(f"{small_address}?device=webgpu")
    page.choose("#paintings", paintings / "blue.png")
    page.wait(
        "document.querySelector('#welcome-status').textContent.startsWith('Blue is a style now')", seconds=200
    )
    page.drop(picture("a.png", 48, 64))
    page.wait(
        "!document.querySelector('#studio').hidden && !fastnst.studio.isPainting "
        "&& !document.querySelector('#stage').classList.contains('plain')",
        seconds=200,
    )
    assert "on the GPU" in page.status()
    assert apart(page.result(), painted(paintings / "blue.png", photo(48, 64), tmp_path)) <= 2
