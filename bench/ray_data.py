"""Paint one folder with `fastnst stylize -r` and with examples/ray_batch.py on this machine, in turn.

Images a second are those between the first result and the last, by the times of the files: the start of Ray,
which takes many seconds, is told apart. The results are compared byte by byte.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.batch import make_images

_ROOT = Path(__file__).parents[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.ray_data", description=__doc__)
    parser.add_argument("--model", default="wave", help="a style's name or ONNX file")
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--size", type=int, default=410, help="approximate side of the images in pixels")
    parser.add_argument("--actors", type=int, default=2, help="actors, and threads of the command")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_images(folder, options.images, options.size, ".jpg")
        common = [str(folder / "images"), "-m", options.model, "-o"]
        count = str(options.actors)
        for number in range(options.rounds):
            alone, cluster = folder / f"alone-{number}", folder / f"cluster-{number}"
            stylize = [sys.executable, "-m", "fastnst", "stylize", "-r", "--threads", count, *common]
            ray = [sys.executable, str(_ROOT / "examples" / "ray_batch.py"), "--actors", count, *common]
            rates = [_rate([*stylize, f"{alone}/"], alone), _rate([*ray, str(cluster)], cluster)]
            for result in alone.iterdir():
                if result.read_bytes() != (cluster / result.name).read_bytes():
                    raise RuntimeError(f"{result.name} differs")
            ratios.append(rates[1][0] / rates[0][0])
            print(
                f"stylize -r {rates[0][0]:.2f} images/s after {rates[0][1]:.0f} s,"
                f" Ray {rates[1][0]:.2f} after {rates[1][1]:.0f} s: {ratios[-1]:.2f} times",
                flush=True,
            )
    print(f"median {median(ratios):.2f} times ({min(ratios):.2f} to {max(ratios):.2f})")


def _rate(command: list[str], results: Path) -> tuple[float, float]:
    """Return the images a second, and the seconds until the first."""
    start = time.time()
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "RAY_AUTH_MODE": "disabled"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    times = sorted(path.stat().st_mtime for path in results.iterdir())
    return (len(times) - 1) / (times[-1] - times[0]), times[0] - start


if __name__ == "__main__":
    main()
