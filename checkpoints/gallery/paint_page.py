"""Show the page that `fastnst web` writes: a screenshot for the documents, in Chromium, on a sample photo.

The photo is scikit-image's coffee, CC0.
"""

from __future__ import annotations

import functools
import http.server
import io
import shutil
import tempfile
import threading
from pathlib import Path

from PIL import Image

from fastnst.style_library import list_bundled_styles
from fastnst.web.samples import example_photos
from fastnst.web.site import build_site
from fastnst.web.write import write_folder
from tests.fastnst.web.browser.page import Browser
from tests.fastnst.web.conftest import BROWSERS, install_npm_modules

WIDTH, HEIGHT = 1360, 880


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    """Write page.jpg beside this file, where Node.js and Chromium are installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if node is None or npm is None or chromium is None:
        print("page.jpg stays as it is: Node.js, npm or Chromium is not installed")
        return
    styles = [style.path for style in list_bundled_styles()]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_folder(build_site(styles, example_photos(), progress=print), folder / "site")
        handler = functools.partial(_Quiet, directory=str(folder / "site"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = Browser(node, install_npm_modules(npm), chromium, folder)
        page = browser.open(f"http://127.0.0.1:{server.server_port}/")
        page.do(f"await page.setViewport({{width: {WIDTH}, height: {HEIGHT}}})")
        page.do("await (await page.$$('#examples button'))[2].click()")
        page.wait_painted()
        page.evaluate("document.querySelector('#status').textContent = ''")  # the time is this machine's
        page.do("await page.screenshot({path: value})", str(folder / "page.png"))
        browser.close()
        server.shutdown()
        path = Path(__file__).with_name("page.jpg")
        buffer = io.BytesIO((folder / "page.png").read_bytes())
        Image.open(buffer).convert("RGB").save(path, quality=86, optimize=True, progressive=True)
        print(path)


if __name__ == "__main__":
    main()
