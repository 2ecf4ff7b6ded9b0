"""`fastnst info`: what a style file is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from fastnst.cli.model_options import model_options
from fastnst.cli.one_line import warnings_as_lines
from fastnst.model import keys
from fastnst.terminal import printable

if TYPE_CHECKING:
    from fastnst.model.values import ValueRange
    from fastnst.stylizer import Stylizer

_QUALITY = {
    keys.CONTENT_LOST: ("C, content lost", "0 is the photo itself; well-trained styles lose 0.3 to 0.7"),
    keys.STYLE_MISSED: (
        "S3, style missed",
        "an unpainted photo misses 0.4 to 0.9, well-trained styles 0.02 to 0.06",
    ),
    keys.STYLE_MISSED_AT_TRAINED_SIZE: (
        "S, style missed",
        "one scale, the painting as large as in training: not to be compared between styles",
    ),
    keys.FLICKER: (
        "flicker",
        "levels of 255 from frame to frame of a slow pan; the photos themselves have 2",
    ),
}

_ON_GENERATED = "on generated photos: not to be compared with a measure on real ones"

_HEADINGS = {
    keys.STYLE_NAME: "style",
    keys.STYLE_AUTHOR: "author",
    keys.STYLE_LICENCE: "licence",
    keys.STYLE_SHA256: "style image SHA-256",
    keys.STYLE_FROZEN: "frozen, not trained",
    keys.FORMAT: "fastnst format",
    keys.VERSION: "made by fastnst",
    keys.MEASURED_WEIGHTS: "C and S3 measured with",
    keys.EXPORT_WEIGHTS: "weights",
    keys.EXPORT_MAX_ABS_ERROR: "greatest export error",
    keys.EXPORT_PSNR: "PSNR to float, dB",
}

_GROUPS = ("style.", "quality.", "network.", "training.", "export.", "fastnst.")
"""The metadata of a fastnst style, in the order in which it is shown."""

_EXAMPLES = """\b
Examples:
  fastnst info kandinsky
  fastnst info downloads/candy-9.onnx --json
"""


@click.command(short_help="Show what a style file is.", epilog=_EXAMPLES)
@click.argument("model", metavar="STYLE")
@model_options
@click.option("--device", default="auto", show_default=True, metavar="DEVICE", help="As for fastnst stylize.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all of the model's metadata.")
def info(model: str, input_range: str | None, bgr: bool | None, device: str, as_json: bool) -> None:
    """Show what STYLE, a style's name or an ONNX file, is: its origin, training, quality, input and output.

    For a model from elsewhere, it shows the layout, range and size that fastnst detected, or was told.
    """
    from fastnst.stylizer import Stylizer

    with warnings_as_lines():
        stylizer = Stylizer(model, device=device, input_range=input_range, bgr=bgr)
    click.echo(json.dumps(_as_json(stylizer), indent=2) if as_json else "\n".join(_as_lines(stylizer)))


def _as_json(stylizer: Stylizer) -> dict[str, Any]:
    model = stylizer.model
    return {
        "name": stylizer.name,
        "path": str(stylizer.path),
        "bytes": stylizer.path.stat().st_size,
        "made_by_fastnst": keys.FORMAT in stylizer.metadata,
        "input": str(model.input),
        "output": str(model.output),
        "range": _numbers(model.input_range),
        "channels": _order(model.input_bgr),
        "output_range": _numbers(model.output_range),
        "output_channels": _order(model.output_bgr),
        "crop": list(model.crop),
        "fixed_size": [model.input.height, model.input.width],
        "providers": list(stylizer.providers),
        "metadata": stylizer.metadata,
    }


def _as_lines(stylizer: Stylizer) -> list[str]:
    from fastnst.model.session import device_name

    model, metadata = stylizer.model, stylizer.metadata
    is_own = keys.FORMAT in metadata
    rows: list[tuple[str, str]] = [
        ("file", str(stylizer.path)),
        ("kind", "a fastnst style" if is_own else "a style model that fastnst did not make"),
    ]
    rows += [_row(key, metadata) for key in sorted(metadata, key=_group)]
    rows += [("input", str(model.input)), ("output", str(model.output))]
    if not is_own:
        rows.append(("found", _found(stylizer)))
    rows += [
        ("size", f"{stylizer.path.stat().st_size / 1e6:.2f} MB"),
        ("runs on", ", ".join(device_name(provider) for provider in stylizer.providers)),
    ]
    # The file's author wrote the keys and the values.
    rows = [(printable(heading, 60), printable(" ".join(value.split()), 1000)) for heading, value in rows]
    width = max(len(heading) for heading, _ in rows)
    return [f"{heading:<{width}}  {value}" for heading, value in rows]


def _group(key: str) -> int:
    return next((place for place, prefix in enumerate(_GROUPS) if key.startswith(prefix)), len(_GROUPS))


def _row(key: str, metadata: Mapping[str, str]) -> tuple[str, str]:
    value = metadata[key]
    if key in _QUALITY:
        heading, explanation = _QUALITY[key]
        if metadata.get(keys.MEASURED_ON) == keys.GENERATED:
            explanation = _ON_GENERATED
        return heading, f"{value} ({explanation})"
    is_own = _group(key) < len(_GROUPS)
    return _HEADINGS.get(key, key.replace(".", " ").replace("_", " ") if is_own else key), value


def _found(stylizer: Stylizer) -> str:
    model = stylizer.model
    fixed = model.input.height or model.input.width
    given = f"values {model.input_range}, {_order(model.input_bgr)}"
    gives = f"values {model.output_range}, {_order(model.output_bgr)}"
    found = [given if given == gives else f"takes {given}; gives {gives}"]
    if fixed:
        found.append("fixed size: images are scaled to fit and the result is scaled back")
    elif model.multiple == 0:
        found.append("any size: the result is resized")
    elif model.multiple > 1:
        found.append(f"any size: images are padded to multiples of {model.multiple}")
    else:
        found.append("any size")
    if model.crop != (0, 0):
        rows, columns = (abs(crop) for crop in model.crop)
        what = "crops, so images are extended by" if max(model.crop) > 0 else "adds and loses again"
        found.append(f"{what} {rows} rows and {columns} columns")
    return ", ".join(found)


def _order(bgr: bool) -> str:
    return "BGR" if bgr else "RGB"


def _numbers(value_range: ValueRange) -> list[Any]:
    """Return black and white: numbers, or lists of those of red, green and blue if they differ."""
    ends = (value_range.black, value_range.white)
    return [colours[0] if len(set(colours)) == 1 else list(colours) for colours in ends]
