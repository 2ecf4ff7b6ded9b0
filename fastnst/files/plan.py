"""Which images a command line means, and where each result goes."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from fastnst.errors import FastnstError
from fastnst.files.search import FolderIdentities, FoundImage, Problem, find_images
from fastnst.files.shard import Shard
from fastnst.image.encode import WRITABLE_SUFFIXES, output_format

SHEET = "sheet"
"""What stands in the place of a style in the name of a sheet of all styles: photo.sheet.jpg."""


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
        problems: Each argument or image that cannot be done.
        skipped: Images that are themselves results of other images among them.
        done: Images whose result exists and stays.
        unread: Images in folders that fastnst does not read.
        outdated: Those of `done` that have changed since their result was written.
    """

    tasks: list[Task]
    problems: list[Problem]
    skipped: list[Path]
    done: list[Task] = field(default_factory=list)
    outdated: list[Task] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)


def plan_results(
    arguments: Sequence[str],
    style: str,
    *,
    output: str | None = None,
    suffix: str | None = None,
    overwrite: bool = False,
    recursive: bool = False,
    styles: Collection[str] = (),
    shard: Shard | None = None,
) -> Plan:
    """Turn the arguments of `fastnst stylize` into tasks.

    `photo.jpg` becomes `photo.STYLE.jpg`, beside it or in the folder `output`; a format that is only read
    becomes PNG. With `recursive`, images keep their place in the tree below `output`.
    An image whose name is another image's result, such as `photo.STYLE.jpg` next to `photo.jpg`, is skipped.
    An image whose result exists is done: a command over many images can be repeated until all are done. If
    only one image is named and its result exists, that is a problem.

    With `shard`, the plan holds that part of the whole list: all parts together have the tasks of one plan,
    each once. What is wrong with an argument is a problem of every part: it may be so on one machine alone.

    Args:
        arguments: Files, folders and patterns.
        style: The style's name.
        output: A file or a folder; a folder if it is one, ends in a separator, or there are several images.
        suffix: The results' suffix; by default each image's own.
        overwrite: Whether results may replace files.
        recursive: Whether to search the folders below a folder too, except `output`.
        styles: Names of other styles whose results are skipped too.
        shard: The part of the images to plan; None plans all.

    Raises:
        FastnstError: If `output` does not fit the arguments.
    """
    identities = FolderIdentities()
    images, problems, unread = find_images(arguments, identities, recursive=recursive, output=output)
    images, skipped = without_results(images, {style, *styles})
    is_named = shard is None and len(arguments) == 1 and len(images) == 1 and images[0].is_named
    several = len(images) > 1 or len(arguments) > 1 or Path(arguments[0]).is_dir()
    folder, file = destination(output, several=several)
    if file is not None:
        output_format(file.suffix)

    def is_here(path: Path) -> bool:
        return shard is None or shard.holds(path)

    plan = Plan(
        [],
        problems,
        [path for path in skipped if is_here(path)],
        unread=[path for path in unread if is_here(path)],
    )
    taken: dict[str, Path] = {}
    for image in images:
        source = image.path
        beside = source.parent if folder is None else folder / image.below
        result = file or beside / result_name(source, style, suffix)
        task = Task(source, result)
        # Also for images of other parts, so that every part finds the same one to be the first.
        first = taken.setdefault(identities.of(result), source)
        if shard is not None and image.is_named and not source.exists():
            problems.append(Problem(str(source), f"{source} does not exist"))
            continue
        if not is_here(source):
            continue
        if first is not source:
            line = f"{source} and {first} would both become {result}: rename one of them"
            problems.append(Problem(str(source), line))
            continue
        try:
            _add(plan, task, overwrite=overwrite, is_named=is_named)
        except OSError as error:  # such as a name that is too long
            problems.append(Problem(str(source), cannot_become(source, result, error)))
    return plan


def result_name(source: PurePath, style: str, suffix: str | None) -> str:
    """Return the name of an image's result, in the image's format unless a suffix is given."""
    own = source.suffix if source.suffix.lower() in WRITABLE_SUFFIXES else ".png"
    return f"{source.stem}.{style}{suffix or own}"


def cannot_become(source: Path, result: Path, error: OSError) -> str:
    """Return the line for a result whose path the system does not take."""
    reason = error.strerror or error
    return f"{source} cannot become {result} ({reason}): rename it, or write elsewhere with -o"


def _add(plan: Plan, task: Task, *, overwrite: bool, is_named: bool) -> None:
    source, result = task.source, task.result
    problem = None
    if result.is_dir():
        problem = f"{result} is a folder: choose another name with -o"
    elif result.is_symlink() and not result.exists() and not overwrite:
        problem = f"{result} is a link that leads nowhere: --overwrite replaces it"
    elif overwrite or not result.exists() or not source.exists():
        plan.tasks.append(task)  # a missing image fails later, with its name
    elif is_named:
        problem = f"{result} exists: --overwrite replaces it, -o writes elsewhere"
    else:
        plan.done.append(task)
        if source.stat().st_mtime > result.stat().st_mtime:
            plan.outdated.append(task)
    if problem is not None:
        plan.problems.append(Problem(str(source), problem))


def without_results(images: list[FoundImage], styles: Collection[str]) -> tuple[list[FoundImage], list[Path]]:
    """Return the images without those that are results of others among them, in these styles; and those."""
    beside = {image.identity.removesuffix(os.path.normcase(image.path.suffix)) for image in images}
    # A tree may hold the results of another run in a folder of their own.
    in_trees = {(image.tree, os.path.normcase(image.path.stem)) for image in images if image.tree is not None}
    kept: list[FoundImage] = []
    skipped: list[Path] = []
    for image in images:
        stem, _, style = image.path.stem.rpartition(".")
        has_original = False
        if stem and _is_of(style, styles):
            name = os.path.normcase(stem)
            has_original = str(Path(image.identity).with_name(name)) in beside or (
                image.tree is not None and (image.tree, name) in in_trees
            )
        if has_original:
            skipped.append(image.path)
        else:
            kept.append(image)
    return kept, skipped


def _is_of(name: str, styles: Collection[str]) -> bool:
    """Return whether a result's name is a style's, or that of several, joined by +."""
    return name in styles or set(name.split("+")) <= set(styles)


def destination(
    output: str | None, *, several: bool, suffixes: Collection[str] = WRITABLE_SUFFIXES, kind: str = "images"
) -> tuple[Path | None, Path | None]:
    """Return the folder or the file that `-o` stands for.

    Args:
        output: Its value; None if it was not given.
        several: Whether there is more than one result.
        suffixes: Those of files that can be written, with a dot, in lower case.
        kind: What is painted, for messages.

    Returns:
        A folder, or a file, or neither.

    Raises:
        FastnstError: If `output` is a file and there are several results.
    """
    if output is None:
        return None, None
    path = Path(output)
    if path.is_dir() or output.endswith(("/", os.sep)):
        return path, None
    if not several:
        return None, path
    if path.suffix.lower() in suffixes:
        raise FastnstError(f"there are several {kind} for the one file {path}: give a folder to -o")
    if path.exists():
        raise FastnstError(f"{path} is a file, but there are several {kind}: give a folder to -o")
    return path, None
