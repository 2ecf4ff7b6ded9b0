"""`fastnst freeze`: a style file of paintings, without training."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from fastnst.cli.one_line import note, print_result, warnings_as_lines
from fastnst.errors import FastnstError
from fastnst.style_library import parse_paintings

_EXAMPLES = """\b
Examples:
  fastnst freeze painting.jpg                      writes painting.onnx
  fastnst freeze wave.jpg:0.7 scream.jpg:0.3 -o both.onnx
  fastnst freeze painting.jpg --style-size 384     a finer brush
"""


@click.command(short_help="Make a style file of a painting, without training.", epilog=_EXAMPLES)
@click.argument("paintings", nargs=-1, required=True, metavar="PAINTING[:WEIGHT]...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The style file, or its folder.  [default: PAINTING.onnx in the current folder]",
)
@click.option(
    "--style-size",
    type=int,
    metavar="PIXELS",
    help="Longer side at which paintings are seen; less is a finer brush.  [default: 768]",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def freeze(paintings: tuple[str, ...], output: Path | None, style_size: int | None, overwrite: bool) -> None:
    """Make an ordinary style file of a PAINTING, or of a mix of several, without training.

    It is what `fastnst stylize --style` paints by. A style that is trained on the painting comes closer to
    it.
    """
    from fastnst.arbitrary.freeze import freeze as frozen
    from fastnst.arbitrary.freeze import name_of, weights_of
    from fastnst.atomic_write import atomic_write

    weights = parse_paintings(paintings)
    path = _path(output, name_of(list(weights_of(weights))))
    exists = FastnstError(f"{path} exists: --overwrite replaces it, -o writes elsewhere")
    if path.exists() and not overwrite:
        raise exists
    with warnings_as_lines():
        content = frozen(weights, style_size=style_size)
    try:
        with atomic_write(path, replace=overwrite) as temporary:
            temporary.write_bytes(content)
    except FileExistsError:
        raise exists from None
    except OSError as error:
        raise FastnstError(f"cannot write {path}: {error.strerror or error}") from None
    print_result(path, f"{len(content) / 1e6:.1f} MB")
    note(f"next: fastnst stylize -m {shlex.quote(str(path))} photo.jpg")


def _path(output: Path | None, name: str) -> Path:
    if output is None:
        return Path(f"{name}.onnx")
    if output.is_dir():
        return output / f"{name}.onnx"
    if output.suffix != ".onnx":
        raise FastnstError(f"-o {output} is neither a folder that exists nor a file that ends in .onnx")
    if not output.parent.is_dir():
        raise FastnstError(f"cannot write {output}: there is no folder {output.parent}")
    return output
