"""Which images a command line means, and where each result goes."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastnst.errors import FastnstError
from fastnst.image_file import READABLE_SUFFIXES, WRITABLE_SUFFIXES, output_format


@dataclass(frozen=True)
class Task:
    """One image to stylise, and the file for its result."""

    source: Path
    result: Path


@dataclass(frozen=True)
class Plan:
    """All that a command has to do.

    Attributes:
        tasks: The images and their results; no two results are the same file.
        problems: A line for each argument or image that cannot be done.
        skipped: Images that are themselves results of other images among them.
    """

    tasks: list[Task]
    problems: list[str]
    skipped: list[Path]


def plan_results(
    arguments: Sequence[str],
    style: str,
    *,
    output: str | None = None,
    suffix: str | None = None,
    overwrite: bool = False,
    styles: Collection[str] = (),
) -> Plan:
    """Turn the arguments of `fastnst stylize` into tasks.

    `photo.jpg` becomes `photo.STYLE.jpg`, beside it or in the folder `output`; a format that is only read
    becomes PNG. An image that bears the name of another's result, such as `photo.STYLE.jpg` beside
    `photo.jpg`, is left out, so that a command over a folder may be repeated.

    Args:
        arguments: Files, folders and patterns.
        style: The style's name.
        output: A file or a folder; a folder if it is one, ends in a separator, or there are several images.
        suffix: The results' suffix, where it is not to be the image's own.
        overwrite: Whether results may replace files.
        styles: Names of other styles whose results are left out too.

    Raises:
        FastnstError: If `output` does not fit the arguments.
    """
    sources, problems = find_images(arguments)
    sources, skipped = _without_results(sources, {style, *styles})
    several = len(sources) > 1 or len(arguments) > 1 or any(Path(text).is_dir() for text in arguments)
    folder, file = _destination(output, several)
    if file is not None:
        output_format(file.suffix)
    tasks: list[Task] = []
    taken: dict[str, Path] = {}
    for source in sources:
        result = (
            file or (folder or source.parent) / f"{source.stem}.{style}{suffix or _result_suffix(source)}"
        )
        key = _identity(result)
        if key in taken:
            problems.append(f"{source} and {taken[key]} would both become {result}: rename one of them")
        elif result.is_dir():
            problems.append(f"{result} is a folder: choose another name with -o")
        elif result.exists() and not overwrite:
            problems.append(f"{result} exists: --overwrite replaces it, -o writes elsewhere")
        else:
            taken[key] = source
            tasks.append(Task(source, result))
    return Plan(tasks, problems, skipped)


def find_images(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Return the files that the arguments name, each once, and a line for each that names none.

    Folders give the images in them by name; patterns are expanded here too, for shells that do not.
    """
    found: dict[str, Path] = {}
    problems: list[str] = []
    for text in arguments:
        path = Path(text)
        files = [path]
        try:
            if path.is_dir():
                files = sorted(file for file in path.iterdir() if _is_image(file))
                if not files:
                    problems.append(f"{path} holds no images")
            elif glob.has_magic(text) and not path.exists():
                matches = glob.glob(text, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
                files = sorted(file for match in matches if (file := Path(match)).is_file())
                if not files:
                    problems.append(f"{text} matches no file")
        except OSError as error:
            problems.append(f"{path} cannot be read: {error.strerror or error}")
            continue
        for file in files:
            found.setdefault(_identity(file), file)
    return list(found.values()), problems


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in READABLE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _without_results(sources: list[Path], styles: Collection[str]) -> tuple[list[Path], list[Path]]:
    originals = {_identity(source.with_suffix("")) for source in sources}
    kept: list[Path] = []
    skipped: list[Path] = []
    for source in sources:
        stem, _, style = source.stem.rpartition(".")
        is_result = bool(stem) and _is_of(style, styles) and _identity(source.with_name(stem)) in originals
        (skipped if is_result else kept).append(source)
    return kept, skipped


def _is_of(name: str, styles: Collection[str]) -> bool:
    """Return whether a result's name is a style's, or that of several, joined by +."""
    return name in styles or set(name.split("+")) <= set(styles)


def _destination(output: str | None, several: bool) -> tuple[Path | None, Path | None]:
    """Return the folder or the file that `output` stands for."""
    if output is None:
        return None, None
    path = Path(output)
    if path.is_dir() or output.endswith(("/", os.sep)):
        return path, None
    if not several:
        return None, path
    if path.exists():
        raise FastnstError(f"{path} is a file, but there are several images: give a folder to -o")
    if path.suffix.lower() in WRITABLE_SUFFIXES:
        raise FastnstError(f"there are several images for the one file {path}: give a folder to -o")
    return path, None


def _result_suffix(source: Path) -> str:
    return source.suffix if source.suffix.lower() in WRITABLE_SUFFIXES else ".png"


def _identity(path: Path) -> str:
    """Return the same text for every spelling of a file's path."""
    return os.path.normcase(path.parent.resolve() / path.name)
