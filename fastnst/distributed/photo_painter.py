"""The classes that a cluster's actors are: each holds one Painter and paints rows of a table.

They need pyarrow, but not Ray: any program that gives them tables may call them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fastnst.arbitrary.frozen_files import find_or_freeze
from fastnst.distributed import storage
from fastnst.errors import FastnstError
from fastnst.files.result import ResultExistsError
from fastnst.image.encode import encode_image, output_format, result_format
from fastnst.image.file import MAX_PIXELS, read_image
from fastnst.painter import Painter

_TRANSFERS = 8
"""Files that one actor reads or writes at a time, while it paints another."""


@dataclass(frozen=True)
class StyleFile:
    """A style that travels to other machines with its file.

    Attributes:
        name: Its name, as in the names of results.
        data: The bytes of the ONNX file.
    """

    name: str
    data: bytes

    @classmethod
    def find(cls, style: str | os.PathLike[str]) -> StyleFile:
        """Return a style given by its name, as an ONNX file, or as a painting.

        Raises:
            FastnstError: If there is no such style.
        """
        path = find_or_freeze(style)
        return cls(path.stem, path.read_bytes())


class _PhotoPainter:
    def __init__(
        self,
        style: StyleFile | str | os.PathLike[str],
        *,
        suffix: str | None = None,
        quality: int = 95,
        max_pixels: int = MAX_PIXELS,
        first_frame: bool = False,
        **controls: Any,
    ) -> None:
        if isinstance(style, StyleFile):
            # Once it is open, only tiles need the file.
            folder = tempfile.mkdtemp(prefix="fastnst-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            path = Path(folder, f"{style.name}.onnx")
            path.write_bytes(style.data)
            style = path
        if suffix is not None:
            output_format(suffix)
        self._suffix, self._quality = suffix, quality
        self._max_pixels, self._first_frame = max_pixels, first_frame
        self._painter = Painter(style, **controls)

    def _painted(self, data: bytes, name: str, suffix: str | None) -> bytes:
        """Return the painting of an encoded image, encoded as `suffix` says or as the image is.

        Raises:
            FastnstError: If it is no image that can be painted; one line that names it.
        """
        try:
            picture = read_image(data, name=name, max_pixels=self._max_pixels, first_frame=self._first_frame)
            try:
                painted = picture.painted(self._painter(picture.pixels, out=picture.pixels))
                return encode_image(painted, result_format(picture, suffix), quality=self._quality)
            except FastnstError as error:  # which does not know whose it is
                raise FastnstError(f"{name}: {error}") from None
        except FastnstError:
            raise
        except MemoryError:
            raise FastnstError(f"{name} does not fit into memory: resize it") from None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this image's alone
            raise FastnstError(f"{name} cannot be done: {type(error).__name__}: {error}") from None


class FilePainter(_PhotoPainter):
    """Paints files; each call takes a table of paths or addresses and returns what became of them.

    Args:
        style: What is painted with: a `StyleFile`, a name, an ONNX file or a painting.
        suffix: The format of results, such as `.jpg`; by default, that of each result's name.
        quality: 1 to 100, for JPEG, WebP and AVIF.
        max_pixels: Larger images are refused.
        first_frame: Take the first frame of animations, instead of refusing them.
        overwrite: Replace results that exist, instead of skipping their images.
        controls: The options of `fastnst.Painter`.

    Raises:
        FastnstError: If the style cannot be opened, or a control is out of its range.
    """

    def __init__(
        self, style: StyleFile | str | os.PathLike[str], *, overwrite: bool = False, **options: Any
    ) -> None:
        super().__init__(style, **options)
        self._overwrite = overwrite

    def __call__(self, table: Any) -> Any:
        """Paint a table's images and write the results.

        Args:
            table: A `pyarrow.Table` with the columns `image` and `result`, paths or addresses such as
                s3://bucket/photo.jpg, and `error`: rows in which that is not null only pass through.

        Returns:
            The table with the columns `status` (painted, skipped or failed) and `milliseconds`, and the line
            of each image that failed in `error`.
        """
        import pyarrow

        images, results, errors = (table.column(name).to_pylist() for name in ("image", "result", "error"))
        outcomes = self._paint_files(images, results, errors)
        columns = {
            "image": (images, pyarrow.string()),
            "result": (results, pyarrow.string()),
            "status": ([status for status, _, _ in outcomes], pyarrow.string()),
            "error": ([error for _, error, _ in outcomes], pyarrow.string()),
            "milliseconds": ([milliseconds for _, _, milliseconds in outcomes], pyarrow.float64()),
        }
        return pyarrow.table({name: pyarrow.array(*column) for name, column in columns.items()})

    def _paint_files(
        self, images: Sequence[str], results: Sequence[str | None], errors: Sequence[str | None]
    ) -> list[tuple[str, str | None, float | None]]:
        milliseconds: list[float | None] = [None] * len(images)
        written = []
        with ThreadPoolExecutor(_TRANSFERS) as readers, ThreadPoolExecutor(_TRANSFERS) as writers:
            read = [readers.submit(self._read, *row) for row in zip(images, results, errors, strict=True)]
            for number, (image, result) in enumerate(zip(images, results, strict=True)):

                def paint(
                    number: int = number, image: str = image, result: str = str(result)
                ) -> bytes | None:
                    data = read[number].result()
                    if data is None:
                        return None
                    start = time.perf_counter()
                    painted = self._painted(data, image, self._suffix or PurePosixPath(result).suffix)
                    milliseconds[number] = 1000 * (time.perf_counter() - start)
                    return painted

                try:
                    painted = paint()
                except FastnstError as error:
                    written.append(writers.submit(_failed, str(error)))
                else:
                    written.append(writers.submit(self._write, str(result), painted))
                read[number].cancel()
        return [(*future.result(), spent) for future, spent in zip(written, milliseconds, strict=True)]

    def _read(self, image: str, result: str | None, error: str | None) -> bytes | None:
        """Return the image's bytes, or None if its result exists."""
        if error is not None or result is None:
            raise FastnstError(error or f"{image} has no place for its result")
        if not self._overwrite and storage.exists(result):
            return None
        return storage.read(image)

    def _write(self, result: str, painted: bytes | None) -> tuple[str, str | None]:
        if painted is None:
            return "skipped", None
        try:
            storage.write(result, painted, replace=self._overwrite)
        except ResultExistsError:  # as another actor, or another run, has painted it meanwhile
            return "skipped", None
        except FastnstError as error:
            return _failed(str(error))
        return "painted", None


