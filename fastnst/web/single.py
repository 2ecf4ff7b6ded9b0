"""The page as one HTML file that also opens from the disk."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import re
from pathlib import Path

from fastnst.atomic_write import atomic_write
from fastnst.errors import FastnstError
from fastnst.web.one_script import one_script
from fastnst.web.site import MARK, Files

_PACKED = (MARK, "examples/", "licences/", "runtime/", "samples/", "styles/")
_WORKERS = ("network/worker.js", "pictures/worker.js")

_LOADER = Path(__file__).with_name("loader.js").read_text(encoding="utf-8")


def check_file(path: Path, *, replace: bool) -> None:
    """Check before the work that a page may be written to a file.

    Raises:
        FastnstError: If it may not.
    """
    if path.is_dir():
        raise FastnstError(f"{path} is a folder: --single names a file")
    if not path.absolute().parent.is_dir():
        raise FastnstError(f"cannot write {path}: there is no folder {path.parent}")
    if path.exists() and not replace:
        raise FastnstError(f"{path} exists already: --overwrite replaces it")


def single_page(files: Files) -> bytes:
    """Return a site's files as one HTML file."""
    modules = {path: data.decode() for path, data in files.items() if path.endswith(".js")}
    script = f"{_LOADER}\n{one_script(modules, 'main.js')}"
    style = files["style.css"].decode()
    # Workers and ONNX Runtime Web are blobs.
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}' blob: 'wasm-unsafe-eval'; "
        f"style-src '{_hash(style)}'; img-src blob: data:; media-src blob:; connect-src blob:; "
        "worker-src blob:; base-uri 'none'; form-action 'none'"
    )
    page = files["index.html"].decode()
    page = re.sub(r'(<meta http-equiv="Content-Security-Policy" content=")[^"]*', rf"\g<1>{policy}", page)
    page = re.sub(r'<link rel="(manifest|stylesheet)"[^>]*>\n', "", page)
    icon = base64.b64encode(files["icon.svg"]).decode()
    page = page.replace('href="icon.svg"', f'href="data:image/svg+xml;base64,{icon}"')
    page = page.replace('<script type="module" src="main.js"></script>\n', f"<style>{style}</style>\n")
    packed = {path: data for path, data in files.items() if path.startswith(_PACKED)}
    for path in _WORKERS:
        packed[path] = one_script(modules, path).encode()
    parts = "\n".join(_packed(path, data) for path, data in packed.items())
    return page.replace("</body>", f"{parts}\n<script>{script}</script>\n</body>").encode()


def write_file(page: bytes, path: Path, *, replace: bool) -> None:
    """Write the page whole.

    Raises:
        FastnstError: If it cannot be written.
    """
    try:
        with atomic_write(path, replace=replace) as temporary:
            temporary.write_bytes(page)
    except OSError as error:
        raise FastnstError(f"cannot write {path}: {error.strerror or error}") from None


def _packed(path: str, data: bytes) -> str:
    kind = ""
    if path.endswith(".wasm"):
        data, kind = gzip.compress(data, 9, mtime=0), " data-gzip"
    text = base64.b64encode(data).decode()
    return f'<script type="application/octet-stream" data-path="{html.escape(path)}"{kind}>{text}</script>'


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
