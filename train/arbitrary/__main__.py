"""Train the network for any painting: `python -m train.arbitrary --paintings paintings/ --data photos/`.

PyTorch is imported only once there is something to train: --help and mistakes come at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fastnst.errors import INTERRUPTED, MISTAKE, FastnstError
from fastnst.terminal import one_line
from train.arbitrary.options import ArbitraryOptions
from train.command import CommandParser, run_command
from train.config import COMPACT_LOSS_NETWORK, DEFAULT_STYLE_WEIGHT, TrainingConfig
from train.terminal import say_once, tell, want_events

_DESCRIPTION = """\
Train the network that paints in the manner of any painting, without training for it. It learns from the
given paintings in other colours and crops, from paintings that the project draws, and from photos.
Ctrl-C saves the run; the same command goes on from there.
"""
_EXAMPLES = """\
examples:
  python -m train.arbitrary --paintings paintings/ --data train2017/ --start wave
  python -m train.arbitrary --paintings a.jpg b.jpg --held-out c.jpg --data train2017/ --images 40000
"""
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the network.

    Args:
        arguments: The command line without the program; None takes the process's.

    Returns:
        The exit code: 0 when the run is done, 2 for a mistake, 130 when interrupted.
    """

    def command() -> int:
        given = _parser().parse_args(arguments)
        want_events(given.progress == "json")
        try:
            return _train(_options(given))
        except FastnstError as error:
            if not tell("error", text=one_line(error), process=0):
                raise
            return MISTAKE
        except KeyboardInterrupt:
            checkpoint = given.output / f"{given.name}.ckpt"
            if not tell("interrupted", checkpoint=str(checkpoint) if checkpoint.exists() else None):
                raise
            return INTERRUPTED
        finally:
            want_events(False)

    return run_command("arbitrary", command)


def _train(options: ArbitraryOptions) -> int:
    say_once("loading PyTorch")
    from train.arbitrary.run import run
    from train.run.lock import run_lock

    with run_lock(options.config.checkpoint_path):
        return INTERRUPTED if run(options) else 0


def _parser() -> CommandParser:
    parser = CommandParser("train.arbitrary", _DESCRIPTION, examples=_EXAMPLES, allow_abbrev=False)
    add = parser.add_argument
    add("--paintings", type=Path, nargs="+", required=True, metavar="FILE", help="paintings, or folders")
    add(
        "--held-out",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="paintings that training never sees, for previews and for C and S3; those of them among "
        "--paintings are left out there",
    )
    add("--data", metavar="PHOTOS", help="photos: a folder, a data set of the hub, or generated")
    add(
        "--start",
        metavar="STYLE",
        help="what the weights start from: a style of the default network, or an earlier run's checkpoint",
    )
    add("--images", type=int, default=160_000, metavar="N", help="crops to train on (%(default)s)")
    add("--image-size", type=int, default=256, metavar="N", help="side of a crop (%(default)s)")
    add("--batch-size", type=int, default=2, metavar="N", help="crops, and paintings, a step (%(default)s)")
    add(
        "--style-weight",
        type=float,
        default=DEFAULT_STYLE_WEIGHT,
        metavar="X",
        help="how strongly the painting counts (%(default)s)",
    )
    add("--learning-rate", type=float, metavar="X", help="the highest; 3e-3 by default")
    add(
        "--loss-network",
        choices=("compact", "vgg16", "vgg19"),
        default=COMPACT_LOSS_NETWORK,
        help="compares images (%(default)s, which comes with fastnst)",
    )
    add("--loss-network-weights", type=Path, metavar="FILE", help="VGG file instead of the download")
    add("--quality-weights", type=Path, metavar="FILE", help="VGG-19 file for C and S3")
    add("--output", type=Path, default=Path("checkpoints"), metavar="FOLDER", help="(%(default)s)")
    add("--name", default="any_painting", metavar="NAME", help="of the checkpoint (%(default)s)")
    add("--fresh", action="store_true", help="train from the start even if the checkpoint exists")
    add("--logger", choices=("wandb", "tensorboard", "csv", "none"), default="wandb", help="(%(default)s)")
    add("--accelerator", default="auto", metavar="NAME", help="cpu, cuda or mps (%(default)s)")
    add("--devices", default="auto", metavar="N", help="how many devices (%(default)s)")
    add("--precision", default="auto", metavar="NAME", help="16-mixed, bf16-mixed or 32-true (%(default)s)")
    add("--workers", type=int, metavar="N", help="processes that decode photos")
    add("--preview-seconds", type=float, default=300.0, metavar="X", help="between previews (%(default)s)")
    add("--checkpoint-seconds", type=float, default=60.0, metavar="X", help="(%(default)s)")
    add(
        "--progress",
        choices=("auto", "json"),
        default="auto",
        help="json tells programs by events (docs/json.md)",
    )
    add("--seed", type=int, default=0, metavar="N", help="(%(default)s)")
    return parser


def _options(given: argparse.Namespace) -> ArbitraryOptions:
    held_out = tuple(_files(given.held_out))
    paintings = tuple(file for file in _files(given.paintings) if file not in held_out)
    if not paintings:
        raise FastnstError("all --paintings are among --held-out: none is left to learn from")
    shared = {
        name: value
        for name, value in vars(given).items()
        if name in TrainingConfig.__dataclass_fields__ and value is not None
    }
    config = TrainingConfig(style=paintings[0], crop_scale=(0.2, 1.0), quality_size=512, **shared)
    return ArbitraryOptions(config, paintings, held_out, given.start or "")


def _files(paths: Sequence[Path]) -> list[Path]:
    """Return the files, and the pictures in the folders."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.suffix.lower() in _PICTURES)
            if not found:
                raise FastnstError(f"there are no pictures in {path}")
            files += found
        elif path.exists():
            files.append(path)
        else:
            raise FastnstError(f"there is no painting {path}")
    return files


if __name__ == "__main__":
    sys.exit(main())
