"""`fastnst stylize`: paint images."""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from fastnst.cli.device_options import device_options
from fastnst.cli.json_lines import JsonLines, json_option
from fastnst.cli.one_line import complain, note, print_result, warnings_as_lines
from fastnst.cli.painter_options import PainterOptions, painter_options
from fastnst.cli.progress import Progress, TileProgress
from fastnst.errors import MISTAKE, FastnstError
from fastnst.terminal import is_closed, lost_output

if TYPE_CHECKING:
    from fastnst.files.lanes import Lanes, Paint
    from fastnst.files.plan import Plan, Task
    from fastnst.files.shard import Shard
    from fastnst.image.file import Picture
    from fastnst.painter import Painter


_EXAMPLES = """\b
Examples:
  fastnst stylize -m kandinsky photo.jpg
  fastnst stylize --style painting.jpg photo.jpg
  fastnst stylize --style wave.jpg:0.7 --style scream.jpg:0.3 photo.jpg
  fastnst stylize -m wave.onnx photos/ "more/*.png" -o painted/
  fastnst stylize -m wave -r albums/ -o painted/
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
@click.option(
    "--quality", default=95, show_default=True, metavar="1-100", help="Quality of JPEG, WebP and AVIF."
)
@click.option("-r", "--recursive", is_flag=True, help="Search folders with all the folders in them.")
@click.option("--overwrite", is_flag=True, help="Replace results that exist.")
@click.option(
    "--shard", metavar="PART/PARTS", help="Paint one part of the images, as 3/64; other machines the others."
)
@click.option(
    "--first-frame", is_flag=True, help="Take the first frame of animations, the first page of TIFFs."
)
@click.option("--max-pixels", type=int, metavar="N", help="Refuse larger images.  [default: 400000000]")
@click.option(
    "--tile", type=int, metavar="PIXELS", help="Paint in tiles.  [default: where memory demands it]"
)
@json_option
@device_options
def stylize(
    images: tuple[str, ...],
    painter: PainterOptions,
    output: str | None,
    suffix: str | None,
    quality: int,
    recursive: bool,
    overwrite: bool,
    shard: str | None,
    first_frame: bool,
    max_pixels: int | None,
    tile: int | None,
    as_json: bool,
    device: str,
    threads: int | None,
) -> None:
    """Paint each IMAGE in a style.

    An IMAGE is a file, a folder of images, a pattern such as "*.jpg", or - for standard input. photo.jpg
    becomes photo.STYLE.jpg in the same folder (photo.STYLE+STYLE.jpg for several styles), with exactly its
    size, colour profile, resolution, EXIF and transparency. With --recursive, -o keeps the tree: a/b/x.jpg
    becomes OUTPUT/b/x.STYLE.jpg for the IMAGE a.

    Nothing is replaced without --overwrite. Among several images, those whose result exists are skipped, so
    that the same command continues after an interruption, and several runs of it share the work. A line says
    if an image is newer than its result.

    With --shard 3/64 and the same arguments otherwise, a machine paints the third of 64 parts of the same
    images. All parts together paint exactly what one run does, and each continues by itself.

    Each line of output is a result, a tab, and the milliseconds that painting took. An image that fails
    gets a line on stderr, the others are painted, and the exit code is 2. With --json, each image is one
    line: its status (painted, skipped or failed), image, result, style, milliseconds and reason; the last
    line, of status summary, counts them.
    """
    from fastnst.files.shard import Shard
    from fastnst.image.encode import output_format
    from fastnst.image.file import MAX_PIXELS

    if not 1 <= quality <= 100:
        raise FastnstError(f"--quality must be 1 to 100, not {quality}")
    if max_pixels is not None and max_pixels < 1:
        raise FastnstError(f"--max-pixels must be at least 1, not {max_pixels}")
    if suffix is not None:
        suffix = f".{suffix.lower().lstrip('.')}"
        output_format(suffix)
    if shard is not None and ("-" in images or output == "-"):
        raise FastnstError("- stands for one image, which has no parts: leave --shard out")
    options = _Options(
        painter=painter,
        output=output,
        suffix=suffix,
        quality=quality,
        recursive=recursive,
        overwrite=overwrite,
        shard=None if shard is None else Shard.parse(shard),
        first_frame=first_frame,
        max_pixels=max_pixels or MAX_PIXELS,
        tile=tile,
        as_json=as_json,
        device=device,
        threads=threads,
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
    recursive: bool
    overwrite: bool
    shard: Shard | None
    first_frame: bool
    max_pixels: int
    tile: int | None
    as_json: bool
    device: str
    threads: int | None

    def open_painter(self, on_progress: Callable[[float], None] | None = None) -> Painter:
        return self.painter.open(
            device=self.device, threads=self.threads, tile=self.tile, on_progress=on_progress
        )

    def lanes(self, painter: Painter, pictures: int) -> Lanes | None:
        """Return the threads that paint small pictures at the same time, if there are enough of them."""
        from fastnst.files.lanes import Lanes, lanes_for

        count = lanes_for(pictures, self.threads)
        single = painter.with_one_thread() if count else None
        if single is None:
            return None
        return Lanes(
            count, _painted_over(single), lambda height, width: single.fit_together(height, width, count)
        )

    def lines(self) -> JsonLines | None:
        return JsonLines("image", self.painter.result_name()) if self.as_json else None

    def read(self, source: Path | BinaryIO) -> Picture:
        from fastnst.image.file import read_image

        return read_image(source, max_pixels=self.max_pixels, first_frame=self.first_frame, has_option=True)


def _painted_over(painter: Painter) -> Paint:
    # The photo is no longer needed: a large picture is painted over it.
    return lambda pixels: painter(pixels, out=pixels)


def _stylize_pipe(images: Sequence[str], options: _Options) -> None:
    """Paint one image from standard input, to standard output, or both."""
    from fastnst.files.result import result_exists, write_result
    from fastnst.image.encode import encode_image, output_format, result_format

    if len(images) > 1:
        raise FastnstError("- stands for one image: give one image alone")
    from_stdin = images[0] == "-"
    result = None if options.output in (None, "-") else Path(str(options.output))
    suffix = options.suffix
    if from_stdin and sys.stdin.isatty():
        raise FastnstError("standard input is a terminal: pipe an image into it, or name a file")
    if result is None:
        if options.as_json:
            raise FastnstError(
                "standard output takes the picture, which leaves no place for --json: give -o FILE"
            )
        if is_closed(1):
            raise FastnstError("standard output is closed: give -o FILE")
        if sys.stdout.isatty():
            raise FastnstError("standard output is a terminal: redirect it, or give -o FILE")
    elif result.is_dir():
        raise FastnstError(f"{result} is a folder: for standard input, -o names a file")
    elif result.exists() and not options.overwrite:
        raise FastnstError(result_exists(result))
    else:
        suffix = suffix or result.suffix
        output_format(suffix)
    paint = _painted_over(options.open_painter())
    lines = options.lines()
    alone = lines.one_alone(images[0], result) if lines is not None and result is not None else None
    with alone or contextlib.nullcontext():
        picture = options.read(sys.stdin.buffer if from_stdin else Path(images[0]))
        start = time.perf_counter()
        painted = picture.painted(paint(picture.pixels))
        milliseconds = 1000 * (time.perf_counter() - start)
        data = encode_image(painted, result_format(picture, suffix), quality=options.quality)
        if result is not None:
            write_result(result, data, replace=options.overwrite)
            if lines is None:
                print_result(result, f"{milliseconds:.0f} ms")
            else:
                lines.outcome("painted", images[0], result, milliseconds=milliseconds)
            return
    stream = sys.stdout.buffer
    try:
        stream.write(data)
        stream.flush()
        if (lost := lost_output()) is not None:
            raise lost
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader has gone, which is its own business
            raise
        raise FastnstError(f"standard output cannot be written: {error.strerror or error}") from None


def _stylize_files(images: Sequence[str], options: _Options) -> None:
    """Paint files, folders and patterns, each image for itself."""
    from fastnst.files.batch import Outcome, paint_batch
    from fastnst.files.plan import SHEET, plan_results
    from fastnst.files.result import result_exists
    from fastnst.image.encode import encode_image, output_format
    from fastnst.style_library import list_styles

    plan = plan_results(
        images,
        options.painter.result_name(),
        output=options.output,
        suffix=options.suffix,
        overwrite=options.overwrite,
        recursive=options.recursive,
        styles={SHEET, *(style.name for style in list_styles())},
        shard=options.shard,
    )
    _say_what_is_skipped(plan)
    lines = options.lines()
    is_part = options.shard is not None
    is_one = not is_part and len(plan.tasks) + len(plan.problems) + len(plan.done) == 1
    if is_one and plan.problems:
        problem = plan.problems[0]
        if lines is not None:
            lines.outcome("failed", problem.source, reason=problem.line)
            lines.summary(not_done=0, seconds=0)
        raise FastnstError(problem.line)
    for problem in plan.problems:
        complain(problem.line)
    # A model that does not load is an error of the whole command, even if no image is left to paint.
    painter = options.open_painter(TileProgress() if len(plan.tasks) == 1 else None)
    _remove_partial_results([*plan.tasks, *plan.done])
    if lines is not None:
        _list_what_is_not_painted(plan, lines)

    def encode(task: Task, painted: Picture) -> bytes:
        file_format = output_format(options.suffix or task.result.suffix)
        return encode_image(painted, file_format, quality=options.quality)

    count, done, failed = len(plan.tasks), len(plan.done), len(plan.problems)
    with Progress(count, done=done, failed=failed, lines=lines, is_part=is_part) as progress:

        def report(outcome: Outcome) -> None:
            task, error = outcome.task, outcome.error
            if outcome.is_skipped and is_one:
                error = result_exists(task.result)
            if error is not None:
                progress.failure(task, error)
            elif outcome.is_skipped:
                progress.skipped(task)
            else:
                progress.painted(task, outcome.milliseconds)

        def wait(task: Task) -> None:
            if is_one:
                progress.failure(task, f"{task.result} is being painted by another run: wait for it")
            note(f"waits for another run, which is painting {task.result}")

        paint_batch(
            plan.tasks,
            _painted_over(painter),
            read=options.read,
            encode=encode,
            report=report,
            replace=options.overwrite,
            on_wait=wait,
            lanes=options.lanes(painter, count),
        )
    if progress.failed:
        click.get_current_context().exit(MISTAKE)


def _say_what_is_skipped(plan: Plan) -> None:
    if plan.skipped:
        first = f"{plan.skipped[0]}{', ...' if len(plan.skipped) > 1 else ''}"
        note(f"skipped {len(plan.skipped)} that are earlier results ({first})")
    if plan.unread:
        from fastnst.image.formats import count_formats

        count = len(plan.unread)
        note(f"left out {count:,} that fastnst does not read ({count_formats(plan.unread)})")
    if plan.outdated:
        first = f"{plan.outdated[0].result}{', ...' if len(plan.outdated) > 1 else ''}"
        note(
            f"{len(plan.outdated)} of the results that exist are older than their images ({first}): "
            "--overwrite paints them again"
        )


def _list_what_is_not_painted(plan: Plan, lines: JsonLines) -> None:
    for problem in plan.problems:
        lines.outcome("failed", problem.source, reason=problem.line)
    for image in plan.skipped:
        lines.outcome("skipped", image, reason="it is an earlier result")
    for image in plan.unread:
        lines.outcome("skipped", image, reason="fastnst does not read its format")
    outdated = set(plan.outdated)
    for task in plan.done:
        reason = "its result exists, and is older than it" if task in outdated else "its result exists"
        lines.outcome("skipped", task.source, task.result, reason=reason)


def _remove_partial_results(tasks: Sequence[Task]) -> None:
    """Delete partial files that a killed run left of these results."""
    from fastnst.atomic_write import remove_partial_writes

    stems: dict[Path, set[str]] = {}
    for task in tasks:
        stems.setdefault(task.result.parent, set()).add(task.result.stem)
    for folder, names in stems.items():
        with contextlib.suppress(OSError):  # it is not there yet, or writing to it will say what is wrong
            remove_partial_writes(folder, names)
