"""Small seeded photos for the tests: smooth colours with some detail, in every format a folder may hold."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def make_pixels(width: int, height: int, seed: int = 0, finest: float = 0.2) -> np.ndarray:
    """Return RGB values (height, width, 3), uint8: waves of up to `finest` radians per pixel."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        np.sin(x * rng.uniform(0.02, finest) + y * rng.uniform(0.02, finest) + rng.uniform(0, 6))
        for _ in range(3)
    ]
    return np.clip(128 + 110 * np.stack(waves, axis=-1), 0, 255).astype(np.uint8)


def encode(image: Image.Image, format: str = "JPEG", **options: object) -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    image.save(buffer, format, **({"quality": 92} if format == "JPEG" else {}) | options)
    return buffer.getvalue()


def make_jpeg(width: int = 48, height: int = 40, seed: int = 0) -> bytes:
    return encode(Image.fromarray(make_pixels(width, height, seed)))


def write_folder(folder: Path, count: int, first: int = 0) -> list[Path]:
    """Write `count` JPEGs, each recognisable by its own single colour (see `colour_of`), in two folders."""
    paths = []
    for number in range(first, first + count):
        path = folder / ("even" if number % 2 == 0 else "odd") / f"{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_plain(number))
        paths.append(path)
    return paths


def make_plain(number: int) -> bytes:
    """Return a JPEG of one grey level, so that a crop of it still tells which photo it came from."""
    return encode(Image.new("L", (24, 20), 2 * number + 1))


def number_of(crop: np.ndarray) -> int:
    """Return which of the photos of `make_plain` a crop came from, its channels in any order."""
    return round((float(np.asarray(crop).mean()) - 1) / 2)


def write_shards(
    folder: Path, rows: list[list[bytes | None]], split: str = "train", kind: str = "struct"
) -> None:
    """Write parquet shards of photos: `struct` {bytes, path} or bare `binary`, without any metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard, photos in enumerate(rows):
        if kind == "struct":
            values = [{"bytes": photo, "path": f"{shard}-{row}.jpg"} for row, photo in enumerate(photos)]
            column = pa.array(values, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
        else:
            column = pa.array(photos, pa.binary())
        table = pa.table({"label": pa.array(range(len(photos)), pa.int64()), "image": column})
        # Several row groups, as in the files of the hub.
        pq.write_table(table, folder / f"{split}-{shard:05d}-of-{len(rows):05d}.parquet", row_group_size=5)
