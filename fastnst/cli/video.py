"""`fastnst video`: paint videos."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastnst.cli.device_options import device_options
from fastnst.cli.json_lines import JsonLines, json_option
from fastnst.cli.one_line import complain, note, print_result, warnings_as_lines
from fastnst.cli.painter_options import PainterOptions, painter_options
from fastnst.errors import FastnstError
from fastnst.interruption import raise_if_interrupted
from fastnst.terminal import printable

if TYPE_CHECKING:
    from fastnst.files.plan import Task
    from fastnst.painter import Painter

_EXAMPLES = """\b
Examples:
  fastnst video -m wave clip.mp4
  fastnst video -m kandinsky clip.mov --stabilize --reduce 720
  fastnst video --blend kandinsky:0.7,wave:0.3 clip.mp4 --preserve-color
  fastnst video -m wave.onnx "clips/*.mp4" -o painted/
"""


@click.command(short_help="Paint videos in a style.", epilog=_EXAMPLES)
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO...")
@painter_options
@click.option(
    "-o", "--output", metavar="PATH", help="The result's file, or the folder.  [default: beside each video]"
)
@click.option("--stabilize", is_flag=True, help="Reduce flicker, following the motion in the video.")
@click.option("--reduce", type=int, metavar="PIXELS", help="Reduce the video's longer side to this.")
@click.option(
    "--crf",
    default=18,
    show_default=True,
    metavar="0-51",
    help="x264's quality; lower is better, in a larger file.",
)
@click.option("--overwrite", is_flag=True, help="Replace results that exist.")
@json_option
@device_options
def video(
    videos: tuple[str, ...],
    painter: PainterOptions,
    output: str | None,
    stabilize: bool,
    reduce: int | None,
    crf: int,
    overwrite: bool,
    as_json: bool,
    device: str,
    threads: int | None,
) -> None:
    """Paint each VIDEO in a style.

    clip.mp4 becomes clip.STYLE.mp4 in the same folder (clip.STYLE+STYLE.mp4 for several styles), in H.264 and
    upright, with its frame times, colour tags, audio, subtitles, chapters and metadata. mp4, m4v, mov and mkv
    keep their format, others become mp4. Nothing is replaced without --overwrite.

    Until it is complete, the result is called clip.STYLE.partial.mp4. That file plays as far as it goes, and
    stays if the command is interrupted. Each line of output is a result, a tab, and its frames and frames per
    second. With --json, each video is one line: its status (painted or failed), video, result, style,
    milliseconds, frames and reason; the last line, of status summary, counts them.
    """
    if not 0 <= crf <= 51:
        raise FastnstError(f"--crf must be 0 to 51, not {crf}")
    if reduce is not None and reduce < 16:
        raise FastnstError(f"--reduce must be at least 16, not {reduce}")
    from fastnst.files.video_plan import plan_videos
    from fastnst.style_library import list_styles
    from fastnst.video.imports import import_av, import_cv2

    import_av()
    if stabilize:
        import_cv2()
    with warnings_as_lines():
        style = painter.result_name()
        styles = {style, *(found.name for found in list_styles())}
        tasks, problems = plan_videos(videos, style, output=output, overwrite=overwrite, styles=styles)
        lines = JsonLines("video", style) if as_json else None
        total = len(tasks) + len(problems)
        is_one = total == 1
        # A model that does not load is an error of the whole command, even if no video is left to paint.
        paint = None if is_one and problems else painter.open(device=device, threads=threads)
        start = time.monotonic()
        try:
            for problem in problems:
                _fail(problem.source, problem.line, lines, is_one=is_one)
            failed = len(problems)
            for task in tasks:
                assert paint is not None
                try:
                    _stylize(task, paint, lines, stabilize, reduce, crf, overwrite)
                except FastnstError as error:
                    raise_if_interrupted()
                    failed += 1
                    _fail(str(task.source), str(error), lines, is_one=is_one, result=task.result)
        finally:
            if lines is not None:
                lines.summary(not_done=total - lines.count, seconds=time.monotonic() - start)
    if failed:
        raise FastnstError(f"{failed} of {total} could not be done; the lines above say why")


def _fail(
    source: str, reason: str, lines: JsonLines | None, *, is_one: bool, result: Path | None = None
) -> None:
    """Say that a video could not be painted, or raise it if there is no other."""
    if lines is not None:
        lines.outcome("failed", source, result, reason=reason, frames=None)
    if is_one:
        raise FastnstError(reason)
    complain(reason)


def _stylize(
    task: Task,
    painter: Painter,
    lines: JsonLines | None,
    stabilize: bool,
    reduce: int | None,
    crf: int,
    overwrite: bool,
) -> None:
    from fastnst.video.partial import partial_path
    from fastnst.video.pipeline import stylize_video
    from fastnst.video.reader import VideoReader
    from fastnst.video.stabilizer import Stabilizer

    start = time.perf_counter()
    if stabilize:
        painter = painter.for_video()
    with VideoReader(task.source, size=reduce) as source:
        progress = _Progress(task.source.name, source.frame_count)
        try:
            with progress:
                frames = stylize_video(
                    source,
                    task.result,
                    painter,
                    stabilizer=Stabilizer() if stabilize else None,
                    crf=crf,
                    overwrite=overwrite,
                    on_shot=painter.begin_shot,
                    on_frame=progress.count,
                )
        except BaseException:
            partial = partial_path(task.result)
            if progress.frames and partial.exists():
                note(f"what is done of it plays in {partial}")
            raise
    seconds = time.perf_counter() - start
    if lines is None:
        print_result(task.result, f"{frames} frames, {frames / seconds:.1f} fps")
    else:
        lines.outcome("painted", task.source, task.result, milliseconds=1000 * seconds, frames=frames)


class _Progress:
    """Counts frames; on a terminal, shows them with frames per second and the time left."""

    def __init__(self, name: str, count: int) -> None:
        self.frames = 0
        self._start = time.perf_counter()
        self._bar: Any = (
            click.progressbar(
                length=count,
                label=printable(name),
                show_pos=True,
                item_show_func=lambda _: f"{self.frames / (time.perf_counter() - self._start):.1f} fps",
                file=sys.stderr,
            )
            if count and sys.stderr.isatty()
            else None
        )

    def __enter__(self) -> _Progress:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._bar is not None:
            self._bar.__exit__(*exception)

    def count(self) -> None:
        self.frames += 1
        if self._bar is not None:
            self._bar.update(1)
