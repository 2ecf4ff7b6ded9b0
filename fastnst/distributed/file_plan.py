"""Which files a cluster paints, and where each result goes."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from fastnst.distributed import storage
from fastnst.errors import FastnstError
from fastnst.files.plan import SHEET, plan_results, result_name, without_results
from fastnst.files.search import FoundImage
from fastnst.image.encode import output_format
from fastnst.image.formats import READABLE_SUFFIXES
from fastnst.style_library import list_styles

Row = dict[str, str | None]
"""`image` and `result`, paths or addresses, and `error`: why the image cannot be painted, or None."""


def plan_files(
    source: str, output: str, style: str, *, suffix: str | None, overwrite: bool, recursive: bool
) -> list[Row]:
    """Return a row for each image, with the result that `fastnst stylize` would write.

    Images whose result exists are left out, unless it is to be replaced.

    Args:
        source: A folder, file or pattern, or a folder's address.
        output: The folder for results, or its address.
        style: The style's name.
        suffix: The results' suffix; by default each image's own.
        overwrite: Whether results may replace files.
        recursive: Whether to search the folders below a folder too.

    Raises:
        FastnstError: If the source is missing or holds no images.
    """
    if suffix is not None:
        output_format(suffix)
    source, output = (storage.without_file_scheme(place) for place in (source, output))
    if not storage.is_address(source) and not storage.is_address(output):
        return _plan_paths(source, output, style, suffix, overwrite=overwrite, recursive=recursive)
    # Actors work in a folder of their own.
    source, output = (
        place if storage.is_address(place) else str(Path(place).absolute()) for place in (source, output)
    )
    names = sorted(
        (PurePosixPath(name) for name in storage.list_files(source, recursive=recursive)),
        key=lambda name: name.parts,
    )
    images = [
        name
        for name in names
        if name.suffix.lower() in READABLE_SUFFIXES and not any(part.startswith(".") for part in name.parts)
    ]
    inside = output.rstrip("/").removeprefix(source.rstrip("/") + "/")
    if inside != output.rstrip("/"):  # results are no images to paint
        images = [name for name in images if not name.is_relative_to(inside)]
    if not images:
        raise FastnstError(f"{source} holds no images")
    styles = {style, SHEET, *(known.name for known in list_styles())}
    found, _ = without_results([FoundImage(Path(name), str(name), tree=source) for name in images], styles)
    done = set() if overwrite else set(storage.list_files(output, recursive=True))
    rows: list[Row] = []
    taken: dict[PurePosixPath, PurePosixPath] = {}
    for name in (PurePosixPath(image.path.as_posix()) for image in found):
        result = name.with_name(result_name(name, style, suffix))
        first = taken.setdefault(result, name)
        error = None
        if first is not name:
            error = f"{name} and {first} would both become {result}: rename one of them"
        if str(result) not in done or error is not None:
            rows.append(_row(f"{source.rstrip('/')}/{name}", f"{output.rstrip('/')}/{result}", error))
    return rows


def _plan_paths(
    source: str, output: str, style: str, suffix: str | None, *, overwrite: bool, recursive: bool
) -> list[Row]:
    plan = plan_results(
        [source],
        style,
        output=f"{output.rstrip('/')}/",
        suffix=suffix,
        overwrite=overwrite,
        recursive=recursive,
        styles={SHEET, *(known.name for known in list_styles())},
    )
    if plan.problems and not plan.tasks and not plan.done:
        raise FastnstError(plan.problems[0].line)
    # Actors work in a folder of their own.
    rows = [_row(str(task.source.absolute()), str(task.result.absolute()), None) for task in plan.tasks]
    return rows + [_row(problem.source, None, problem.line) for problem in plan.problems]


def _row(image: str, result: str | None, error: str | None) -> Row:
    return {"image": image, "result": result, "error": error}
