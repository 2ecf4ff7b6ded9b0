"""A browser that tests drive: Chromium through puppeteer in Node.js (driver.mjs)."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ARGUMENTS = [
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    # An emulated GPU, which the page takes only when it is told to.
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
]

# Chromium says it where there is no adapter.
HARMLESS = ("No available adapters.", "The powerPreference option")

# Kept from the page's own module scope: what a test needs in the page.
_HELPERS = """
const fileOf = ({ name, type, data }) =>
  new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type });
const transferOf = (files) => {
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(fileOf(file));
  return transfer;
};
const base64 = async (blob) => {
  const url = await new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(blob);
  });
  return url.slice(url.indexOf(",") + 1);
};
"""


class Browser:
    """A Chromium process. One page at a time, each in a context of its own."""

    def __init__(self, node: str, modules: Path, executable: str, downloads: Path) -> None:
        arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        given = {"modules": str(modules), "executable": executable, "args": arguments}
        self.downloads = downloads
        self._opened = 0
        self._process = subprocess.Popen(
            [node, str(Path(__file__).with_name("driver.mjs")), json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, code: str, value: Any = None, *, fresh: bool = False) -> Any:
        """Run JavaScript in Node.js: the body of an async function of page, browser and value."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"code": code, "value": value, "fresh": fresh}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the browser has gone"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def open(self, address: str, before: str = "") -> Page:
        """Open an address in a fresh context; `before` runs in Node.js before the page is loaded."""
        self._opened += 1
        page = Page(self, self._opened)
        self.do(
            "await (await page.createCDPSession()).send('Browser.setDownloadBehavior', {behavior: 'allow', "
            "downloadPath: value, browserContextId: page.browserContext().id})",
            str(self.downloads / str(page.number)),
            fresh=True,
        )
        self.do(f"await page.setViewport({{width: 1280, height: 860}}); {before}")
        page.go(address)
        return page

    def close(self) -> None:
        self._process.communicate(timeout=30)  # which ends the driver's input


class Page:
    """The page that is open."""

    def __init__(self, browser: Browser, number: int) -> None:
        self.browser, self.number = browser, number
        self.do = browser.do

    def go(self, address: str) -> None:
        self.do("await page.goto(value)", address)
        self.do("await page.waitForSelector('#welcome:not([hidden]), #studio:not([hidden])')")

    def run(self, code: str, value: Any = None) -> Any:
        """Run JavaScript in the page: the body of an async function of value."""
        return self.do(
            "return page.evaluate(async ({code, value}) => "
            "new (async () => {}).constructor('value', code)(value), value)",
            {"code": code, "value": value},
        )

    def evaluate(self, code: str, value: Any = None) -> Any:
        """As `run`, where the page's policy forbids code from text."""
        return self.do(f"return page.evaluate(async (value) => {{ {_HELPERS} {code} }}, value)", value)

    def drop(self, *paths: Path) -> None:
        self.evaluate(
            "dispatchEvent(new DragEvent('drop', {dataTransfer: transferOf(value), cancelable: true}))",
            [_given(path) for path in paths],
        )

    def paste(self, *paths: Path) -> None:
        self.evaluate(
            "dispatchEvent(new ClipboardEvent('paste', {clipboardData: transferOf(value)}))",
            [_given(path) for path in paths],
        )

    def choose(self, selector: str, path: Path) -> None:
        """Choose a file in the browser's dialog."""
        self.do(
            "const input = await page.$(value.selector); await input.uploadFile(value.path)",
            {"selector": selector, "path": str(path)},
        )

    def click(self, selector: str) -> None:
        self.do("await page.locator(value).setTimeout(30000).click()", selector)

    def wait(self, condition: str, value: Any = None, seconds: float = 100) -> None:
        """Wait until an expression of the page is true."""
        self.do(
            f"await page.waitForFunction((value) => ({condition}), {{timeout: {1000 * seconds}}}, value)",
            value,
        )

    def wait_painted(self) -> None:
        """Wait until the current photo is painted and shown, and the styles' small pictures too."""
        self.wait(
            "!document.querySelector('#studio').hidden && !fastnst.studio.isPainting "
            "&& !document.querySelector('#stage').classList.contains('plain') "
            "&& document.querySelectorAll('#styles .waiting').length === 0"
        )

    def set(self, selector: str, value: Any) -> None:
        """Set a slider or a list, as the visitor does."""
        self.evaluate(
            "const input = document.querySelector(value.selector); input.value = value.value;"
            "for (const type of ['input', 'change']) input.dispatchEvent(new Event(type, {bubbles: true}))",
            {"selector": selector, "value": value},
        )

    def status(self) -> str:
        return str(self.evaluate("return document.querySelector('#status').textContent"))

    def result(self) -> np.ndarray:
        """The pixels of the result."""
        import io

        from PIL import Image

        data = self.evaluate(
            "return base64(await fastnst.studio.result(fastnst.studio.current, {type: 'image/png'}))"
        )
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

    def saved(self, name: str) -> Path:
        """The file that the page saved under a name."""
        path = self.browser.downloads / str(self.number) / name
        for _ in range(300):
            if path.exists() and path.stat().st_size:
                return path
            time.sleep(0.1)
        raise AssertionError(f"{name} was not saved: {list(path.parent.glob('*'))}")

    def requests(self) -> Sequence[dict[str, str]]:
        return list(self.do("return page.requests"))

    def check(self) -> None:
        """Nothing failed in the page, and it wrote no error to the console."""
        assert self.do("return page.failures") == []
        messages = self.do("return page.messages")
        said = [message for message in messages if not message.startswith(HARMLESS)]
        assert said == []


def _given(path: Path) -> dict[str, str]:
    types = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".onnx": ""}
    data = base64.b64encode(path.read_bytes()).decode()
    return {"name": path.name, "type": types.get(path.suffix, ""), "data": data}
