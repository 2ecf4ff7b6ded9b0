"""What the page's tests share: Node.js, a browser, and a site on a server."""

from __future__ import annotations

import contextlib
import functools
import getpass
import hashlib
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from fastnst.style_library import BUNDLED_STYLES
from fastnst.web import onnxruntime_web
from fastnst.web.samples import Example
from fastnst.web.site import build_site
from fastnst.web.write import write_folder
from tests.fastnst.tiny_models import invert
from tests.fastnst.web.browser.page import Browser, Page
from tests.fastnst.web.pictures import photo

ROOT = Path(__file__).parents[3]
NPM = Path(__file__).parent / "browser"
OLDEST_NODE = 20
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def bundled() -> list[Path]:
    """The bundled styles, the smallest first."""
    paths = [ROOT / "checkpoints" / f"{name}.onnx" for name in BUNDLED_STYLES]
    return sorted(paths, key=lambda path: (path.stat().st_size, path.name))


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, which runs the page's modules."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node.js is not installed")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version[1:].split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node.js {version} is older than {OLDEST_NODE}")
    return found


def install_npm_modules(npm: str) -> Path:
    """Return a folder with the tests' own npm packages, which are installed once for each lock file.

    Raises:
        OSError: If npm cannot install them; the message says why.
    """
    locked = hashlib.sha256((NPM / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"fastnst-page-tests-{getpass.getuser()}-{locked}"
    if (folder / "node_modules").is_dir():
        return folder
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        whole = Path(temporary) / "whole"
        whole.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(NPM / name, whole)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
        result = subprocess.run(command, cwd=whole, capture_output=True, text=True, check=False, timeout=240)
        if result.returncode:
            raise OSError(f"npm cannot install: {(result.stderr.strip().splitlines() or ['?'])[0]}")
        with contextlib.suppress(OSError):  # another process was faster
            whole.rename(folder)
    return folder


@pytest.fixture(scope="session")
def npm_modules(node: str) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    try:
        return install_npm_modules(npm)
    except OSError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def runtime() -> Path:
    """ONNX Runtime Web."""
    try:
        return onnxruntime_web.find()
    except onnxruntime_web.NotAvailableError as error:
        pytest.skip(f"ONNX Runtime Web is not here: {error}")


@pytest.fixture(scope="session")
def browser(node: str, npm_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = os.environ.get("FASTNST_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    opened = Browser(node, npm_modules, found, tmp_path_factory.mktemp("downloads"))
    yield opened
    opened.close()


Serve = Callable[[Path], str]


@pytest.fixture(scope="session")
def serve() -> Iterator[Serve]:
    """Serve a folder as a plain web server does, with no header of ours; returns its address."""
    servers = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        extensions_map = {  # noqa: RUF012
            **http.server.SimpleHTTPRequestHandler.extensions_map,
            ".js": "text/javascript",
            ".mjs": "text/javascript",
        }

        def log_message(self, *_):
            pass

    def start(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
        )
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _write_site(folder: Path, styles: Sequence[Path]) -> Path:
    examples = [Example("shapes", "Shapes", photo(120, 160)), Example("more", "More", photo(90, 90, seed=1))]
    write_folder(build_site(styles, examples, progress=lambda _: None), folder)
    return folder


@pytest.fixture(scope="session")
def quick_styles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two styles whose result is known: the inverted photo."""
    folder = tmp_path_factory.mktemp("quick")
    return [invert(folder / "negative.onnx"), invert(folder / "other_one.onnx")]


@pytest.fixture(scope="session")
def site(runtime: Path, quick_styles: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with styles that paint in no time."""
    return _write_site(tmp_path_factory.mktemp("page") / "site", quick_styles)


@pytest.fixture(scope="session")
def address(site: Path, serve: Serve) -> str:
    return serve(site)


@pytest.fixture(scope="session")
def painting_address(runtime: Path, serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a site with the two smallest bundled styles."""
    return serve(_write_site(tmp_path_factory.mktemp("painting") / "site", bundled()[:2]))


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The site's first page in a fresh browser context."""
    yield from _opened(browser, address)


@pytest.fixture
def painting_page(browser: Browser, painting_address: str) -> Iterator[Page]:
    yield from _opened(browser, painting_address)


def _opened(browser: Browser, address: str) -> Iterator[Page]:
    """Open a page in which nothing may fail, and which asks no one else for anything."""
    opened = browser.open(address)
    yield opened
    opened.check()
    for request in opened.requests():
        assert request["url"].startswith((address, f"blob:{address}", "data:")), request
        assert request["method"] == "GET", request


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., Path]:
    """Write a photo as a file."""

    def write(name: str, height: int, width: int, *, seed: int = 0, **options) -> Path:
        path = tmp_path / name
        Image.fromarray(photo(height, width, seed)).save(path, **options)
        return path

    return write
