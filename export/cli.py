"""The command line of the exporter.

PyTorch is imported only once there is something to export: --help and mistakes come at once.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from export.metadata import is_current
from fastnst.errors import FastnstError
from fastnst.model import keys
from fastnst.style_library import find_style
from train.command import CommandParser, naming_missing_packages, print_result, run_command, say

if TYPE_CHECKING:
    from export.int8.style_file import QuantizedStyle
    from export.style_file import ExportedStyle

_DESCRIPTION = """\
Turn a checkpoint of `python -m train` into a style: one ONNX file that takes and gives images of any size,
checked against the checkpoint before it is left under its name.
"""
_EXAMPLES = """\
examples:
  python -m export checkpoints/kandinsky.ckpt            writes checkpoints/kandinsky.onnx
  python -m export checkpoints/kandinsky.ckpt --half     the same in half the size, within 2/255
  python -m export checkpoints/kandinsky.ckpt --int8     writes checkpoints/kandinsky-int8.onnx
  python -m export checkpoints/wave.onnx --int8          the same without the checkpoint
  python -m export runs/blue.ckpt -o checkpoints/        another folder, or another name
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Export a style.

    Args:
        arguments: The command line without the program; None takes the process's.

    Returns:
        The exit code: 0 for an exported style, 2 for a mistake, 130 when interrupted.
    """
    return run_command("export", lambda: _export(_parser().parse_args(arguments)))


def _parser() -> CommandParser:
    parser = CommandParser("export", _DESCRIPTION, examples=_EXAMPLES)
    parser.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="the .ckpt file; with --int8 also an .onnx file that this program wrote",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="file or folder to write; by default NAME.onnx beside the checkpoint, or with --int8 "
        "NAME-int8.onnx",
    )
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument(
        "--half", action="store_true", help="store the weights as float16: half the size, within 2/255"
    )
    weights.add_argument(
        "--int8",
        action="store_true",
        help="compute in 8-bit integers: up to 1.8 times as fast on CPUs, under a third of the size, 35 dB "
        "and more from the float network",
    )
    parser.add_argument(
        "--calibration-photos",
        metavar="FOLDER",
        help="with --int8: photos like those that the style will paint; generated ones by default",
    )
    parser.add_argument(
        "--unless-current",
        action="store_true",
        help="do nothing if the file was made of this very checkpoint in the same way",
    )
    return parser


def _export(options: argparse.Namespace) -> None:
    checkpoint: Path = options.checkpoint
    if options.calibration_photos is not None and not options.int8:
        raise FastnstError("--calibration-photos is for --int8")
    if checkpoint.suffix == ".onnx" and not options.int8:
        raise FastnstError(
            f"{checkpoint} is a style file already; --int8 makes a smaller and faster one of it"
        )
    path = _output_path(checkpoint, options.output, int8=options.int8)
    if options.unless_current and is_current(path, checkpoint, int8=options.int8):
        print_result(f"{path} is up to date with {checkpoint}")
        print_result(f"next: {_next_command(path)}")
        return
    if not checkpoint.exists():  # said at once; to check its content takes PyTorch
        kind = "style" if checkpoint.suffix == ".onnx" else "checkpoint"
        raise FastnstError(f"there is no {kind} {checkpoint}; `make train STYLE=...` makes one")
    say("loading PyTorch")
    with naming_missing_packages("exporting"):
        import torch  # noqa: F401 - before the next line of progress, since it takes seconds

        say(f"reading {checkpoint}")
        if options.int8:
            from export.int8.style_file import export_int8

            _say_int8(export_int8(checkpoint, path, photos=options.calibration_photos, progress=say))
            return
        from export.style_file import export_onnx

        style = export_onnx(checkpoint, path, half=options.half, progress=say)
    _track(style)
    _say_results(style)


def _output_path(checkpoint: Path, output: Path | None, *, int8: bool) -> Path:
    # Not the float file's name: that one stays, for GPUs and to train from.
    name = f"{checkpoint.stem}-int8.onnx" if int8 else f"{checkpoint.stem}.onnx"
    if output is None:
        return checkpoint.with_name(name)
    if output.is_dir():
        return output / name
    if output.suffix != ".onnx":
        raise FastnstError(f"-o {output} is neither a folder that exists nor a file that ends in .onnx")
    return output


def _track(style: ExportedStyle) -> None:
    """Add the file to the wandb run that trained it, if one did."""
    run, folder = style.checkpoint.record.tracking_run, style.checkpoint.path.parent
    if not run:
        return
    try:
        from train.report.tracking import log_model_artifact, ran_beside

        if not ran_beside(run, folder):
            say(f"not added to a wandb run: the files of the run are not in {folder / 'wandb'}")
            return
        say("adding it to the run's artifacts on wandb")
        log_model_artifact(run, folder, style.path)
    except Exception as error:  # noqa: BLE001 - whatever fails there, the style is exported
        say(f"export: warning: not added to the wandb run: {error}")


def _say_results(style: ExportedStyle) -> None:
    checkpoint, record, path = style.checkpoint, style.checkpoint.record, style.path
    preview = checkpoint.path.with_suffix(".png")
    weights = style.metadata[keys.EXPORT_WEIGHTS]
    rows = [("style", f"{path} ({path.stat().st_size / 1e6:.2f} MB, {weights} weights)")]
    rows.append(("checkpoint", f"{checkpoint.path} ({checkpoint.steps:,} steps)"))
    if preview.exists():
        rows.append(("preview", str(preview)))
    losses = record.losses
    shown = {
        name: losses[key]
        for name in ("content", "style")
        for key in (f"train/{name}_loss", f"val/{name}_loss")
        if key in losses
    }
    if shown:
        rows.append(("losses", ", ".join(f"{name} {value:.4g}" for name, value in shown.items())))
    if quality := record.quality:
        lost = "0 is the photo itself, good styles lose 0.3 to 0.7"
        plain = "a plain photo misses 0.4 to 0.9, good styles 0.02 to 0.06"
        if style.metadata.get(keys.MEASURED_ON) == keys.GENERATED:
            lost = plain = "on generated photos: not to be compared with a measure on real ones"
        rows += [
            ("C", f"{quality.content:.3f} content lost: {lost}"),
            ("S3", f"{quality.style:.4f} style missed: {plain}"),
        ]
    else:
        rows.append(("quality", "not measured"))
    error = style.verification.max_abs_error
    rows.append(("error", f"at most {error} of 255 levels away from the network in PyTorch"))
    for heading, text in rows:
        print_result(f"{heading:<10}  {text}")
    if not record.finished:
        say(
            "export: warning: the training is not finished, it was at step "
            f"{checkpoint.steps:,} of {record.max_steps:,}; `make train` goes on from there"
        )
    print_result(f"next: {_next_command(path)}")


def _say_int8(style: QuantizedStyle) -> None:
    before = f", {style.source.stat().st_size / 1e6:.2f} before" if style.source.suffix == ".onnx" else ""
    rows = [
        ("style", f"{style.path} ({style.path.stat().st_size / 1e6:.2f} MB{before}, int8 weights)"),
        ("made of", str(style.source)),
        ("PSNR", f"{style.psnr:.1f} dB to the float network's pictures, where it is least"),
    ]
    for heading, text in rows:
        print_result(f"{heading:<10}  {text}")
    if style.metadata.get(keys.TRAINING_FINISHED) == "false":
        say("export: warning: the training is not finished; `make train` goes on")
    print_result(f"next: {_next_command(style.path)}")


def _next_command(path: Path) -> str:
    """Return the next command; it uses the style's name if the runtime finds this very file by it."""
    model = str(path)
    try:
        if find_style(path.stem).samefile(path):
            model = path.stem
    except (FastnstError, OSError):
        pass
    return f"fastnst stylize --model {shlex.quote(model)} photo.jpg"
