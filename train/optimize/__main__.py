"""Stylise one photo without training a style: `python -m train.optimize --content a.jpg --style b.jpg`.

PyTorch is imported only once there is something to do: --help and mistakes come at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import typing
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fastnst.errors import INTERRUPTED, FastnstError
from fastnst.image.encode import encode_image, output_format
from fastnst.image.file import Picture, read_image
from fastnst.image.resize import fit
from train.command import CommandParser, print_result, run_command, say, write_result
from train.config import (
    DEFAULT_STYLE_LAYERS,
    DEFAULT_STYLE_WEIGHT,
    LEAST_SIZE,
    MOST_NAME_BYTES,
    MOST_SIZE,
    LossNetworkName,
    TrainingConfig,
)
from train.machine.out_of_memory import advise_on_memory
from train.terminal import clock

if TYPE_CHECKING:
    from train.loss.perceptual_loss import PerceptualLoss

_DESCRIPTION = """\
Stylise one photo by optimising its pixels (Gatys, Ecker, Bethge 2016): slow, but needs no trained
style. Options that python -m train has too have the same defaults. Ctrl-C ends it early and keeps the
picture so far.
"""
_EXAMPLES = """\
examples:
  python -m train.optimize --content photo.jpg --style wave.jpg     writes photo-wave.png
  python -m train.optimize --content photo.jpg --style wave.jpg --size 256 --steps 60
  python -m train.optimize --content photo.jpg --style wave.jpg --style-weight 30 -o strong.png
"""

# Options that training has too take their defaults and ranges from it.
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(TrainingConfig)}
_SHARED = (
    "style",
    "style_size",
    "style_weight",
    "content_weight",
    "tv_weight",
    "repetition_weight",
    "content_layers",
    "style_layers",
    "style_layer_weights",
    "style_scales",
    "loss_network",
    "loss_network_weights",
    "seed",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Stylise a photo.

    Args:
        arguments: The command line without the program; None takes the process's.

    Returns:
        The exit code: 0 for a finished picture, 2 for a mistake, 130 when interrupted.
    """
    return run_command("optimize", lambda: _optimize(_parse(arguments)))


@dataclass(frozen=True)
class _Options:
    content: Path
    output: Path
    size: int
    steps: int
    start: str
    device: str
    config: TrainingConfig  # of the loss


def _parser() -> CommandParser:
    parser = CommandParser("train.optimize", _DESCRIPTION, examples=_EXAMPLES, allow_abbrev=False)
    add = parser.add_argument

    def add_shared(option: str, **settings: Any) -> None:
        add(option, default=_DEFAULTS[option.strip("-").replace("-", "_")], **settings)

    add("--content", type=Path, required=True, metavar="FILE", help="the photo")
    add("--style", type=Path, required=True, metavar="FILE", help="the painting")
    add("-o", "--output", type=Path, metavar="FILE", help="file or folder; CONTENT-STYLE.png by default")
    add("--steps", type=int, default=200, metavar="N", help="iterations of L-BFGS (%(default)s)")
    size = _DEFAULTS["quality_size"]
    add("--size", type=int, default=size, metavar="N", help="longer side of the result (%(default)s)")
    add_shared("--style-size", type=int, metavar="N", help="longer side of the painting (%(default)s)")
    weight = DEFAULT_STYLE_WEIGHT
    add(
        "--style-weight",
        type=float,
        default=weight,
        metavar="X",
        help="how strongly the style counts (%(default)s)",
    )
    add_shared(
        "--content-weight", type=float, metavar="X", help="how strongly the photo counts (%(default)s)"
    )
    add_shared("--tv-weight", type=float, metavar="X", help="weight of the total variation (%(default)s)")
    add_shared(
        "--repetition-weight",
        type=float,
        metavar="X",
        help="weight of the term against lattices (%(default)s)",
    )
    content_layers = ",".join(typing.cast("tuple[str, ...]", _DEFAULTS["content_layers"]))
    add_shared("--content-layers", type=_layers, metavar="A,B", help=f"content layers ({content_layers})")
    style_layers = "; ".join(f"{name} {','.join(names)}" for name, names in DEFAULT_STYLE_LAYERS.items())
    add_shared("--style-layers", type=_layers, metavar="A,B", help=f"style layers ({style_layers})")
    add_shared(
        "--style-layer-weights",
        type=_numbers,
        metavar="X,Y",
        help="a weight for each style layer (all equal)",
    )
    add_shared(
        "--style-scales",
        type=_whole_numbers,
        metavar="1,A,B",
        help="factors by which the style term reduces the images (1,2,4)",
    )
    networks = typing.get_args(LossNetworkName)
    add_shared("--loss-network", choices=networks, help="the network that compares the images (%(default)s)")
    add_shared(
        "--loss-network-weights", type=Path, metavar="FILE", help="its weights, instead of the download"
    )
    add(
        "--start",
        choices=("photo", "noise"),
        default="photo",
        help="start from the photo, or from noise as in the paper",
    )
    add_shared("--seed", type=int, metavar="N", help="seed of the noise (%(default)s)")
    add(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        default="auto",
        help="auto takes the best one available",
    )
    return parser


def _layers(text: str) -> tuple[str, ...]:
    # With or without the brackets that `python -m train` shows.
    return tuple(name.strip() for name in text.strip("[]").split(",") if name.strip())


