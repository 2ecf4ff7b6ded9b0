"""The picture at full size: by mouse, keyboard and two fingers."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.fastnst.web.browser.page import Page
from tests.fastnst.web.pictures import photo

HEIGHT, WIDTH = 1300, 2000


def shown(page: Page, canvas: str = "#shown-painting") -> np.ndarray:
    data = page.evaluate(
        "const canvas = document.querySelector(value);"
        "return base64(await new Promise((resolve) => canvas.toBlob(resolve)))",
        canvas,
    )
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def crop(page: Page) -> tuple[int, int, int, int]:
    part = page.evaluate("return fastnst.stage.crop")
    return part["x"], part["y"], part["width"], part["height"]


def check_shown(page: Page, image: np.ndarray) -> tuple[int, int, int, int]:
    """Every pixel that is shown is one of the picture's, and of the screen's."""
    box = page.evaluate("const {width, height} = stage.getBoundingClientRect(); return [width, height]")
    x, y, width, height = crop(page)
    assert [width, height] == [round(side) for side in box]
    part = image[y : y + height, x : x + width].astype(int)
    for canvas, expected in (("#shown-painting", 255 - part), ("#shown-photo", part)):
        for _ in range(50):
            found = shown(page, canvas)
            if found.shape == expected.shape and not np.abs(found - expected).max():
                break
        np.testing.assert_array_equal(found, expected)
    return x, y, width, height


@pytest.fixture
def opened(page: Page, picture) -> np.ndarray:
    page.drop(picture("a.png", HEIGHT, WIDTH))
    page.wait_painted()
    return photo(HEIGHT, WIDTH)


def test_a_double_click_shows_the_pixels_around_it_and_the_mouse_moves_them(page, opened):
    box = page.evaluate(
        "const {x, y, width, height} = stage.getBoundingClientRect(); return {x, y, width, height}"
    )
    at = {"x": box["x"] + 0.3 * box["width"], "y": box["y"] + 0.5 * box["height"]}
    page.do("await page.mouse.click(value.x, value.y, {count: 2})", at)
    page.wait("fastnst.stage.isZoomed")
    x, y, width, height = check_shown(page, opened)
    assert page.evaluate("return fastnst.stage.share") == 0.5
    assert abs(x + width / 2 - max(0.3 * WIDTH, width / 2)) <= 2
    assert abs(y + height / 2 - 0.5 * HEIGHT) <= 2
    page.do(
        "await page.mouse.move(value.x, value.y); await page.mouse.down();"
        "await page.mouse.move(value.x - 90, value.y - 40, {steps: 5}); await page.mouse.up()",
        at,
    )
    moved = check_shown(page, opened)
    assert moved[:2] == (x + 90, y + 40)
    # The divider can still be moved, and the picture stays.
    middle = {"y": at["y"], "x": page.evaluate("return fastnst.stage.dividerX")}
    page.do(
        "await page.mouse.move(value.x, value.y); await page.mouse.down();"
        "await page.mouse.move(value.x + 200, value.y, {steps: 4}); await page.mouse.up()",
        middle,
    )
    assert abs(page.evaluate("return fastnst.stage.dividerX") - middle["x"] - 200) < 10
    assert crop(page) == moved
    page.do("await page.mouse.click(value.x, value.y, {count: 2})", at)
    page.wait("!fastnst.stage.isZoomed")
    page.wait("document.querySelector('#shown-painting').width < 1300")


def test_the_keyboard_shows_and_moves_the_pixels(page, opened):
    page.do("await page.focus('#zoom'); await page.keyboard.press('Enter')")
    page.wait("document.activeElement.id === 'pan'")
    assert page.status().startswith("Full size")
    x, y, width, height = check_shown(page, opened)
    page.do("await page.keyboard.press('ArrowRight'); await page.keyboard.press('ArrowUp')")
    assert abs(crop(page)[0] - x - 0.15 * width) <= 1
    assert abs(crop(page)[1] - y + 0.15 * height) <= 1
    for _ in range(9):
        page.do("await page.keyboard.press('ArrowLeft')")
    assert check_shown(page, opened)[0] == 0
    page.do("await page.keyboard.press('Escape')")
    page.wait("!fastnst.stage.isZoomed && document.activeElement.id === 'zoom'")
    # A mask is drawn on the whole picture.
    page.click("#zoom")
    page.click("#use-mask")
    page.wait("!fastnst.stage.isZoomed && document.querySelector('#zoom').disabled")


def test_two_fingers_show_the_pixels(page, opened):
    pinch = """
    const client = await page.createCDPSession();
    const fingers = (apart) => [{x: 400 - apart, y: 300, id: 1}, {x: 400 + apart, y: 300, id: 2}];
    const touch = (type, touchPoints) => client.send("Input.dispatchTouchEvent", {type, touchPoints});
    await touch("touchStart", fingers(value[0]));
    const step = (value[1] - value[0]) / 5;
    for (let each = 1; each <= 5; each++) await touch("touchMove", fingers(value[0] + each * step));
    await touch("touchEnd", []);
    """
    page.do(pinch, [40, 120])
    page.wait("fastnst.stage.isZoomed")
    check_shown(page, opened)
    page.do(pinch, [120, 40])
    page.wait("!fastnst.stage.isZoomed")


def test_a_small_photo_has_nothing_more_to_show(page, picture):
    page.drop(picture("a.png", 60, 80))
    page.wait_painted()
    assert page.evaluate("return document.querySelector('#zoom').disabled")
