"""The styles that the server knows by name, and those that are open: these, and those of paintings."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fastnst.errors import FastnstError, FastnstWarning
from fastnst.model.metadata import check_format, read_metadata
from fastnst.server.errors import ApiError
from fastnst.server.sent_paintings import SentPaintings
from fastnst.style_library import list_styles, to_show
from fastnst.stylizer import Stylizer
from fastnst.web.site import style_entry

# ONNX Runtime keeps for each open style the memory of its largest picture, some hundred bytes a pixel. That
# of so many pixels stays, all styles together. A style that painted more is opened again for its next one, in
# less than a tenth of a second.
_MOST_PIXELS = 3_000_000
_MOST_OPEN = 16

FileState = tuple[Path, int, int]
"""A file, the time of its last change, and its size."""


@dataclass
class _Entry:
    state: FileState | None
    lock: threading.Lock = field(default_factory=threading.Lock)
    stylizer: Stylizer | None = None
    pixels: int = 0


class OpenStyles:
    """Known styles, opened when they are first used. Calls are thread-safe.

    Args:
        given: The styles by their names; None takes all that `fastnst styles` lists, also new ones.
        open_style: Opens a file as a `Stylizer`.
    """

    def __init__(self, given: dict[str, Path] | None, open_style: Callable[[Path], Stylizer]) -> None:
        self._given, self._open_style = given, open_style
        self._trained: dict[str, Path] = {}
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._metadata: dict[FileState, dict[str, str]] = {}

    def known(self) -> dict[str, Path]:
        """Return the files of all styles by their names, in their order."""
        if self._given is not None:
            return {**self._given, **self._trained}
        return {style.name: style.path for style in to_show(list_styles())}

    def add(self, name: str, path: Path) -> None:
        """Add a style that was trained here, where only given ones are known."""
        self._trained = {**self._trained, name: path}

    def _all_metadata(self) -> dict[str, dict[str, str]]:
        """Return the metadata of all styles that can be read, by their names."""
        read: dict[str, dict[str, str]] = {}
        kept: dict[FileState, dict[str, str]] = {}
        for name, path in self.known().items():
            try:
                state = _state(path)
                metadata = self._metadata.get(state)
                if metadata is None:
                    metadata = read_metadata(path)
                    check_format(metadata, path)
            except (FastnstError, OSError):  # such as a file that is being copied
                continue
            read[name] = kept[state] = metadata
        self._metadata = kept
        return read

    def described(self) -> list[tuple[dict[str, object], dict[str, str]]]:
        """Return what the page knows of each style, and the style's metadata."""
        known = self.known()
        return [
            (style_entry(name, known[name], metadata), metadata)
            for name, metadata in self._all_metadata().items()
        ]

    def state(self, name: str) -> FileState:
        """Return what changes when a style's file is replaced.

        Raises:
            ApiError: If it is gone: known styles may be removed.
        """
        path = self.known().get(name)
        try:
            if path is not None:
                return _state(path)
        except FileNotFoundError:
            pass
        raise ApiError(422, f"the style {name} is gone")

    def open(self, name: str) -> Stylizer:
        """Return a known style, opened again if its file has changed.

        Raises:
            ApiError: If it is gone, or cannot be opened.
            Cancelled: If a `Cancellation` ends it.
        """
        state = self.state(name)

        def open_file() -> Stylizer:
            try:
                return self._open_style(state[0])
            except FastnstError as error:  # whose line may name files, which are no client's business
                warnings.warn(str(error), FastnstWarning, stacklevel=2)
                raise ApiError(500, f"the style {name} cannot be opened; the server's log says why") from None

        return self._opened(name, state, open_file)

    def open_paintings(self, paintings: SentPaintings, max_pixels: int) -> Stylizer:
        """Return the style of paintings that a client sent; they are measured when they come first.

        Raises:
            ApiError: As `SentPaintings.open`.
            FastnstError: As `SentPaintings.open`.
            Cancelled: If a `Cancellation` ends it.
        """
        return self._opened(paintings.key, None, lambda: paintings.open(self._open_style, max_pixels))

    def _opened(self, name: str, state: FileState | None, open_style: Callable[[], Stylizer]) -> Stylizer:
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or entry.state != state:
                entry = self._entries[name] = _Entry(state)
            self._entries.move_to_end(name)
        with entry.lock:
            if entry.stylizer is None:
                entry.stylizer = open_style()
            stylizer = entry.stylizer
        self._close_unused(_MOST_PIXELS)
        return stylizer

    def painted(self, name: str, pixels: int) -> None:
        """Count that a style painted a picture of so many pixels, and close what holds too much memory."""
        with self._lock:
            if entry := self._entries.get(name):
                entry.pixels = max(entry.pixels, pixels)
        self._close_unused(_MOST_PIXELS)

    def _close_unused(self, most: int) -> None:
        with self._lock:
            while (
                len(self._entries) > _MOST_OPEN or sum(each.pixels for each in self._entries.values()) > most
            ):
                self._entries.popitem(last=False)  # the one that was used least recently


def _state(path: Path) -> FileState:
    found = path.stat()
    return path, found.st_mtime_ns, found.st_size
