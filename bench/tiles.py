"""A large picture painted in tiles against the same one painted whole: difference, seams, time, memory."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastnst import Stylizer
from fastnst.model.metadata import read_metadata
from fastnst.style_library import find_style
from fastnst.tiling.tiles import cut_into_tiles, receptive_field, side_of_tiles, tile_alignment

Pixels = NDArray[np.uint8]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.tiles", description=__doc__)
    parser.add_argument("--model", default="wave", help="a style's name or ONNX file")
    parser.add_argument("--image", help="a photo, resized to --size (default: scikit-image's rocket)")
    parser.add_argument("--size", default="4000x3000", help="width x height")
    parser.add_argument("--tile", type=int, help="side of a tile in pixels (default: as fastnst paints)")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--only", choices=("whole", "tiled"), help=argparse.SUPPRESS)
    parser.add_argument("--result", help=argparse.SUPPRESS)
    options = parser.parse_args()
    width, height = (int(size) for size in options.size.split("x"))
    if options.only:
        _paint(options, height, width)
        return
    results = {}
    for way in ("whole", "tiled"):
        path = f"{options.model.replace('/', '_')}-{way}.npy"
        # A process of its own for each, to measure its peak memory.
        command = [sys.executable, "-m", "bench.tiles", *sys.argv[1:], "--only", way, "--result", path]
        subprocess.run(command, check=True)
        results[way] = np.load(path)
        Path(path).unlink()
    whole, tiled = results["whole"], results["tiled"]
    error = np.mean((whole.astype(np.float32) - tiled) ** 2, dtype=np.float64)
    print(f"PSNR {10 * np.log10(255**2 / max(error, 1e-9)):.1f} dB, greatest difference", end=" ")
    print(int(np.abs(whole.astype(np.int16) - tiled).max()))
    side, margin, grain = _tiling(options)
    rows = cut_into_tiles(height, width, side, margin, grain)
    borders = [row[0].top for row in rows[1:]], [tile.left for tile in rows[0][1:]]
    print(f"gradient across the borders of {len(rows)}x{len(rows[0])} tiles over that elsewhere:", end=" ")
    print(f"tiled {_seam(tiled, *borders):.4f}, whole {_seam(whole, *borders):.4f}")


def _tiling(options: argparse.Namespace) -> tuple[int, int, int]:
    """Return the side of tiles, their margin and the pixels at whose multiples they begin."""
    metadata = read_metadata(find_style(options.model))
    margin, grain = receptive_field(metadata), tile_alignment(metadata)
    return side_of_tiles(margin, grain, options.tile), margin, grain


def _paint(options: argparse.Namespace, height: int, width: int) -> None:
    image = _photo(options.image, height, width)
    tile = _tiling(options)[0] if options.only == "tiled" else max(height, width)
    stylizer = Stylizer(options.model, device="cpu", threads=options.threads, tile=tile)
    start = time.perf_counter()
    stylizer(image, out=image)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 2**10
    print(f"{options.only:6} {seconds:7.1f} s, peak {peak / 1e9:.2f} GB", flush=True)
    np.save(options.result, image)


def _photo(path: str | None, height: int, width: int) -> Pixels:
    if path is None:
        from skimage import data

        photo = Image.fromarray(data.rocket())
    else:
        photo = Image.open(path).convert("RGB")
    pixels = np.array(photo.resize((width, height), Image.Resampling.LANCZOS))
    # Enlarged photos lack a camera's grain: add some.
    random = np.random.default_rng(0)
    for row in pixels:
        row[...] = np.clip(row + random.normal(0, 3, row.shape), 0, 255)
    return pixels


def _seam(image: Pixels, tops: list[int], lefts: list[int]) -> float:
    """Return the mean gradient across the tiles' borders, divided by that elsewhere; 1 means no seam."""
    quotients = []
    for axis, borders in ((0, tops), (1, lefts)):
        if not borders:
            continue
        gradients = np.array(
            [
                np.abs(np.take(image, i, axis).astype(np.int16) - np.take(image, i - 1, axis)).mean()
                for i in range(1, image.shape[axis])
            ]
        )
        across = np.zeros(len(gradients), bool)
        across[np.array(borders) - 1] = True
        quotients.append(gradients[across].mean() / gradients[~across].mean())
    return float(np.mean(quotients))


if __name__ == "__main__":
    main()