class ColumnPainter(_PhotoPainter):
    """Paints a column of encoded images; each call takes a table and returns it with two more columns.

    Args:
        style: As for `FilePainter`.
        column: The column of images: bytes of files, or structs with such `bytes`, as data sets on the
            Hugging Face hub have them.
        painted: The new column's name.
        options: As for `FilePainter`, without `overwrite`; by default, each result has its image's format.

    Raises:
        FastnstError: As for `FilePainter`.
    """

    def __init__(
        self,
        style: StyleFile | str | os.PathLike[str],
        *,
        column: str = "image",
        painted: str = "painted",
        **options: Any,
    ) -> None:
        super().__init__(style, **options)
        self._column, self._painted_column = column, painted

    def __call__(self, table: Any) -> Any:
        """Paint a table's images.

        Args:
            table: A `pyarrow.Table` with the column of images.

        Returns:
            The table with the paintings, encoded, and `error`: the line of an image that failed, or null.
        """
        import pyarrow

        painted: list[bytes | None] = []
        errors: list[str | None] = []
        for value in table.column(self._column).to_pylist():
            data = value.get("bytes") if isinstance(value, dict) else value
            try:
                if not isinstance(data, bytes):
                    raise FastnstError("the image is null" if data is None else "the image is not bytes")
                painted.append(self._painted(data, "the image", self._suffix))
                errors.append(None)
            except FastnstError as error:
                painted.append(None)
                errors.append(str(error))
        for name, values, kind in (
            (self._painted_column, painted, pyarrow.large_binary()),
            ("error", errors, pyarrow.string()),
        ):
            if name in table.column_names:
                table = table.drop_columns([name])
            table = table.append_column(name, pyarrow.array(values, kind))
        return table


def _failed(line: str) -> tuple[str, str | None]:
    return "failed", line
