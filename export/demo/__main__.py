"""The first five minutes: a painting, a style trained from it, and photos in five styles on one page.

`python -m export.demo` prints and runs the commands that a user would type, one after the other.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from export.demo.page import render_demo_page
from fastnst.atomic_write import atomic_write
from fastnst.errors import INTERRUPTED, FastnstError
from fastnst.model.metadata import read_metadata
from fastnst.parent_process import STOPS_WITH_PARENT
from fastnst.style_library import list_bundled_styles
from train.command import (
    CommandParser,
    naming_missing_packages,
    print_result,
    run_command,
    say,
    write_result,
)
from train.generated.painting.__main__ import DEFAULT_SEED

# The sample photos in scikit-image's package, all in the public domain or CC0.
_PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")

_OWN_OPTIONS = ("--style", "--name")

_DESCRIPTION = """\
Draw a painting, train a style from it, export it, and paint photos with it and with the styles that come with
fastnst. Nothing is downloaded. Run it again to go on after an interruption.
"""
_EPILOG = """\
Every other option goes to python -m train, such as --images 600 for a quick look.

examples:
  python -m export.demo
  python -m export.demo --seed 12 --strength 7
"""

Run = Callable[[Sequence[str]], int]


class _StoppedError(Exception):
    """A step failed, and has printed why."""

    def __init__(self, code: int) -> None:
        self.code = code


def main(arguments: Sequence[str] | None = None, run: Run | None = None) -> int:
    """Run the demo.

    Args:
        arguments: The command line without the program; None takes the process's.
        run: Runs `python` with the given arguments and returns its exit code; by default in a process whose
            output goes to standard error, since the demo's result is the page.

    Returns:
        The exit code: 0 with a page, 2 for a mistake, 130 when interrupted, else that of the failed step.
    """
    return run_command("demo", lambda: _run(arguments, run or run_python))


def _run(arguments: Sequence[str] | None, run: Run) -> int:
    given, training = _parser().parse_known_args(arguments)
    for option in _OWN_OPTIONS:
        if any(argument.partition("=")[0] == option for argument in training):
            raise FastnstError(f"{option} is the demo's own: make train STYLE=... trains from your painting")
    command = "the same command without FRESH=1 (--fresh)" if "--fresh" in training else "the same command"
    try:
        page = _Demo(given.output, given.seed, tuple(training), run).page()
    except (_StoppedError, KeyboardInterrupt) as stopped:
        code = stopped.code if isinstance(stopped, _StoppedError) else INTERRUPTED
        if code == INTERRUPTED:
            say(f"demo: interrupted: {command} goes on from there")
        elif code < 0:
            raise FastnstError(f"killed by signal {-code}: {command} goes on from there") from stopped
        return code
    print_result(page)
    _open(page)
    return 0


def run_python(arguments: Sequence[str]) -> int:
    """Run `python` with arguments in a process of its own, to its end.

    Ctrl-C reaches that process too: this function waits until it has ended in order.

    Args:
        arguments: What follows `python`.

    Returns:
        Its exit code, or minus the number of the signal that killed it.
    """
    with (
        _ctrl_c_left_to_the_process(),
        subprocess.Popen(  # noqa: S603
            [sys.executable, *arguments],
            env=os.environ | STOPS_WITH_PARENT,
            stdin=subprocess.PIPE,
            stdout=sys.stderr,
        ) as process,
    ):
        return process.wait()


@contextlib.contextmanager
def _ctrl_c_left_to_the_process() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # which the process inherits, as it does not inherit a function
        signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class _Demo:
    folder: Path
    seed: int
    training: tuple[str, ...]
    run: Run

    @property
    def style(self) -> str:
        return f"abstract_{self.seed}"

    def page(self) -> Path:
        """Do the steps that are left, and write the page."""
        started = time.monotonic()
        painting = self.folder / f"painting_{self.seed}.png"
        model, painted = self.folder / f"{self.style}.onnx", self.folder / "painted"
        photos = self._write_photos()
        if not painting.exists():
            self._step("a painting", ["train.generated.painting", "--seed", self.seed, "-o", painting])
        options = ["--style", painting, "--name", self.style, "--output", self.folder]
        rights = ["--style-author", "fastnst", "--style-licence", "free to use"]
        self._step("a style, trained from it", ["train", "--preset=demo", *options, *rights, *self.training])
        self._step(
            "the style as one ONNX file",
            ["export", self.folder / f"{self.style}.ckpt", "--unless-current"],
        )
        bundled = [style.name for style in list_bundled_styles()]
        stylize = ["fastnst", "stylize", photos, "-o", painted]
        # Photos in the bundled styles do not change.
        self._step("photos in this style", [*stylize, "-m", model, "--overwrite"])
        for name in bundled:
            self._step(f"and in the style {name}, which comes with fastnst", [*stylize, "-m", name])
        page = self.folder / "index.html"
        html = render_demo_page(
            painting=painting,
            photos=[photos / f"{photo}.jpg" for photo in _PHOTOS],
            painted=painted,
            model=model,
            styles=[self.style, *bundled],
            metadata=read_metadata(model),
            seed=self.seed,
        )
        write_result(page, lambda temporary: temporary.write_text(html, encoding="utf-8"))
        minutes, seconds = divmod(round(time.monotonic() - started), 60)
        say("")
        say(f"done in {minutes}:{seconds:02}; look at")
        return page

    def _write_photos(self) -> Path:
        """Write the sample photos that are not there yet."""
        with naming_missing_packages("the demo"):
            import skimage.data
        folder = self.folder / "photos"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in _PHOTOS:
                path = folder / f"{name}.jpg"
                if not path.exists():
                    photo = Image.fromarray(getattr(skimage.data, name)())
                    with atomic_write(path) as temporary:
                        photo.save(temporary, "JPEG", quality=90)
        except OSError as error:
            raise FastnstError(f"cannot write to {folder}: {error.strerror or error}") from error
        return folder

    def _step(self, what: str, module: Sequence[object]) -> None:
        arguments = ["-m", *map(str, module)]
        say("")
        say(f"== {what}")
        say(f"$ {shlex.join([_relative(sys.executable), *arguments])}")
        code = self.run(arguments)
        if code:
            raise _StoppedError(code)


def _parser() -> CommandParser:
    parser = CommandParser("export.demo", _DESCRIPTION, examples=_EPILOG, allow_abbrev=False)
    add = parser.add_argument
    add("--seed", type=int, default=DEFAULT_SEED, metavar="N", help="which painting is drawn (%(default)s)")
    add("-o", "--output", type=Path, default=Path("demo"), metavar="FOLDER", help="(%(default)s)")
    return parser


def _open(page: Path) -> None:
    """Open the page in a browser, if someone sits at a screen."""
    has_screen = sys.platform in ("win32", "darwin") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if has_screen and sys.stdin is not None and sys.stdin.isatty():
        webbrowser.open(page.resolve().as_uri())


def _relative(path: str) -> str:
    """Return a path relative to the current folder, if it lies in it."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


if __name__ == "__main__":
    sys.exit(main())
