"""Judge a style file on photos: `python -m train.evaluate`.

PyTorch is imported only once there is something to judge: --help and mistakes come at once.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastnst.errors import FastnstError
from fastnst.model.metadata import read_metadata
from fastnst.style_library import find_style
from train.command import (
    CommandParser,
    naming_missing_packages,
    print_result,
    run_command,
    say,
    write_result,
)
from train.config import GENERATED_DATA, LEAST_SIZE, MOST_SIZE

if TYPE_CHECKING:
    from train.evaluate.evaluation import DirectOptimization, Evaluation

_SUFFIXES = (".jpg", ".jpeg", ".png")
_STANDARD_OUTPUT = Path("-")

_DESCRIPTION = """\
Judge a style: how much of the photos it loses (C), how much of the painting it misses (S3), and how much
there is of what spoils a picture. The photos are those that training on the same data holds out; the style is
any ONNX file that `fastnst stylize` runs.
"""
_EXAMPLES = """\
examples:
  python -m train.evaluate --model kandinsky --style kandinsky.jpg --data train2017/
  python -m train.evaluate --model other.onnx --style udnie.jpg --data photos/ --json udnie.json
  python -m train.evaluate --model udnie --style udnie.jpg --data photos/ --json | jq .quality.style
"""

# Training's errors name training's options.
_OUR_OPTIONS = {"--accelerator": "--device", "--loss-network-weights": "--quality-weights"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge a style.

    Args:
        arguments: The command line without the program; None takes the process's.

    Returns:
        The exit code: 0 for a judged style, 2 for a mistake, 130 when interrupted.
    """

    def evaluate_style() -> None:
        options = _parser().parse_args(arguments)
        picture = _picture_path(options.output)
        if options.json not in (None, _STANDARD_OUTPUT):
            _check_folder("--json", options.json)
        try:
            _evaluate(options, picture)
        except FastnstError as error:
            text = str(error)
            for theirs, ours in _OUR_OPTIONS.items():
                text = text.replace(theirs, ours)
            raise FastnstError(text) from error

    return run_command("evaluate", evaluate_style)


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, got {text}")
        return value

    return read


def _parser() -> CommandParser:
    parser = CommandParser("train.evaluate", _DESCRIPTION, examples=_EXAMPLES)
    add = parser.add_argument
    add("--model", required=True, metavar="STYLE", help="the style: an ONNX file, or a name")
    add("--style", required=True, type=Path, metavar="PAINTING", help="the painting: an image file")
    add(
        "--data",
        required=True,
        metavar="PHOTOS",
        help="a folder, a data set of the Hugging Face hub, or generated",
    )
    add(
        "--photos",
        type=_whole_number(1, 10_000),
        default=8,
        metavar="N",
        help="how many (8); training holds out 8 unless told otherwise and has seen all others, except in a "
        "data set with a validation split",
    )
    add(
        "--size",
        type=_whole_number(LEAST_SIZE, MOST_SIZE),
        default=512,
        metavar="N",
        help="their longer side (512)",
    )
    add(
        "--style-size",
        type=_whole_number(LEAST_SIZE, MOST_SIZE),
        metavar="N",
        help="the painting's longer side; by default as in the style's training, or 384",
    )
    add(
        "-o",
        "--output",
        type=Path,
        default=Path("evaluation.jpg"),
        metavar="FILE",
        help="the picture of painting, photos and stylised photos (evaluation.jpg)",
    )
    add(
        "--json",
        type=Path,
        nargs="?",
        const=_STANDARD_OUTPUT,
        metavar="FILE",
        help="print all numbers as JSON in place of the table; with FILE, write them there besides the table",
    )
    add("--quality-weights", type=Path, metavar="FILE", help="VGG-19 weights to use instead of the download")
    add(
        "--direct-steps",
        type=_whole_number(0, 100_000),
        default=0,
        metavar="MOST",
        help="count the steps in which optimising the pixels of a photo of 256 px reaches the style's loss, "
        "up to MOST; each takes about a second on a CPU core (0: do not)",
    )
    add("--direct-photos", type=_whole_number(1, 10_000), default=2, metavar="N", help="on how many (2)")
    add(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        default="auto",
        help="where the loss network runs (auto: the best at hand)",
    )
    return parser


def _picture_path(output: Path) -> Path:
    if output.is_dir():
        return output / "evaluation.jpg"
    if output.suffix.lower() not in _SUFFIXES:
        raise FastnstError(
            f"-o {output} is neither a folder nor a file that ends in {' or '.join(_SUFFIXES)}"
        )
    _check_folder("-o", output)
    return output