def _whole_numbers(text: str) -> tuple[int, ...]:
    numbers = _numbers(text)
    if any(number != int(number) for number in numbers):
        raise argparse.ArgumentTypeError(f"must be whole numbers with commas between them, got {text}")
    return tuple(map(int, numbers))


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, _layers(text)))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be numbers with commas between them, got {text}") from None


def _parse(arguments: Sequence[str] | None) -> _Options:
    given = _parser().parse_args(arguments)
    if given.steps < 1:
        raise FastnstError(f"--steps must be at least 1, got {given.steps}")
    if not LEAST_SIZE <= given.size <= MOST_SIZE:
        raise FastnstError(f"--size must be from {LEAST_SIZE} to {MOST_SIZE}, got {given.size}")
    # The name would be that of the trained style.
    config = TrainingConfig(name="optimize", **{name: getattr(given, name) for name in _SHARED})
    output = _output_path(given.content, given.style, given.output)
    return _Options(given.content, output, given.size, given.steps, given.start, given.device, config)


def _output_path(content: Path, style: Path, output: Path | None) -> Path:
    """Return the file to write, after checking now what would otherwise cost the result in the end."""
    name = f"{content.stem}-{style.stem}.png"
    if len(os.fsencode(name)) > MOST_NAME_BYTES and (output is None or output.is_dir()):
        raise FastnstError("the names of photo and painting are too long for one name: give one with -o")
    path = Path(name) if output is None else output / name if output.is_dir() else output
    output_format(path.suffix)
    if not path.parent.is_dir():
        raise FastnstError(f"there is no folder {path.parent} to write {path.name} to: make it first")
    if not os.access(path.parent, os.W_OK):
        raise FastnstError(f"the folder {path.parent} cannot be written to: choose another with -o")
    if path.is_dir():
        raise FastnstError(f"{path} is a folder: choose another name with -o")
    for source in (content, style):
        if path.exists() and source.exists() and path.samefile(source):
            raise FastnstError(f"the result would replace {source}: choose another name with -o")
    return path


def _optimize(options: _Options) -> int:
    """Stylise the photo and write the result; return the exit code."""
    with advise_on_memory(("--size", options.size), ("--style-size", options.config.style_size)):
        content = _read_content(options.content, options.size)
        say("loading PyTorch")
        return _optimize_picture(options, content)


def _read_content(path: Path, size: int) -> Picture:
    # Pillow warns of damage that it can read past, as in EXIF; the picture is what counts.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = read_image(path, first_frame=True)
    height, width = picture.pixels.shape[:2]
    resized = fit((width, height), size)
    pixels, alpha = (
        None
        if values is None
        else np.array(Image.fromarray(values).resize(resized, Image.Resampling.LANCZOS))
        for values in (picture.pixels, picture.alpha)
    )
    assert pixels is not None
    return Picture(pixels, alpha, icc_profile=picture.icc_profile)


def _optimize_picture(options: _Options, picture: Picture) -> int:
    import torch
    import torch._dynamo  # its seconds would otherwise count as the optimizer's first step, which imports it

    from train.image_tensor import image_to_tensor, tensor_to_image
    from train.machine.freed_memory import keep_freed_memory
    from train.optimize.pixels import optimize_pixels
    from train.optimize.progress import OptimizationProgress, describe

    device = _device(options.device)
    if device == "cpu":
        keep_freed_memory()
    config, loss = _loss(options.config, device)
    content = image_to_tensor(picture.pixels).to(device)
    start = None
    if options.start == "noise":
        # Drawn on the CPU: a seed gives the same noise on every device.
        generator = torch.Generator().manual_seed(options.config.seed)
        start = torch.rand(content.shape, generator=generator).to(device)
    height, width = picture.pixels.shape[:2]
    say(f"{width}x{height} px, {options.steps} steps, {config.loss_network}, {device}")
    progress = OptimizationProgress(options.steps)
    interrupted = False
    try:
        optimize_pixels(loss, content, steps=options.steps, start=start, on_step=progress.show)
    except KeyboardInterrupt:
        if progress.last is None or progress.last.number == 0:
            raise
        interrupted = True
    finally:
        progress.close()
    assert progress.last is not None
    number, losses, image = progress.last
    encoded = encode_image(picture.painted(tensor_to_image(image)), output_format(options.output.suffix))
    write_result(options.output, lambda temporary: temporary.write_bytes(encoded))
    how = "interrupted, but the picture is saved" if interrupted else "done"
    say(f"{how}: step {number} of {options.steps}, {describe(losses)}, {clock(progress.seconds)}")
    print_result(options.output)
    return INTERRUPTED if interrupted else 0


def _device(name: str) -> str:
    from train.machine.precision import resolve_accelerator

    try:
        return resolve_accelerator(name)
    except FastnstError as error:  # which names training's option
        raise FastnstError(str(error).replace("--accelerator", "--device")) from error


def _loss(config: TrainingConfig, device: str) -> tuple[TrainingConfig, PerceptualLoss]:
    """Return the options, with `auto` replaced by the network that it chose, and the loss."""
    from train.loss.choice import load_loss_network, make_loss
    from train.loss.painting import load_painting

    painting = load_painting(config.style, config.style_size)
    config, features = load_loss_network(config, say)
    return config, make_loss(config, painting, features, device)


if __name__ == "__main__":
    sys.exit(main())
