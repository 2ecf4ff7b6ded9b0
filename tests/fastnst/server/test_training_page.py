"""The view in which a painting becomes a style, in a real browser, with a stand-in for `python -m train`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.server.page_files import OWN
from fastnst.server.training import environment
from fastnst.web.site import PAGE
from tests.fastnst.make_images import pixels
from tests.fastnst.server.training_folder import (
    ServeTraining,
    StandIn,
    serve_training,  # noqa: F401
    stand_in,  # noqa: F401
)
from tests.fastnst.tiny_models import invert
from tests.fastnst.web.browser.page import Browser
from tests.fastnst.web.conftest import browser, node, npm_modules  # noqa: F401
from tests.fastnst.web.pictures import photo

AXE = """
const { readFileSync } = await import('node:fs');
await page.evaluate(readFileSync(value, 'utf8'));
const { violations } = await page.evaluate(() => axe.run());
return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
"""


def test_a_painting_becomes_a_style_by_the_keyboard_alone(
    browser: Browser,  # noqa: F811
    npm_modules: Path,  # noqa: F811
    serve_training: ServeTraining,  # noqa: F811
    stand_in: StandIn,  # noqa: F811
    styles: Path,
    tmp_path: Path,
) -> None:
    invert(styles / "my_painting.onnx")  # whose name is taken
    stand_in.behave(waits_at=4)
    server = serve_training()
    page = browser.open(f"http://127.0.0.1:{server.port}/")

    def press(*keys: str) -> None:
        for key in keys:
            page.do("await page.keyboard.press(value)", key)

    def tab_to(selector: str) -> None:
        for _ in range(40):
            press("Tab")
            if page.evaluate("return document.activeElement.matches(value)", selector):
                return
        raise AssertionError(f"{selector} is out of the keyboard's reach")

    def words(selector: str) -> str:
        return str(page.evaluate("return document.querySelector(value).textContent", selector))

    def looks_right(place: str) -> None:
        identifiers = page.evaluate("return [...document.querySelectorAll('[id]')].map((each) => each.id)")
        assert len(identifiers) == len(set(identifiers)), identifiers
        axe = str(npm_modules / "node_modules/axe-core/axe.min.js")
        for scheme in ("light", "dark"):
            page.do("await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value}])", scheme)
            for width in (390, 1280):
                page.do("await page.setViewport({width: value, height: 800})", width)
                assert page.do(AXE, axe) == [], (place, scheme, width)
                wide = page.evaluate("return [document.documentElement.scrollWidth, innerWidth]")
                assert wide[0] <= wide[1], (place, width, wide)

    tab_to("[data-view=train]")
    press("Enter")
    page.wait("document.querySelectorAll('#qualities label').length === 2")
    Image.fromarray(photo(61, 83)).save(tmp_path / "My Painting!.png")
    # What is dropped here is a painting, not a photo.
    page.drop(tmp_path / "My Painting!.png")
    assert page.evaluate("return document.querySelector('#style-name').value") == "my_painting_2"
    assert page.evaluate("return fastnst.studio.photos.length") == 0
    page.wait("document.querySelector('#painting-to-learn img').naturalWidth === 83")
    looks_right("before")
    tab_to("#qualities input")
    press("ArrowRight")
    tab_to("#train [type=submit]")
    press("Enter")

    page.wait("document.querySelectorAll('.previews li').length === 4")
    page.wait("document.querySelector('.training-words').textContent === '40 %, 3 minutes left'")
    assert words(".training-speed") == "step 4 of 10, photos of 256 px, 4.2 a second"
    assert words(".curve figcaption") == "Losses: content 0.46, style 0.10"
    page.wait(
        "document.querySelector('.previews canvas').getContext('2d').getImageData(9, 9, 1, 1).data[0] === 100"
    )
    assert words(".views .share") == " 40 %"
    assert page.evaluate("return document.querySelector('#train').hidden")
    looks_right("meanwhile")
    # The page may be closed.
    page.do("await page.reload()")
    page.wait("document.querySelectorAll('.previews li').length === 4")
    tab_to("#training-now .buttons button")
    press("Enter")
    page.wait("document.querySelector('.training-words').textContent.startsWith('Stopped at 40 %.')")
    assert not page.evaluate("return document.querySelector('#train').hidden")
    stand_in.behave()
    tab_to("#training-now .buttons .primary")
    press("Enter")

    page.wait(
        "document.querySelector('.training-words').textContent === 'The style is trained, in 2 minutes.'"
    )
    page.wait(
        "document.querySelector('#training-status').textContent"
        " === 'my_painting_2: The style is trained, in 2 minutes.'"
    )
    page.wait("fastnst.styles.has('my_painting_2')")
    page.wait("document.querySelectorAll('#samples li').length === 2")
    looks_right("afterwards")
    tab_to("#training-now .buttons .primary")
    press("Enter")
    page.wait_painted()
    assert page.evaluate("return fastnst.studio.controls.style") == "my_painting_2"
    # The example came as a JPEG.
    assert np.abs(page.result().astype(int) - (255 - pixels(40, 60).astype(int))).mean() <= 10
    page.do("page.messages.length = 0")  # axe asks for what the policy forbids
    page.check()


def test_every_text_of_the_view_is_in_its_file_and_is_used() -> None:
    view, texts = OWN / "training", re.compile(r"^  (\w+):", re.MULTILINE)
    own = set(texts.findall((view / "texts.js").read_text(encoding="utf-8")))
    of_page = set(texts.findall((PAGE / "texts.js").read_text(encoding="utf-8")))
    assert not own & of_page
    all_texts = own | of_page
    modules = [path for path in view.glob("*.js") if path.name != "texts.js"]
    others = "".join(path.read_text(encoding="utf-8") for path in modules)
    used = set(re.findall(r'data-(?:text|label)="(\w+)"', others)) | set(re.findall(r'"(\w+)"', others))
    assert own <= used, own - used
    assert set(re.findall(r'\btext\("(\w+)"', others)) <= all_texts
    assert set(re.findall(r'data-(?:text|label)="(\w+)"', others)) <= all_texts
    for path in modules:
        for imported in re.findall(r'\b(?:from|import) "([^"]+)"', path.read_text(encoding="utf-8")):
            name = (Path("training") / imported).as_posix().replace("training/../", "").replace("./", "")
            assert (OWN / name).is_file() or (PAGE / name).is_file(), (path, imported)


def test_what_is_missing_is_said_in_the_place_of_the_form(
    browser: Browser,  # noqa: F811
    serve_training: ServeTraining,  # noqa: F811
    styles: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    invert(styles / "negative.onnx")
    monkeypatch.setattr(environment, "missing", lambda: "Training needs PyTorch.")
    server = serve_training()
    page = browser.open(f"http://127.0.0.1:{server.port}/#new-style")
    page.wait("document.querySelector('#training-missing').textContent === 'Training needs PyTorch.'")
    assert page.evaluate("return document.querySelector('#train').hidden")
    page.check()
