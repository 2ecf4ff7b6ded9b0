"""The speed of loss networks and the quality of their styles, against VGG-19: `python -m bench.loss_network`.

For each painting, `python -m train` trains a style with each loss network, from the same weights on the
same crops, on one core. The runs follow one another, so that their times compare. VGG-19 measures C and S3
of all, on the photos that training holds out. The styles and their previews stay in --output, to be looked
at.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from train.network.checkpoint import load_checkpoint

_BASELINE = "vgg19"


@dataclass(frozen=True)
class _Result:
    content: float
    style: float
    images_per_second: float


def main() -> None:
    """Train all styles and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.loss_network", description=__doc__)
    parser.add_argument("--styles", nargs="+", required=True, type=Path, help="paintings")
    parser.add_argument("--data", required=True, help="photos, as for training")
    parser.add_argument("--vgg19", type=Path, help="VGG-19 weights instead of the download")
    parser.add_argument(
        "--networks", nargs="+", default=["compact"], help="loss networks to compare with vgg19"
    )
    parser.add_argument("--images", type=int, default=400, help="crops to train on")
    parser.add_argument("--image-size", type=int, default=256, help="side of a crop in pixels")
    parser.add_argument("--init", default="none", help="style to start from")
    parser.add_argument("--output", type=Path, default=Path("loss-networks"), help="folder for the styles")
    parser.add_argument("options", nargs="*", help="more options of python -m train, after --")
    options = parser.parse_args()
    print("| style | loss network | C | S3 | C ratio | S3 ratio | crops/s | ratio |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for style in options.styles:
        baseline = _train(style, _BASELINE, options)
        for network in (_BASELINE, *options.networks):
            found = baseline if network == _BASELINE else _train(style, network, options)
            print(
                f"| {style.stem} | {network} | {found.content:.3f} | {found.style:.4f} "
                f"| {found.content / baseline.content:.2f} | {found.style / baseline.style:.2f} "
                f"| {found.images_per_second:.2f} "
                f"| {found.images_per_second / baseline.images_per_second:.2f} |",
                flush=True,
            )


def _train(style: Path, network: str, options: argparse.Namespace) -> _Result:
    name = f"{style.stem}-{network}"
    weights = [] if options.vgg19 is None else [f"--quality-weights={options.vgg19}"]
    if network == _BASELINE and options.vgg19 is not None:
        weights.append(f"--loss-network-weights={options.vgg19}")
    command = [sys.executable, "-m", "train", "--preset=quick", f"--style={style}", f"--data={options.data}"]
    command += [f"--output={options.output}", f"--name={name}", f"--loss-network={network}", *weights]
    command += [f"--images={options.images}", f"--image-size={options.image_size}", "--crop-stages=1"]
    # An earlier run's checkpoint may come from other weights of the compact network: train afresh.
    command += [f"--init={options.init}", "--logger=none", "--preview-seconds=100000", "--fresh"]
    command += options.options
    environment = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip().splitlines()[-1])
    record = load_checkpoint(options.output / f"{name}.ckpt").record
    if record.quality is None:
        raise SystemExit("C and S3 need VGG-19, which cannot be downloaded: give its weights with --vgg19")
    quality = record.quality
    return _Result(quality.content, quality.style, options.images / record.seconds)


if __name__ == "__main__":
    main()
