"""Which videos a command line means, and where each result goes."""

from __future__ import annotations

import glob
from collections.abc import Collection, Sequence
from pathlib import Path

from fastnst.errors import FastnstError
from fastnst.files.plan import Task, cannot_become, destination
from fastnst.files.search import FolderIdentities, Problem
from fastnst.video.partial import partial_path
from fastnst.video.writer import VIDEO_SUFFIXES


def plan_videos(
    arguments: Sequence[str],
    style: str,
    *,
    output: str | None = None,
    overwrite: bool = False,
    styles: Collection[str] = (),
) -> tuple[list[Task], list[Problem]]:
    """Turn the arguments of `fastnst video` into tasks.

    `clip.mp4` becomes `clip.STYLE.mp4`, beside it or in the folder `output`; a format that is only read
    becomes mp4.

    Args:
        arguments: Files and patterns.
        style: The style's name.
        output: A file or a folder; a folder if it is one, ends in a separator, or there are several videos.
        overwrite: Whether results may replace files.
        styles: Names of styles whose results a pattern leaves out.

    Returns:
        The tasks, and each argument or video that cannot be done.

    Raises:
        FastnstError: If `output` does not fit the arguments.
    """
    identities = FolderIdentities()
    sources, problems = _find(arguments, identities, styles)
    several = len(sources) + len(problems) > 1
    folder, file = destination(output, several=several, suffixes=VIDEO_SUFFIXES, kind="videos")
    if file is not None and file.suffix.lower() not in VIDEO_SUFFIXES:
        raise FastnstError(
            f"cannot write {file.suffix or file.name}: give a name in mp4, m4v, mov or mkv to -o"
        )
    tasks: list[Task] = []
    taken: dict[Path, Path] = {}
    for source in sources:
        suffix = source.suffix if source.suffix.lower() in VIDEO_SUFFIXES else ".mp4"
        result = file or (folder or source.parent) / f"{source.stem}.{style}{suffix}"
        other = taken.setdefault(result.resolve(), source)
        if other is not source:
            problem: str | None = f"{source} and {other} would both become {result}: rename one of them"
        elif result.resolve() == source.resolve():
            problem = f"{source} would be replaced by its own result: give another name to -o"
        else:
            try:
                problem = _occupied(result, overwrite=overwrite)
            except OSError as error:  # such as a name that is too long
                problem = cannot_become(source, result, error)
        if problem is None:
            tasks.append(Task(source, result))
        else:
            problems.append(Problem(str(source), problem))
    return tasks, problems


def _occupied(result: Path, *, overwrite: bool) -> str | None:
    """Return the line for a result whose place is taken, or None."""
    # The partial file's name must be free too, and it is the longer one.
    for path in (result, partial_path(result)):
        if path.is_dir():
            return f"{path} is a folder: choose another name with -o"
    if result.exists() and not overwrite:
        return f"{result} exists: --overwrite replaces it, -o writes elsewhere"
    return None


def _find(
    arguments: Sequence[str], identities: FolderIdentities, styles: Collection[str]
) -> tuple[list[Path], list[Problem]]:
    """Return the files that the arguments name, each once, and each argument that names none.

    Patterns are expanded here, for shells that do not; they leave out the results of other videos.
    """
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    for text in arguments:
        try:
            path = Path(text)
            if glob.has_magic(text) and not path.exists():
                matches = [Path(match) for match in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207 - Path.glob takes no absolute pattern
                files = [file for file in matches if file.is_file() and not _is_result(file, styles)]
                if not files:
                    problems.append(Problem(text, f"{text} matches no file"))
            else:
                files = [path]
            for file in files:
                if file.is_dir():
                    line = f'{file} is a folder: name the videos in it, as in "{file / "*.mp4"}"'
                    problems.append(Problem(text, line))
                elif not file.exists():
                    problems.append(Problem(text, f"{file} does not exist"))
                else:
                    found.setdefault(identities.of(file), file)
        except OSError as error:  # noqa: PERF203 - each argument for itself
            problems.append(Problem(text, f"{text} cannot be read: {error.strerror or error}"))
    return list(found.values()), problems


def _is_result(path: Path, styles: Collection[str]) -> bool:
    stem, _, style = path.stem.removesuffix(".partial").rpartition(".")
    return bool(stem) and style in styles
