"""What training adds: C and S3 of the network for any painting beside those of the trained styles."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fastnst import Stylizer
from fastnst.errors import FastnstError
from train.evaluate.quality import load_quality_features, measure_quality
from train.image_tensor import image_to_tensor, tensor_to_image
from train.loss.loss_network import LossNetwork
from train.loss.painting import MEASURED_SIZE, load_painting
from train.photos.photo import whole_images
from train.photos.sources import photos_to_judge


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each painting, untrained and, where a style has its name, trained, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.any_painting", description=__doc__)
    parser.add_argument("paintings", type=Path, nargs="+", help="the paintings")
    parser.add_argument("--data", required=True, help="photos: those that training holds out are taken")
    parser.add_argument("--photos", type=int, default=8, help="how many (8)")
    parser.add_argument("--size", type=int, default=512, help="their longer side (512)")
    parser.add_argument("--quality-weights", type=Path, help="VGG-19 file instead of the download")
    options = parser.parse_args(arguments)
    features = load_quality_features(options.quality_weights)
    photos = whole_images(photos_to_judge(options.data, options.photos), options.size)
    print("| painting | any painting: C | S3 | trained: C | S3 |")
    print("|---|---|---|---|---|", flush=True)
    for path in options.paintings:
        cells = [*_measure(str(path), path, photos, features), *_measure(path.stem, path, photos, features)]
        print(f"| {path.stem} | {' | '.join(cells)} |", flush=True)


def _measure(
    style: str, painting: Path, photos: Sequence[NDArray[np.uint8]], features: LossNetwork
) -> tuple[str, str]:
    try:
        stylizer = Stylizer(style, device="cpu")
    except FastnstError:  # no style of this name was trained
        return "", ""
    quality = measure_quality(_painted(stylizer), photos, load_painting(painting, MEASURED_SIZE), features)
    return f"{quality.content:.3f}", f"{quality.style:.4f}"


def _painted(stylizer: Stylizer) -> Callable[[Tensor], Tensor]:
    return lambda photo: image_to_tensor(stylizer(tensor_to_image(photo)))


if __name__ == "__main__":
    main()
