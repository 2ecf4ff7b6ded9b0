"""Export the painter of any painting and its encoder: `python -m export.any_painting CHECKPOINT`.

PyTorch is imported only once there is something to export: --help and mistakes come at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fastnst.errors import FastnstError
from fastnst.model import keys
from train.command import CommandParser, naming_missing_packages, print_result, run_command, say

if TYPE_CHECKING:
    from train.arbitrary.painting_encoder import PaintingEncoder

PAINTER_FILE = "painter.onnx"
ENCODER_FILE = "encoder.onnx"

# The greatest difference of the encoder's statistics from PyTorch's, relative to the largest of a tensor.
_ENCODER_TOLERANCE = 0.01
# Height and width of the paintings that it is compared on.
_PAINTINGS = ((64, 97), (193, 131), (257, 321))

_DESCRIPTION = f"""\
Turn a checkpoint of `python -m train.arbitrary` into two ONNX files: {ENCODER_FILE}, which measures any
painting, and {PAINTER_FILE}, which paints photos by what was measured. They are checked against the
checkpoint before they are left under their names.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Export the two files.

    Args:
        arguments: The command line without the program; None takes the process's.

    Returns:
        The exit code: 0, 2 for a mistake, 130 when interrupted.
    """
    return run_command("export", lambda: _export(_parser().parse_args(arguments)))


def export_any_painting(
    checkpoint: Path, folder: Path, *, progress: Callable[[str], None] | None = None
) -> tuple[Path, Path]:
    """Write the painter of any painting and its encoder, after checking that they are the checkpoint's.

    The weights are stored as float16. The same checkpoint always gives the same bytes.

    Args:
        checkpoint: The `.ckpt` file of a run, finished or not.
        folder: Where `painter.onnx` and `encoder.onnx` are written; existing ones are replaced at the end.
        progress: Called with a line before each step that takes seconds.

    Returns:
        The two files.

    Raises:
        FastnstError: If the checkpoint is missing, damaged or no such checkpoint, a file cannot be written,
            or a model is not the checkpoint's network.
    """
    import onnx

    from export.graph.any_painting import PAINTER, STATISTICS, as_tensors, build_encoder, build_painter
    from export.graph.build import store_weights_as_float16
    from export.graph.rewrites import compute_at_half_size
    from export.metadata import describe_any_painting, describe_export, file_sha256
    from export.style_file import check_writable, serialize, write_model
    from export.verification import FLOAT16_TOLERANCE, example_photos, verify
    from train.arbitrary.checkpoint import load_any_painting
    from train.image_tensor import image_to_tensor

    tell = progress or _ignore
    paths = folder / PAINTER_FILE, folder / ENCODER_FILE
    for path in paths:
        check_writable(path)
    loaded = load_any_painting(checkpoint)
    digest = file_sha256(checkpoint)
    painter = build_painter(loaded.network, progress=progress)
    compute_at_half_size(painter)
    encoder = build_encoder(loaded.encoder, progress=progress)
    for model in (painter, encoder):
        store_weights_as_float16(model)
    tell("running them in ONNX Runtime against PyTorch")
    statistics = loaded.encoder(image_to_tensor(example_photos(1, 193, 257, seed=7)[0]))
    verification = verify(
        serialize(painter),
        lambda content: loaded.network(content, statistics),
        FLOAT16_TOLERANCE,
        interface=PAINTER,
        others={
            value.name: tensor.numpy()
            for value, tensor in zip(STATISTICS, as_tensors(statistics), strict=True)
        },
    )
    verify_encoder(serialize(encoder), loaded.encoder)
    exported = describe_export(digest, half=True, max_abs_error=verification.max_abs_error)
    without_error = {key: value for key, value in exported.items() if key != keys.EXPORT_MAX_ABS_ERROR}
    described = (
        (painter, {**describe_any_painting(loaded, keys.PAINTER), **exported}),
        (encoder, {**describe_any_painting(loaded, keys.ENCODER), **without_error}),
    )
    for (model, metadata), path in zip(described, paths, strict=True):
        onnx.helper.set_model_props(model, metadata)
        write_model(model, path)
    return paths


def verify_encoder(model: bytes, encoder: PaintingEncoder) -> float:
    """Check an encoder's file against the contract, and compare what it measures with PyTorch.

    Args:
        model: The content of the file.
        encoder: The checkpoint's encoder, on the CPU in float32.

    Returns:
        The greatest difference, relative to the largest number of the same tensor.

    Raises:
        FastnstError: If the model breaks the contract, ONNX Runtime cannot run it, or it differs by more than
            a hundredth.
    """
    from export.graph.any_painting import ENCODER, PAINTING, STATISTICS, as_tensors
    from export.verification import check_contract, example_photos, open_model
    from train.image_tensor import image_to_tensor

    check_contract(model, ENCODER)
    session = open_model(model)
    greatest = 0.0
    names = [value.name for value in STATISTICS]
    for number, (height, width) in enumerate(_PAINTINGS):
        painting = example_photos(1, height, width, seed=number)
        found = session.run(names, {PAINTING: painting})
        expected = as_tensors(encoder(image_to_tensor(painting[0])))
        for name, ours, theirs in zip(names, found, expected, strict=True):
            reference = theirs.numpy()
            error = float(np.abs(ours - reference).max() / np.abs(reference).max())
            if not error <= _ENCODER_TOLERANCE:  # NaN too
                raise FastnstError(
                    f"the exported encoder is not that of its checkpoint: {name} of a painting of "
                    f"{width}x{height} pixels differs by {error:.2%} (at most {_ENCODER_TOLERANCE:.0%} may)"
                )
            greatest = max(greatest, error)
    return greatest


def _parser() -> CommandParser:
    parser = CommandParser("export.any_painting", _DESCRIPTION)
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="the .ckpt file")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="an existing folder; by default the checkpoint's"
    )
    return parser


def _export(options: argparse.Namespace) -> None:
    checkpoint: Path = options.checkpoint
    folder: Path = options.output or checkpoint.parent
    if not checkpoint.exists():  # said at once; to check its content takes PyTorch
        raise FastnstError(f"there is no checkpoint {checkpoint}; `python -m train.arbitrary` makes one")
    if not folder.is_dir():
        raise FastnstError(f"-o {folder} is no folder that exists")
    say("loading PyTorch")
    with naming_missing_packages("exporting"):
        import torch  # noqa: F401 - before the next line of progress, since it takes seconds

        for path in export_any_painting(checkpoint, folder, progress=say):
            print_result(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")


def _ignore(_: str) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
