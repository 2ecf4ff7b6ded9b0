"""`fastnst video`: paint videos."""

from __future__ import annotations

import glob
import os
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastnst.cli.device_options import device_options
from fastnst.cli.one_line import complain, warnings_as_lines
from fastnst.cli.painter_options import PainterOptions, painter_options
from fastnst.errors import FastnstError

if TYPE_CHECKING:
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
@click.option("--stabilize", is_flag=True, help="Take the flicker out, along the motion in the video.")
@click.option("--reduce", type=int, metavar="PIXELS", help="Reduce the video's longer side to this.")
@click.option(
    "--crf", default=18, show_default=True, metavar="0-51", help="x264's; less is better and larger."
)
@click.option("--overwrite", is_flag=True, help="Replace results that exist.")
@device_options
def video(
    videos: tuple[str, ...],
    painter: PainterOptions,
    output: str | None,
    stabilize: bool,
    reduce: int | None,
    crf: int,
    overwrite: bool,
    device: str,
    threads: int | None,
) -> None:
    """Paint each VIDEO in a style.

    clip.mp4 becomes clip.STYLE.mp4 beside it (of several styles, clip.STYLE+STYLE.mp4), in H.264, upright,
    with its frame times, colour tags, audio, subtitles, chapters and metadata. mp4, m4v, mov and mkv stay
    what they are, others become mp4. Nothing is replaced without --overwrite.

    Until it is whole it is called clip.STYLE.partial.mp4. That plays as far as it goes and stays when the
    command is interrupted. Each line of output is a result, a tab, and its frames and frames a second.
    """
    if not 0 <= crf <= 51:
        raise FastnstError(f"--crf must be 0 to 51, not {crf}")
    if reduce is not None and reduce < 16:
        raise FastnstError(f"--reduce must be at least 16, not {reduce}")
    from fastnst.style_library import list_styles
    from fastnst.video.imports import import_av, import_cv2

    import_av()
    if stabilize:
        import_cv2()
    with warnings_as_lines():
        style = painter.result_name()
        tasks, problems = _plan(
            videos, style, output, overwrite, {style, *(found.name for found in list_styles())}
        )
        total = len(tasks) + len(problems)
        if len(problems) == total == 1:
            raise FastnstError(problems[0])
        for problem in problems:
            complain(problem)
        failed = len(problems)
        # A model that does not load is the whole command's error, also where no video is left to do.
        paint = painter.open(device=device, threads=threads)
        for task in tasks:
            try:
                _stylize(task, paint, stabilize, reduce, crf)
            except FastnstError as error:  # noqa: PERF203 - each video for itself
                if total == 1:
                    raise
                failed += 1
                complain(str(error))
    if failed:
        raise FastnstError(f"{failed} of {total} could not be done; the lines above say why")


@dataclass(frozen=True)
class _Task:
    source: Path
    result: Path


def _stylize(task: _Task, painter: Painter, stabilize: bool, reduce: int | None, crf: int) -> None:
    from fastnst.video.pipeline import stylize_video
    from fastnst.video.reader import VideoReader
    from fastnst.video.stabilizer import Stabilizer
    from fastnst.video.writer import partial_path

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
                    on_shot=painter.begin_shot,
                    on_frame=progress.count,
                )
        except BaseException:
            partial = partial_path(task.result)
            if progress.frames and partial.exists():
                click.echo(f"fastnst: what is done of it plays in {partial}", err=True)
            raise
    click.echo(f"{task.result}\t{frames} frames, {frames / (time.perf_counter() - start):.1f} fps")


class _Progress:
    """Counts frames, and shows them with frames a second and the time left where stderr is a terminal."""

    def __init__(self, name: str, count: int) -> None:
        self.frames = 0
        self._start = time.perf_counter()
        self._bar: Any = (
            click.progressbar(
                length=count,
                label=name,
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


def _plan(
    videos: Sequence[str], style: str, output: str | None, overwrite: bool, styles: Collection[str]
) -> tuple[list[_Task], list[str]]:
    """Return what is to be done, and a line for each video that cannot be."""
    from fastnst.files.plan import cannot_become
    from fastnst.video.writer import VIDEO_SUFFIXES

    sources, problems = _find(videos, styles)
    folder, file = None, None
    if output is not None:
        path = Path(output)
        if path.is_dir() or output.endswith(("/", os.sep)):
            folder = path
        elif len(sources) + len(problems) > 1:
            if path.exists() or path.suffix.lower() in VIDEO_SUFFIXES:
                raise FastnstError(f"there are several videos for the one file {path}: give a folder to -o")
            folder = path
        elif path.suffix.lower() not in VIDEO_SUFFIXES:
            raise FastnstError(
                f"cannot write {path.suffix or path.name}: give a name in mp4, m4v, mov or mkv to -o"
            )
        else:
            file = path
    tasks: list[_Task] = []
    taken: dict[Path, Path] = {}
    for source in sources:
        suffix = source.suffix if source.suffix.lower() in VIDEO_SUFFIXES else ".mp4"
        result = file or (folder or source.parent) / f"{source.stem}.{style}{suffix}"
        other = taken.setdefault(result.resolve(), source)
        if other is not source:
            problems.append(f"{source} and {other} would both become {result}: rename one of them")
        elif result.resolve() == source.resolve():
            problems.append(f"{source} would be replaced by its own result: give another name to -o")
        else:
            try:
                problem = _occupied(result, overwrite=overwrite)
            except OSError as error:  # such as a name that is too long, which is this video's alone
                problem = cannot_become(source, result, error)
            if problem is None:
                tasks.append(_Task(source, result))
            else:
                problems.append(problem)
    return tasks, problems


def _occupied(result: Path, *, overwrite: bool) -> str | None:
    """Return what stands in a result's place, as a line, or None."""
    from fastnst.video.writer import partial_path

    # The name that the result has until it is whole must be free as well, and is the longer one.
    for path in (result, partial_path(result)):
        if path.is_dir():
            return f"{path} is a folder: choose another name with -o"
    if result.exists() and not overwrite:
        return f"{result} exists: --overwrite replaces it, -o writes elsewhere"
    return None


def _find(videos: Sequence[str], styles: Collection[str]) -> tuple[list[Path], list[str]]:
    """Return the files that the arguments name, each once, and a line for each that names none.

    A pattern, which is expanded here for shells that do not, leaves out the results of other videos.
    """
    found: dict[Path, Path] = {}
    problems: list[str] = []
    for text in videos:
        try:
            path = Path(text)
            if glob.has_magic(text) and not path.exists():
                matches = [Path(match) for match in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207 - Path.glob takes no absolute pattern
                files = [file for file in matches if file.is_file() and not _is_result(file, styles)]
                if not files:
                    problems.append(f"{text} matches no file")
            else:
                files = [path]
            for file in files:
                if file.is_dir():
                    problems.append(f'{file} is a folder: name the videos in it, as in "{file / "*.mp4"}"')
                elif not file.exists():
                    problems.append(f"{file} does not exist")
                else:
                    found.setdefault(file.resolve(), file)
        except OSError as error:  # noqa: PERF203 - each argument for itself
            problems.append(f"{text} cannot be read: {error.strerror or error}")
    return list(found.values()), problems


def _is_result(path: Path, styles: Collection[str]) -> bool:
    stem, _, style = path.stem.removesuffix(".partial").rpartition(".")
    return bool(stem) and style in styles
