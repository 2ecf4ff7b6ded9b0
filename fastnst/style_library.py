"""The available styles, and how a name such as `kandinsky` finds its file."""

from __future__ import annotations

import difflib
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastnst.errors import FastnstError

STYLES_VARIABLE = "FASTNST_STYLES"

BUNDLED_STYLES = (
    "wave",
    "kandinsky",
    "starry_night",
    "contrast_of_forms",
    "tableau",
    "woman_with_a_hat",
    "the_scream",
    "metzinger",
    "water_lilies",
    "cherry_trees",
)
"""The styles that come with fastnst, in the order in which pages show them: the boldest first."""


@dataclass(frozen=True)
class Style:
    """A style file in one of the library's folders.

    Attributes:
        name: The file's name without its suffix, which is what `--model` takes.
        path: The ONNX file.
        source: Where it was found: `checkout`, `user` or `bundled`.
    """

    name: str
    path: Path
    source: str


def style_folders() -> list[tuple[str, Path]]:
    """Return the folders that hold styles as (source, folder), in the order of the search.

    These are the checkpoints of the checkout that fastnst runs from, the user's own folder (`FASTNST_STYLES`,
    which may name several as PATH does, else the platform's data folder), and what the wheel carries.
    """
    package = Path(__file__).resolve().parent
    folders = []
    if (package.parent / "pyproject.toml").is_file() and (package.parent / "checkpoints").is_dir():
        folders.append(("checkout", package.parent / "checkpoints"))
    folders += [("user", folder) for folder in user_folders()]
    folders.append(("bundled", package / "styles"))
    return folders


def user_folders() -> list[Path]:
    """Return the user's own style folders, whether or not they exist."""
    if named := os.environ.get(STYLES_VARIABLE):
        return [Path(folder).expanduser() for folder in named.split(os.pathsep) if folder]
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        data = Path(local) if local else Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        data = Path.home() / "Library" / "Application Support"
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return [data / "fastnst" / "styles"]


def list_styles() -> list[Style]:
    """Return every style in alphabetical order; of several with one name, the one that a search finds."""
    styles: dict[str, Style] = {}
    for source, folder in style_folders():
        try:
            files = sorted(folder.glob("*.onnx"))
        except OSError:  # a folder without permission counts as empty
            continue
        for path in files:
            if not path.name.startswith("."):
                styles.setdefault(path.stem, Style(path.stem, path, source))
    return [styles[name] for name in sorted(styles)]


def list_bundled_styles() -> list[Style]:
    """Return the bundled styles whose files exist, in the order of `BUNDLED_STYLES`."""
    return [
        style for style in to_show(list_styles()) if style.name in BUNDLED_STYLES and style.source != "user"
    ]


def to_show(styles: Iterable[Style]) -> list[Style]:
    """Return styles in the order in which a page shows them: the bundled ones first, then the others."""
    place = {name: number for number, name in enumerate(BUNDLED_STYLES)}
    return sorted(styles, key=lambda style: (place.get(style.name, len(place)), style.name))


def find_style(model: str | os.PathLike[str]) -> Path:
    """Return the file of a model given as a path or as a style's name.

    A path (with a folder, or ending in .onnx) is used if the file exists. A name, with or without .onnx, is
    looked up in the library.

    Args:
        model: `kandinsky`, `kandinsky.onnx` or `some/folder/kandinsky.onnx`.

    Raises:
        FastnstError: If there is no such file or style; the message has the nearest names.
    """
    text = os.fspath(model)
    path = Path(text).expanduser()
    is_bare_name = path.name == text
    kind = kind_of_file(path)
    if kind == FILE and (not is_bare_name or path.suffix == ".onnx"):
        return path
    styles = {style.name: style.path for style in list_styles()}
    if is_bare_name:
        name = text.removesuffix(".onnx")
        if name in styles:
            return styles[name]
    if kind == FILE:
        return path
    if kind:
        check_is_file(path)
    raise FastnstError(_not_found(text, is_bare_name, sorted(styles)))


FILE = "a file"


def kind_of_file(path: Path) -> str:
    """Return what a path leads to, such as `FILE` or "a folder"; empty if it leads nowhere."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # such as a name that is too long, or that has a null character
        return ""
    kinds = {
        stat.S_IFREG: FILE,
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def check_is_file(path: Path) -> None:
    """Raise a FastnstError if a path leads to something that is no regular file."""
    kind = kind_of_file(path)
    if kind == "a pipe":
        raise FastnstError(f"{path} is a pipe, but a style is read more than once: save it as a file first")
    if kind not in ("", FILE):
        raise FastnstError(f"{path} is {kind}, not an ONNX file")


def _not_found(text: str, is_bare_name: bool, names: list[str]) -> str:
    is_name = is_bare_name and not text.endswith(".onnx")
    problem = f"no style is called {text!r}" if is_name else f"{text} does not exist"
    near = difflib.get_close_matches(Path(text).stem.lower(), names, n=3, cutoff=0.5)
    if near:
        return f"{problem}; did you mean {' or '.join(near)}?"
    if names:
        return f"{problem}; there are {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
    return f"{problem}, and there are no styles at hand: name a file, or put it in {user_folders()[0]}"


def parse_paintings(texts: Sequence[str]) -> dict[str, float]:
    """Return the weight of each painting in `wave.jpg:0.7` and `scream.jpg:0.3`, or equal ones.

    Raises:
        FastnstError: If a painting comes twice, some have weights and others none, or one is a style.
    """
    parts = [(text, None) if Path(text).exists() else _weighted(text) for text in texts]
    styles = {style.name for style in list_styles()}
    for name, _ in parts:
        path = Path(name)
        if path.suffix.lower() == ".onnx" or (name in styles and not path.exists()):
            raise FastnstError(f"{name} is a style, not a painting: give it with --model")
    return _all_or_none(parts, "paintings", " ".join(texts))


def parse_blend(text: str) -> dict[str, float]:
    """Return the weight of each style in `kandinsky:0.7,wave:0.3`, or in `kandinsky,wave`, equal parts.

    Raises:
        FastnstError: If a style has no name or comes twice, or some have weights and others none.
    """
    parts = [_weighted(part.strip()) for part in text.split(",")]
    if not all(name for name, _ in parts):
        raise FastnstError(f"a blend is STYLE:WEIGHT,STYLE:WEIGHT, as kandinsky:0.7,wave:0.3, not {text!r}")
    return _all_or_none(parts, "styles", text)


def _weighted(text: str) -> tuple[str, float | None]:
    name, colon, number = text.rpartition(":")
    weight = _number(number) if colon else None
    return (text, None) if weight is None else (name, weight)  # as after the colon of C:\styles\wave.onnx


def _all_or_none(parts: Sequence[tuple[str, float | None]], kind: str, text: str) -> dict[str, float]:
    """Return the weights by name, which all have or none.

    Args:
        parts: Names, with the weights that were given.
        kind: What they are, for messages.
        text: What the user typed, for messages.
    """
    weights: dict[str, float] = {}
    for name, weight in parts:
        if name in weights:
            raise FastnstError(f"{name} comes twice in {text!r}: give it once, with one weight")
        weights[name] = 1.0 if weight is None else weight
    if len({weight is None for _, weight in parts}) > 1:
        raise FastnstError(f"give all {kind} in {text!r} a weight, or none")
    return weights


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