def _check_folder(option: str, path: Path) -> None:
    if path.is_dir():
        raise FastnstError(f"{option} {path} is a folder")
    if not path.parent.is_dir():
        raise FastnstError(f"{option} {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise FastnstError(f"{option} {path}: the folder {path.parent} cannot be written to")


def _check_nothing_is_replaced(options: argparse.Namespace, picture: Path, model: Path) -> None:
    outputs = [("-o", picture)]
    if options.json not in (None, _STANDARD_OUTPUT):
        outputs.append(("--json", options.json))
    for option, output in outputs:
        for source in (options.style, model, options.quality_weights):
            if source is not None and _is_same_file(output, source):
                raise FastnstError(f"{option} {output} would replace {source}: choose another name")
    if len(outputs) == 2 and _is_same_file(picture, options.json):
        raise FastnstError(f"-o and --json are one file, {picture}: choose another name for one of them")


def _is_same_file(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _evaluate(options: argparse.Namespace, picture: Path) -> None:
    # Mistakes that can be found without PyTorch come first.
    from fastnst.arbitrary.frozen_files import find_or_freeze, is_painting

    model = Path(options.model) if is_painting(options.model) else find_style(options.model)
    if not options.style.is_file():
        raise FastnstError(f"there is no painting {options.style}: give the path of an image")
    _check_nothing_is_replaced(options, picture, model)
    read_metadata(find_or_freeze(options.model))
    say("loading PyTorch")
    with naming_missing_packages("evaluating"):
        from fastnst.cli.one_line import warnings_as_lines
        from train.evaluate.evaluation import Request, evaluate
        from train.terminal import set_up_terminal
    set_up_terminal()
    if options.data == GENERATED_DATA:
        say("C and S3 on generated photos are not to be compared with those on real ones")
    with warnings_as_lines():
        evaluation = evaluate(
            Request(
                model=options.model,
                style=options.style,
                data=options.data,
                photos=options.photos,
                size=options.size,
                style_size=options.style_size,
                quality_weights=options.quality_weights,
                direct_steps=options.direct_steps,
                direct_photos=options.direct_photos,
                device=options.device,
            )
        )
    numbers = json.dumps(_finite(evaluation.to_dict()), indent=2, allow_nan=False) + "\n"
    if options.json == _STANDARD_OUTPUT:
        write_result(picture, lambda temporary: evaluation.picture.save(temporary, quality=92))
        sys.stdout.write(numbers)
        return
    for line in _table(evaluation):
        print_result(line)
    write_result(picture, lambda temporary: evaluation.picture.save(temporary, quality=92))
    print_result(f"picture  {picture}")
    if options.json is not None:
        write_result(options.json, lambda temporary: temporary.write_text(numbers, encoding="utf-8"))
        print_result(f"numbers  {options.json}")


def _finite(value: Any) -> Any:
    """Return the value with null for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(evaluation: Evaluation) -> list[str]:
    ours, photo = evaluation.quality, evaluation.photo_quality
    spoilt, before = evaluation.artefacts, evaluation.photo_artefacts
    brush = f"the painting at {evaluation.style_size} px"
    rows = [
        _row("C, content lost", ours.content, photo.content, ".4f", "0: the photo itself"),
        *_parts(ours.content_by_layer, photo.content_by_layer),
        _row("S3, style missed", ours.style, photo.style, ".4f", "0: the painting's style"),
        *_parts(ours.style_by_scale, photo.style_by_scale, "at 1/{}"),
        _row("S, one scale", ours.style_at_trained_size, photo.style_at_trained_size, ".4f", brush),
        *_parts(ours.style_by_layer, photo.style_by_layer),
        _row(
            "flicker", ours.flicker, photo.flicker, ".1f", "levels of 255, from frame to frame of a slow pan"
        ),
    ]
    notes = {
        "checkerboard": (".2f", "1: no peaks at periods of 2 and 4 px"),
        "dots": (".0f", "in a megapixel of what is flat in the photo"),
        "repetition": (".2f", "0 to 1: a lattice in what is flat in the photo"),
        "coarse_repetition": (".2f", "the same in pictures reduced 2 and 4 times"),
        "frame_colour": (".2f", "1: none along the borders"),
        "frame_contrast": (".2f", "1: none along the borders"),
        "colour_distance": (".1f", "in CIELAB, 0: the painting's own colours"),
    }
    rows += [
        _row(name.replace("_", " "), getattr(spoilt, name), getattr(before, name), form, note)
        for name, (form, note) in notes.items()
    ]
    heading = f"{evaluation.model} ({evaluation.megabytes:.2f} MB), painting of {evaluation.style_size} px"
    photos = f"{ours.photos} photo{'s' if ours.photos > 1 else ''} of {ours.size} px"
    lines = [heading, photos, f"{'':<19}{'stylised':>9}{'photo':>9}", *rows]
    if evaluation.direct is not None:
        lines.append(_direct_line(evaluation.direct))
    return lines


def _row(name: str, value: float | None, reference: float | None, form: str, note: str = "") -> str:
    shown = ["-" if number is None else f"{number:{form}}" for number in (value, reference)]
    return f"{name:<19}{shown[0]:>9}{shown[1]:>9}  {note}".rstrip()


def _parts(ours: Mapping[Any, float], photo: Mapping[Any, float], name: str = "{}") -> list[str]:
    return [_row(f"  {name.format(part)}", value, photo[part], ".4f") for part, value in ours.items()]


def _direct_line(direct: DirectOptimization) -> str:
    needed = ", ".join(f"more than {direct.most}" if steps is None else str(steps) for steps in direct.steps)
    return f"direct optimisation reaches the style's loss in steps: {needed} ({direct.size} px)"


if __name__ == "__main__":
    sys.exit(main())
