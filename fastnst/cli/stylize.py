"""`fastnst stylize`: paint images."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from fastnst.cli.one_line import complain, warnings_as_lines
from fastnst.cli.painter_options import PainterOptions, painter_options
from fastnst.errors import FastnstError

if TYPE_CHECKING:
    from fastnst.image_file import Picture
    from fastnst.painter import Painter


_EXAMPLES = """\b
Examples:
  fastnst stylize -m kandinsky photo.jpg
  fastnst stylize -m wave.onnx photos/ "more/*.png" -o painted/
  fastnst stylize -m the_scream photo.jpg -o scream.png --device cpu
  fastnst stylize -m wave photo.jpg --strength 0.7 --preserve-color
  fastnst stylize --region wave=sky.png --region kandinsky=city.png photo.jpg
  curl -s https://example.org/photo.jpg | fastnst stylize -m wave - > wave.jpg
"""


@click.command(short_help="Paint images in a style.", epilog=_EXAMPLES)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@painter_options
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="The result's file, or the folder for results; - is stdout.  [default: beside each image]",
)
@click.option(
    "--format", "suffix", metavar="FORMAT", help="jpg, png, webp, tiff, bmp or avif.  [default: as the image]"
)
@click.option("--quality", default=95, show_default=True, metavar="1-100", help="Of JPEG, WebP and AVIF.")
@click.option("--overwrite", is_flag=True, help="Replace results that exist.")
@click.option(
    "--first-frame", is_flag=True, help="Take the first frame of animations, the first page of TIFFs."
)
@click.option("--max-pixels", type=int, metavar="N", help="Refuse larger images.  [default: 25000000]")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="DEVICE",
    help="auto, cpu, gpu, cuda, cuda:1, tensorrt, migraphx, rocm, directml, openvino or coreml.",
)
@click.option("--threads", type=int, metavar="N", help="CPU threads.  [default: one a core]")
def stylize(
    images: tuple[str, ...],
    painter: PainterOptions,
    output: str | None,
    suffix: str | None,
    quality: int,
    overwrite: bool,
    first_frame: bool,
    max_pixels: int | None,
    device: str,
    threads: int | None,
) -> None:
    """Paint each IMAGE in a style.

    An IMAGE is a file, a folder of images, a pattern such as "*.jpg", or - for standard input. photo.jpg
    becomes photo.STYLE.jpg beside it (of several styles, photo.STYLE+STYLE.jpg), of exactly its size, with
    its colour profile, resolution, EXIF and transparency. Nothing is replaced without --overwrite.

    Each line of output is a result, a tab, and the milliseconds that painting took. An image that cannot
    be done gets a line on stderr, the others are done, and the exit code is 2.
    """
    from PIL import Image

    from fastnst.image_file import MAX_PIXELS, output_format

    if not 1 <= quality <= 100:
        raise FastnstError(f"--quality must be 1 to 100, not {quality}")
    if max_pixels is not None and max_pixels < 1:
        raise FastnstError(f"--max-pixels must be at least 1, not {max_pixels}")
    if suffix is not None:
        suffix = f".{suffix.lower().lstrip('.')}"
        output_format(suffix)
    # Pillow's own limit gives way to --max-pixels, which is checked before anything is decoded.
    Image.MAX_IMAGE_PIXELS = None
    options = _Options(
        painter, output, suffix, quality, overwrite, first_frame, max_pixels or MAX_PIXELS, device, threads
    )
    with warnings_as_lines():
        if "-" in images or output == "-":
            _stylize_pipe(images, options)
        else:
            _stylize_files(images, options)


@dataclass(frozen=True)
class _Options:
    painter: PainterOptions
    output: str | None
    suffix: str | None
    quality: int
    overwrite: bool
    first_frame: bool
    max_pixels: int
    device: str
    threads: int | None

    def open_painter(self) -> Painter:
        return self.painter.open(device=self.device, threads=self.threads)

    def read(self, source: Path | BinaryIO) -> Picture:
        from fastnst.image_file import read_image

        return read_image(source, max_pixels=self.max_pixels, first_frame=self.first_frame)


def _stylize_pipe(images: Sequence[str], options: _Options) -> None:
    """Paint one image from standard input, to standard output, or both."""
    from fastnst.image_file import WRITABLE_SUFFIXES, encode_image, output_format

    if len(images) > 1:
        raise FastnstError("- stands for one image: give one image alone")
    from_stdin = images[0] == "-"
    result = None if options.output in (None, "-") else Path(str(options.output))
    suffix = options.suffix
    if from_stdin and sys.stdin.isatty():
        raise FastnstError("standard input is a terminal: pipe an image into it, or name a file")
    if result is None:
        if sys.stdout.isatty():
            raise FastnstError("standard output is a terminal: redirect it, or give -o FILE")
    elif result.is_dir():
        raise FastnstError(f"{result} is a folder: for standard input, -o names a file")
    elif result.exists() and not options.overwrite:
        raise FastnstError(f"{result} exists: --overwrite replaces it, -o writes elsewhere")
    else:
        suffix = suffix or result.suffix
        output_format(suffix)
    paint = options.open_painter()
    picture = options.read(sys.stdin.buffer if from_stdin else Path(images[0]))
    painted, milliseconds = _paint(paint, picture)
    own_format = picture.format if picture.format in WRITABLE_SUFFIXES.values() else "PNG"
    data = encode_image(
        painted, own_format if suffix is None else output_format(suffix), quality=options.quality
    )
    if result is not None:
        _write(result, data)
        click.echo(f"{result}\t{milliseconds:.0f} ms")
        return
    stream = sys.stdout.buffer
    try:
        stream.write(data)
        stream.flush()
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader has gone, which is its own business
            raise
        raise FastnstError(f"standard output cannot be written: {error.strerror or error}") from None


def _stylize_files(images: Sequence[str], options: _Options) -> None:
    """Paint files, folders and patterns, each image for itself."""
    from fastnst.image_file import encode_image, output_format
    from fastnst.result_plan import plan_results
    from fastnst.style_library import list_styles

    plan = plan_results(
        images,
        options.painter.result_name(),
        output=options.output,
        suffix=options.suffix,
        overwrite=options.overwrite,
        styles={style.name for style in list_styles()},
    )
    total = len(plan.tasks) + len(plan.problems)
    if plan.skipped:
        first = f"{plan.skipped[0]}{', ...' if len(plan.skipped) > 1 else ''}"
        click.echo(f"fastnst: skipped {len(plan.skipped)} that are earlier results ({first})", err=True)
    if len(plan.problems) == total == 1:
        raise FastnstError(plan.problems[0])
    for problem in plan.problems:
        complain(problem)
    failed = len(plan.problems)
    # A model that does not load is the whole command's error, also where no image is left to do.
    paint = options.open_painter()
    with _Progress(len(plan.tasks)) as progress:
        for task in plan.tasks:
            try:
                painted, milliseconds = _paint(paint, options.read(task.source), task.source)
                file_format = output_format(options.suffix or task.result.suffix)
                _write(task.result, encode_image(painted, file_format, quality=options.quality))
            except FastnstError as error:
                if total == 1:
                    raise
                failed += 1
                progress.print(f"fastnst: error: {error}", error=True)
            else:
                progress.print(f"{task.result}\t{milliseconds:.0f} ms")
            progress.count()
    if failed:
        raise FastnstError(f"{failed} of {total} could not be done; the lines above say why")


def _paint(paint: Painter, picture: Picture, source: Path | None = None) -> tuple[Picture, float]:
    start = time.perf_counter()
    try:
        pixels = paint(picture.pixels)
    except FastnstError as error:
        raise FastnstError(f"{source}: {error}" if source else str(error)) from None
    return picture.painted(pixels), 1000 * (time.perf_counter() - start)


def _write(path: Path, data: bytes) -> None:
    from fastnst.atomic_write import atomic_write

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FastnstError(
                f"{path} cannot be written, the disk is full: free {len(data):,} bytes"
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise FastnstError(
                f"{path} cannot be written, {path.parent} is read-only: give -o FOLDER"
            ) from None
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise FastnstError(f"{path} cannot be written, {path.parent} is not a folder") from None
        raise FastnstError(f"{path} cannot be written: {error.strerror or error}") from None


class _Progress:
    """Prints lines and counts images, around a bar where there are many and stderr is a terminal."""

    def __init__(self, count: int) -> None:
        hidden = count < 2 or not sys.stderr.isatty()
        self._bar = None if hidden else click.progressbar(length=count, show_pos=True, file=sys.stderr)

    def __enter__(self) -> _Progress:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._bar is not None:
            self._bar.__exit__(*exception)

    def print(self, line: str, *, error: bool = False) -> None:
        if self._bar is not None:
            # The line takes the bar's place; counting the image draws the bar again, below.
            click.echo("\r\x1b[K", nl=False, err=True)
        click.echo(line, err=error)

    def count(self) -> None:
        if self._bar is not None:
            self._bar.update(1)
            self._bar.render_progress()
