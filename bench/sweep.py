"""C, S3 and time of training with one option changed at a time: how the defaults were found.

Every variant trains on the same number of pixels, those of `--images` crops of 128 px. A row thus shows the
effect of the option, not of more time. Other widths and depths take another time per pixel: compare their
seconds too. The loss network is VGG-19, which also measures C and S3. Each variant runs `python -m train` on
one core, with one run per core: two processes of two threads each would wait for one another.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from train.config import DEFAULT_STYLE_WEIGHT
from train.network.checkpoint import load_checkpoint

# --images counts crops of this side in pixels.
_UNIT = 128

# What all variants have in common.
_COMMON = {
    "loss-network": "vgg19",
    "image-size": "512",
    "crop-stages": "3",
    "batch-size": "1",
    "optimizer": "muon",
    "init": "none",
}
_ONE_SIZE = {"crop-stages": "1"}
# What each variant changes. The first is the baseline.
VARIANTS: dict[str, dict[str, str]] = {
    "muon, 128 to 512 px": {},
    "adam": {"optimizer": "adam"},
    "learning rate x 2": {"learning-rate": "2e-3"},
    "learning rate x 1/2": {"learning-rate": "5e-4"},
    "learning rate without decay": {"decay": "none"},
    "without warm-up": {"warmup-steps": "0"},
    "128 px": _ONE_SIZE | {"image-size": "128"},
    "128 px, adam": _ONE_SIZE | {"image-size": "128", "optimizer": "adam"},
    "128 px, adam, batch 4": _ONE_SIZE | {"image-size": "128", "optimizer": "adam", "batch-size": "4"},
    "256 px": _ONE_SIZE | {"image-size": "256"},
    "512 px": _ONE_SIZE,
    "128 to 256 px": {"image-size": "256", "crop-stages": "2"},
    "batch 2": {"batch-size": "2"},
    "batch 4": {"batch-size": "4"},
    "content relu3_3 and relu4_1": {"content-layers": "relu3_3,relu4_1"},
    "content relu2_2": {"content-layers": "relu2_2"},
    "style relu1_1 to relu4_1": {"style-layers": "relu1_1,relu2_1,relu3_1,relu4_1"},  # Gatys et al.'s
    "style without relu1_2": {"style-layers": "relu2_2,relu3_4,relu4_1"},
    "style without relu4_1": {"style-layers": "relu1_2,relu2_2,relu3_4"},
    "style layers weighted 4, 2, 1, 1": {"style-layer-weights": "4,2,1,1"},
    "style layers weighted 1, 1, 2, 4": {"style-layer-weights": "1,1,2,4"},
    "style size 256": {"style-size": "256"},
    "style size 512": {"style-size": "512"},
    "width 24": {"width": "24"},
    "width 48": {"width": "48"},
    "3 residual blocks": {"residual-blocks": "3"},
    "style weight 3": {"style-weight": "3"},
    "style weight 12": {"style-weight": "12"},
    "from the_scream": {"init": "the_scream"},
}


def main() -> None:
    """Train every variant and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.sweep", description=__doc__)
    parser.add_argument("--styles", nargs="+", required=True, help="paintings")
    parser.add_argument("--data", required=True, help="photos, as for training")
    parser.add_argument("--images", type=int, default=2400, help="pixels of each run, in crops of 128 px")
    parser.add_argument(
        "--variants", nargs="*", choices=VARIANTS, metavar="V", help=f"some of: {', '.join(VARIANTS)}"
    )
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("options", nargs="*", help="more options of python -m train, after --")
    options = parser.parse_args()
    variants = {name: VARIANTS[name] for name in options.variants or VARIANTS}
    print(f"| style | variant | C | S3 | C + {DEFAULT_STYLE_WEIGHT:g} S3 | seconds |", flush=True)
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:

        def row(run: tuple[int, str, str]) -> str:
            number, style, variant = run
            arguments = [f"--data={options.data}", f"--output={folder}", f"--name=run{number}"]
            given = _COMMON | variants[variant]
            given |= {"images": str(images(options.images, given))}
            arguments += [f"--{option}={value}" for option, value in given.items()]
            return _measure(
                style, variant, Path(folder) / f"run{number}.ckpt", [*arguments, *options.options]
            )

        runs = [(style, variant) for style in options.styles for variant in variants]
        rows: Iterable[str] = pool.map(row, [(number, *run) for number, run in enumerate(runs)])
        for line in rows:
            print(line, flush=True)


def images(budget: int, options: dict[str, str]) -> int:
    """Return how many crops have as many pixels as `budget` crops of 128 px.

    Args:
        budget: Crops of 128 px.
        options: `image-size` and `crop-stages` as `python -m train` takes them. All stages get
            equally many pixels.

    Returns:
        The number of crops, of all sizes.
    """
    stages, size = int(options["crop-stages"]), int(options["image-size"])
    sides = [size >> stage for stage in range(stages)]
    return round(sum(budget / stages * (_UNIT / side) ** 2 for side in sides))


def _measure(style: str, variant: str, checkpoint: Path, arguments: list[str]) -> str:
    command = [
        sys.executable,
        "-m",
        "train",
        "--preset=quick",
        f"--style={style}",
        "--logger=none",
        *arguments,
    ]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    name = Path(style).stem
    if done.returncode:
        return f"| {name} | {variant} | {done.stderr.strip().splitlines()[-1]} |"
    record = load_checkpoint(checkpoint).record
    quality = record.quality
    if quality is None:
        return f"| {name} | {variant} | not measured: VGG-19 is missing |"
    c, s = quality.content, quality.style
    both = c + DEFAULT_STYLE_WEIGHT * s
    return f"| {name} | {variant} | {c:.3f} | {s:.4f} | {both:.3f} | {record.seconds:.0f} |"


if __name__ == "__main__":
    main()
