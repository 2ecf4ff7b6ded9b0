"""`fastnst sheet`: one picture with a photo in every style."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fastnst.cli.device_options import device_options
from fastnst.cli.json_lines import json_option, print_json
from fastnst.cli.one_line import complain, print_result, warnings_as_lines
from fastnst.errors import MISTAKE, FastnstError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fastnst.image.file import Picture

    Pixels = NDArray[np.uint8]

_LEAST_SIZE = 16
_DECODED = 4  # times the size of a cell: more of a large photo would not be seen

_EXAMPLES = """\b
Examples:
  fastnst sheet photo.jpg                          writes photo.sheet.jpg, with every style
  fastnst sheet photo.jpg -m wave -m mine.onnx -o compared.png --size 800
"""


@click.command(short_help="Paint a photo in every style, in one picture.", epilog=_EXAMPLES)
@click.argument("photo", type=click.Path(path_type=Path), metavar="PHOTO")
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    metavar="STYLE",
    help="A style's name or file; may be repeated.  [default: all that fastnst styles lists]",
)
@click.option(
    "-o", "--output", metavar="PATH", help="The picture's file, or its folder.  [default: beside the photo]"
)
@click.option(
    "--size",
    default=480,
    show_default=True,
    metavar="PIXELS",
    help="The longer side at which each style paints; a smaller photo stays as it is.",
)
@click.option("--overwrite", is_flag=True, help="Replace a picture that exists.")
@click.option("--first-frame", is_flag=True, help="Take an animation's first frame, a TIFF's first page.")
@json_option
@device_options
def sheet(
    photo: Path,
    models: tuple[str, ...],
    output: str | None,
    size: int,
    overwrite: bool,
    first_frame: bool,
    as_json: bool,
    device: str,
    threads: int | None,
) -> None:
    """Write one picture with PHOTO in every style, each with its name under it; the photo comes first.

    photo.jpg becomes photo.sheet.jpg in the same folder. A style that does not open gets a line on stderr,
    the others are painted, and the exit code is 2. With --json, the picture is one line: its status
    (painted), image, result, styles, milliseconds, and failed, a list of style and reason.
    """
    from fastnst.atomic_write import remove_partial_writes
    from fastnst.files.result import write_result
    from fastnst.image.encode import encode_image, on_white, output_format
    from fastnst.image.file import Picture, read_image
    from fastnst.image.sheet import compose_sheet

    if size < _LEAST_SIZE:
        raise FastnstError(f"--size must be at least {_LEAST_SIZE}, not {size}")
    result = _result(photo, output, overwrite=overwrite)
    file_format = output_format(result.suffix)
    styles = _styles(models)
    start = time.perf_counter()
    with warnings_as_lines():
        picture = read_image(photo, first_frame=first_frame, reduce_above=(_DECODED * size) ** 2)
        cell, alpha = _cell(picture, size, len(styles))
        pictures, failed = _paint(cell, styles, device, threads)
    if len(styles) == 1 and failed:
        raise FastnstError(failed[0][1])
    for _, reason in failed:
        complain(reason)
    if not pictures:
        raise FastnstError(f"none of the {len(styles)} styles could paint; the lines above say why")
    cells = [(photo.name, cell), *pictures]
    if alpha is not None:
        cells = [(name, on_white(pixels, alpha)) for name, pixels in cells]
    composed = Picture(compose_sheet(cells), icc_profile=picture.icc_profile)
    with contextlib.suppress(OSError):  # writing will say what is wrong with the folder
        remove_partial_writes(result.parent, result.stem)
    write_result(result, encode_image(composed, file_format), replace=overwrite)
    milliseconds = 1000 * (time.perf_counter() - start)
    if as_json:
        line = {
            "status": "painted",
            "image": str(photo),
            "result": str(result),
            "styles": [name for name, _ in pictures],
            "milliseconds": round(milliseconds, 1),
            "failed": [{"style": name, "reason": reason} for name, reason in failed],
        }
        print_json(line, is_written=result)
    else:
        print_result(result, f"{len(pictures)} styles, {milliseconds:.0f} ms")
    if failed:
        click.get_current_context().exit(MISTAKE)


def _result(photo: Path, output: str | None, *, overwrite: bool) -> Path:
    from fastnst.files.plan import SHEET, destination
    from fastnst.files.result import result_exists

    folder, file = destination(output, several=False)
    result = file or (folder or photo.parent) / f"{photo.stem}.{SHEET}.jpg"
    if result.is_dir():
        raise FastnstError(f"{result} is a folder: choose another name with -o")
    if not overwrite and (result.exists() or result.is_symlink()):
        raise FastnstError(result_exists(result))
    if result.exists() and photo.exists() and result.samefile(photo):
        raise FastnstError(f"{photo} would be replaced by its own sheet: give another name to -o")
    return result


def _styles(models: Sequence[str]) -> list[tuple[str, str]]:
    """Return the name that each style is shown by, and what finds it: each style once, in the order given."""
    from fastnst.style_library import list_styles, user_folders

    found = list(dict.fromkeys(models)) or [str(style.path) for style in list_styles()]
    if not found:
        raise FastnstError(
            f"there are no styles at hand: name a file with -m, or put it in {user_folders()[0]}"
        )
    names = [Path(model).name.removesuffix(".onnx") for model in found]
    counts = Counter(names)
    return [
        (name if counts[name] == 1 else str(Path(model).with_suffix("")), model)
        for name, model in zip(names, found, strict=True)
    ]


def _cell(picture: Picture, size: int, count: int) -> tuple[Pixels, Pixels | None]:
    """Return the photo at the size of a cell, and its opacity."""
    import numpy as np
    from PIL import Image

    from fastnst.image.file import MAX_PIXELS
    from fastnst.image.resize import fit
    from fastnst.image.sheet import lay_out_sheet

    height, width = picture.pixels.shape[:2]
    cell = fit((width, height), min(size, max(width, height)))
    across, down = lay_out_sheet(count + 1, cell).size
    if across * down > MAX_PIXELS:
        raise FastnstError(
            f"{count + 1} pictures of {cell[0]}x{cell[1]} are more than {MAX_PIXELS:,} pixels: "
            "give a smaller --size"
        )

    def reduced(pixels: Pixels) -> Pixels:
        if cell == (width, height):
            return pixels
        return np.asarray(Image.fromarray(pixels).resize(cell, Image.Resampling.LANCZOS))

    return reduced(picture.pixels), None if picture.alpha is None else reduced(picture.alpha)


def _paint(
    photo: Pixels, styles: Sequence[tuple[str, str]], device: str, threads: int | None
) -> tuple[list[tuple[str, Pixels]], list[tuple[str, str]]]:
    """Return the name and the painting of each style, and the name and the reason of each that failed."""
    from fastnst.stylizer import Stylizer

    pictures: list[tuple[str, Pixels]] = []
    failed: list[tuple[str, str]] = []
    shows_bar = len(styles) > 1 and sys.stderr.isatty()
    bar = click.progressbar(styles, show_pos=True, file=sys.stderr) if shows_bar else None
    with bar or contextlib.nullcontext(styles) as upcoming:
        for name, model in upcoming:
            try:
                pictures.append((name, Stylizer(model, device=device, threads=threads)(photo)))
            except FastnstError as error:  # noqa: PERF203 - each style for itself
                failed.append((name, str(error)))
    return pictures, failed
