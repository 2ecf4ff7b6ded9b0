"""The page as this server gives it: the files of `fastnst web`, painting by the server."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fastnst.server.open_styles import FileState, OpenStyles
from fastnst.version import __version__
from fastnst.web import onnxruntime_web
from fastnst.web.samples import Example, jpeg, sample
from fastnst.web.site import (
    HEADERS,
    MARK,
    any_painting_entry,
    files_in,
    licences,
    page_files,
    runtime_entry,
    runtime_files,
)

OWN = Path(__file__).parent / "page"

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:; "
    "media-src blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

PAGE_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of every answer."""

# What Python's table lacks, or has otherwise on some systems.
_MEDIA_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class StaticFile:
    """A file that the server holds in memory.

    Attributes:
        data: Its bytes.
        media_type: Such as `text/html`.
        etag: What changes with its bytes.
    """

    data: bytes
    media_type: str
    etag: str


class PageFiles:
    """The files of the page, by their paths.

    Args:
        styles: The styles that it shows.
        examples: Photos to begin with.
        most_pixels: The largest picture that the server paints.
        has_training: Whether the page shows how a new style is trained.
    """

    def __init__(
        self, styles: OpenStyles, examples: Sequence[Example], most_pixels: int, *, has_training: bool
    ) -> None:
        self._styles, self._examples, self._most_pixels = styles, examples, most_pixels
        self._has_training = has_training
        self._runtime = onnxruntime_web.find_here()
        files = {**page_files(), **files_in(OWN)}
        if self._runtime is not None:
            files |= {**runtime_files(self._runtime), **licences()}
        files |= {f"examples/{each.name}.jpg": jpeg(each.pixels) for each in examples}
        self._licences = sorted(path for path in files if path.startswith("licences/"))
        self._files = {path: static_file(path, data) for path, data in files.items()}
        self._files[""] = self._files["index.html"]
        self._samples: dict[str, tuple[FileState, StaticFile]] = {}

    def get(self, path: str) -> StaticFile | None:
        """Return a file by its path, without the first slash; None if there is none."""
        if path == MARK:
            return static_file(path, self._site())
        return self._files.get(path)

    def sample(self, name: str) -> StaticFile:
        """Return the first example in a style, painted when it is first asked for; called in the queue.

        Raises:
            ApiError: If the style cannot be opened.
        """
        state = self._styles.state(name)
        known = self._samples.get(name)
        if known is None or known[0] != state:
            data = sample(self._styles.open(name), self._examples[0])
            known = self._samples[name] = state, static_file("sample.jpg", data)
        return known[1]

    def has_sample(self, name: str) -> bool:
        """Return whether a style can be shown by the first example."""
        return bool(self._examples) and name in self._styles.known()

    def _site(self) -> bytes:
        styles = [{**entry, "file": None} for entry, _ in self._styles.described()]
        if self._examples:
            for style in styles:
                style["sample"] = f"samples/{quote(str(style['key']), safe='')}.jpg"
        site = {
            "fastnst": __version__,
            "server": {
                "stylize": "api/v1/stylize",
                "mostPixels": self._most_pixels,
                **({"trainings": "api/v1/trainings"} if self._has_training else {}),
            },
            "styles": styles,
            "examples": [
                {"name": each.name, "title": each.title, "file": f"examples/{each.name}.jpg"}
                for each in self._examples
            ],
            "hero": None,
            "anyPainting": any_painting_entry(),
            "runtime": None if self._runtime is None else runtime_entry(),
            "licences": self._licences,
        }
        return json.dumps(site, ensure_ascii=False).encode()


def static_file(path: str, data: bytes) -> StaticFile:
    """Return a file with its type and tag."""
    suffix = Path(path).suffix
    media_type = _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    if media_type.startswith("text/") or suffix == ".json":
        media_type = f"{'application/json' if suffix == '.json' else media_type}; charset=utf-8"
    return StaticFile(data, media_type, f'"{hashlib.sha256(data).hexdigest()[:20]}"')
