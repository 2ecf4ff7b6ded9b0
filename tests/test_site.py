"""The documentation site builds without a warning, and asks no other server for anything."""

from __future__ import annotations

import html.parser
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent


class Page(html.parser.HTMLParser):
    """What a page loads, and what it shows."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        if tag in ("img", "script", "source", "iframe", "video") and values.get("src"):
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.loaded.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", f"--site-dir={folder}"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return [Page(path) for path in folder.rglob("*.html") if path.name != "404.html"], folder


def test_pages_load_only_what_lies_in_the_site(site):
    pages, folder = site
    for page in pages:
        for address in page.loaded:
            parts = urlsplit(address)
            assert not parts.scheme, f"{page.path.name} loads {address}"
            assert not parts.netloc, f"{page.path.name} loads {address}"
            assert (page.path.parent / unquote(parts.path)).is_file(), f"{page.path.name} lacks {address}"
    sheets = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.css"))
    assert "url(http" not in sheets
    assert "@import" not in sheets


def test_formulas_and_sliders_are_there(site):
    pages = {page.path.name: page for page in site[0]}
    text = pages["loss.html"].path.read_text(encoding="utf-8")
    assert pages["loss.html"].tags.count("math") > 10
    assert "\\frac" not in text
    # A slider and a picture of each bundled style, and no placeholder.
    catalogue = [path.stem for path in (ROOT / "checkpoints").glob("*.onnx")]
    gallery = pages["gallery.html"].path.read_text(encoding="utf-8")
    assert all(f'src="checkpoints/gallery/{name}.jpg"' in gallery for name in catalogue if bundled(name))
    assert pages["gallery.html"].tags.count("section") >= 10
    # The programs that the page shows come from files.
    assert "OrtMemTypeDefault" in pages["contract.html"].path.read_text(encoding="utf-8")


def bundled(name):
    return f"!/checkpoints/{name}.onnx" in (ROOT / ".gitignore").read_text(encoding="utf-8")
