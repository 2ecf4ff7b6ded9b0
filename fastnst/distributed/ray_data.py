"""Ray data sets of photos that a pool of actors paints."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from fastnst.distributed import storage
from fastnst.distributed.file_plan import plan_files
from fastnst.distributed.photo_painter import ColumnPainter, FilePainter, StyleFile
from fastnst.errors import FastnstError

_BATCH = 16
"""Rows that an actor takes at a time: what it had begun is done again if its machine is lost."""

_BLOCKS_PER_ACTOR = 8
"""Parts of the list for each actor, so that one that is slow or late does not have the most to do."""


def paint_files(
    source: str,
    output: str,
    style: str | os.PathLike[str],
    *,
    recursive: bool = True,
    suffix: str | None = None,
    overwrite: bool = False,
    actors: int | tuple[int, int] = 1,
    cpus: float = 1,
    gpus: float = 0,
    **options: Any,
) -> Any:
    """Paint the images of a folder into another with the names and the bytes of `fastnst stylize -r`.

    Nothing is painted before the data set is read, as by `materialize()` or `iter_rows()`. Images whose
    result exists are left out, so that the same call continues. What a machine had begun when it was lost is
    painted by another.

    Args:
        source: A folder, file or pattern that every machine finds at this path, or a folder's address, such
            as s3://bucket/photos.
        output: The folder for results, or its address.
        style: A style's name, an ONNX file, or a painting: read here, and sent to the actors.
        recursive: Whether to paint the folders below a folder too.
        suffix: The results' suffix, such as `.jpg`; by default each image's own.
        overwrite: Whether results may replace files.
        actors: How many Painters there are, or the fewest and the most.
        cpus: Cores for each of them; it uses as many threads.
        gpus: GPUs for each of them.
        options: `quality`, `max_pixels` and `first_frame`, and the options of `fastnst.Painter`.

    Returns:
        A `ray.data.Dataset` with a row for each image: `image`, `result`, `status` (painted, skipped or
        failed), `error` (its line, or null) and `milliseconds`.

    Raises:
        FastnstError: If Ray is not installed, the style does not open here, an option is out of its range, or
            the source cannot be listed.
    """
    import_ray()
    import pyarrow
    import ray.data

    found = StyleFile.find(style)
    rows = plan_files(source, output, found.name, suffix=suffix, overwrite=overwrite, recursive=recursive)
    text = pyarrow.string()
    table = pyarrow.Table.from_pylist(
        rows, pyarrow.schema([("image", text), ("result", text), ("error", text)])
    )
    most = actors if isinstance(actors, int) else actors[1]
    blocks = max(1, min(len(rows), max(most * _BLOCKS_PER_ACTOR, len(rows) // 1000)))
    painter = {"style": found, "suffix": suffix, "overwrite": overwrite, **options}
    return _painted(ray.data.from_arrow(table).repartition(blocks), FilePainter, painter, actors, cpus, gpus)


def paint_column(
    dataset: Any,
    style: str | os.PathLike[str],
    *,
    column: str = "image",
    painted: str = "painted",
    actors: int | tuple[int, int] = 1,
    cpus: float = 1,
    gpus: float = 0,
    **options: Any,
) -> Any:
    """Return a Ray data set with the paintings of a column of encoded images, and a column `error`.

    Args:
        dataset: A `ray.data.Dataset`, as of `ray.data.read_parquet` or `ray.data.read_binary_files`.
        style: As for `paint_files`.
        column: The column of images; see `ColumnPainter`.
        painted: The name of the paintings' column.
        actors: As for `paint_files`.
        cpus: As for `paint_files`.
        gpus: As for `paint_files`.
        options: As for `paint_files`, and `suffix`; by default, each painting has its image's format.

    Raises:
        FastnstError: If Ray is not installed, the style does not open here, or an option is out of its range.
    """
    import_ray()
    painter = {"style": StyleFile.find(style), "column": column, "painted": painted, **options}
    return _painted(dataset, ColumnPainter, painter, actors, cpus, gpus)


def paint_parquet(
    source: str,
    output: str,
    style: str | os.PathLike[str],
    *,
    key: str,
    column: str = "image",
    **options: Any,
) -> None:
    """Paint the images in parquet files, and write parquet files with `key`, `painted` and `error`.

    Rows whose key the results have are skipped, so that the same call continues; also those that failed.

    Args:
        source: A parquet file or a folder of them, or its address.
        output: The folder for results, or its address.
        style: As for `paint_files`.
        key: The column that identifies a row.
        column: The column of images.
        options: As for `paint_column`.

    Raises:
        FastnstError: If Ray is not installed, the style does not open here, or an option is out of its range.
    """
    import_ray()
    import pyarrow
    import ray.data

    source, output = (storage.without_file_scheme(place) for place in (source, output))
    known = storage.list_files(output, recursive=True)
    dataset = ray.data.read_parquet(source, columns=[key, column])
    if any(name.endswith(".parquet") for name in known):
        before = ray.data.read_parquet(output, columns=[key])
        done = pyarrow.array([row[key] for row in before.iter_rows()])
        dataset = dataset.map_batches(rows_left, fn_kwargs={"key": key, "done": done}, batch_format="pyarrow")
    painted = paint_column(dataset, style, column=column, **options)
    painted.drop_columns([column]).write_parquet(output)


def rows_left(table: Any, key: str, done: Any) -> Any:
    """Return the rows of a `pyarrow.Table` whose key is not in the `pyarrow.Array` of those that are done."""
    import pyarrow.compute

    values = table.column(key)
    is_done = pyarrow.compute.is_in(values, value_set=done.cast(values.type))
    return table.filter(pyarrow.compute.invert(is_done))


def import_ray() -> Any:
    """Return the module ray.

    Raises:
        FastnstError: If it is not installed.
    """
    try:
        import ray.data
    except ImportError as error:
        raise FastnstError(f'Ray Data is not installed ({error}): pip install "fastnst[ray]"') from None
    return ray


def _painted(
    dataset: Any,
    painter: Callable[..., Any],
    options: dict[str, Any],
    actors: int | tuple[int, int],
    cpus: float,
    gpus: float,
) -> Any:
    import ray.data

    # What is wrong with the style or an option is said here, in one line, before the cluster begins.
    painter(**{**options, "device": "cpu", "threads": 1})
    fewest, most = _pool_size(actors, cpus) if isinstance(actors, int) else actors
    # An actor that holds a whole number of cores uses them all; parts of one are one thread.
    options = {"threads": max(1, int(cpus)), "device": "gpu" if gpus else "auto", **options}
    return dataset.map_batches(
        painter,
        fn_constructor_kwargs=options,
        batch_size=_BATCH,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=fewest, max_size=most),
        num_cpus=cpus,
        num_gpus=gpus,
    )


def _pool_size(actors: int, cpus: float) -> tuple[int, int]:
    """Return the fewest and the most actors, so that a core is left for reading and writing.

    Where the actors took all cores, nothing would ever begin.

    Raises:
        FastnstError: If one actor takes all cores of a machine that is alone.
    """
    import ray

    cores = ray.cluster_resources().get("CPU", 0)
    if actors * cpus <= cores - 1:
        return actors, actors
    if cpus > cores - 1 and len(ray.nodes()) == 1 and cores > 0:
        raise FastnstError(
            f"an actor of {cpus:g} cores leaves none of {cores:g} for reading: give fewer, such as --cpus 0.5"
        )
    return 1, actors  # Ray adds others as cores are left
