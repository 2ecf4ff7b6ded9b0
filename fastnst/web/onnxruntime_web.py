"""ONNX Runtime Web: taken from npm by the committed lock file, when the wheel or a site is built.

It is imported without the package's other modules when the wheel is built.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

_ROOM = Path(__file__).parent
_LOCK = _ROOM / "package-lock.json"

BUNDLED = _ROOM / "onnxruntime-web"
"""Where a wheel carries the files."""

DEVICES = {
    "wasm": {
        "module": "ort.wasm.min.mjs",
        "mjs": "ort-wasm-simd-threaded.mjs",
        "wasm": "ort-wasm-simd-threaded.wasm",
    },
    "webgpu": {
        "module": "ort.jspi.min.mjs",
        "mjs": "ort-wasm-simd-threaded.jspi.mjs",
        "wasm": "ort-wasm-simd-threaded.jspi.wasm",
    },
}
"""The files of each device, by what the page calls them."""

ONE_MODULE = "ort.wasm.bundle.min.mjs"
"""The module of `wasm` that holds its `mjs`."""

FILES = sorted({ONE_MODULE, *(name for files in DEVICES.values() for name in files.values())})

_SECONDS = 300


class NotAvailableError(Exception):
    """ONNX Runtime Web is not here and cannot be taken from npm; the message says why."""


def version() -> str:
    """Return the locked version."""
    lock = json.loads(_LOCK.read_text(encoding="utf-8"))
    return str(lock["packages"]["node_modules/onnxruntime-web"]["version"])


def find(on_download: Callable[[], None] | None = None) -> Path:
    """Return the folder that holds `FILES`: the wheel's, or a cache that is filled from npm once.

    Args:
        on_download: Called before npm is, which takes seconds.

    Raises:
        NotAvailableError: If there is neither, and npm is missing or fails.
    """
    if (folder := find_here()) is not None:
        return folder
    download(_cache(), on_download)
    return _cache()


def find_here() -> Path | None:
    """Return the folder that holds `FILES`, or None where they would have to be downloaded."""
    folders = (BUNDLED, _cache())
    return next((each for each in folders if all((each / name).is_file() for name in FILES)), None)


def download(folder: Path, on_download: Callable[[], None] | None = None) -> None:
    """Put `FILES` into a folder that does not exist yet; npm checks them against the lock file's hashes.

    Raises:
        NotAvailableError: If npm is missing or fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NotAvailableError("npm is not installed")
    if on_download is not None:
        on_download()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".npm-") as temporary:
            work = Path(temporary)
            for name in ("package.json", _LOCK.name):
                shutil.copyfile(_ROOM / name, work / name)
            result = subprocess.run(  # noqa: S603 - the arguments are ours
                [
                    npm,
                    "ci",
                    "--ignore-scripts",
                    "--no-audit",
                    "--no-fund",
                    "--loglevel=error",
                    "--fetch-retries=1",
                ],
                cwd=work,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
            if result.returncode:
                lines = [line for line in result.stderr.splitlines() if line.strip()] or ["it said nothing"]
                raise NotAvailableError(f"npm failed: {lines[0]}")
            taken = work / "taken"
            taken.mkdir()
            for name in FILES:
                shutil.move(work / "node_modules" / "onnxruntime-web" / "dist" / name, taken / name)
            with contextlib.suppress(OSError):  # another process was faster
                taken.rename(folder)
    except subprocess.TimeoutExpired:
        raise NotAvailableError(f"npm did not end within {_SECONDS} s") from None
    except OSError as error:
        raise NotAvailableError(f"{error.filename or folder}: {error.strerror or error}") from None


def _cache() -> Path:
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    else:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "fastnst" / f"onnxruntime-web-{version()}"
