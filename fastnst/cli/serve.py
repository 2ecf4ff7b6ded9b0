"""`fastnst serve`: the page and an API, painting on this machine."""

from __future__ import annotations

import importlib.util
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from fastnst.cli.device_options import device_options
from fastnst.cli.one_line import note, warnings_as_lines
from fastnst.cli.page_options import page_options
from fastnst.errors import FastnstError

if TYPE_CHECKING:
    from fastnst.server.open_styles import OpenStyles
    from fastnst.server.training.trainings import Trainings

_GENERATED = "generated"
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")

_EXAMPLES = """\b
Examples:
  fastnst serve                                   the page, at http://127.0.0.1:8000
  curl --data-binary @photo.jpg -o wave.jpg "http://127.0.0.1:8000/api/v1/stylize?style=wave"
  fastnst serve --host 0.0.0.0 --token SECRET     for other machines, too
"""


@click.command(short_help="Serve the page and an API.", epilog=_EXAMPLES)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    metavar="N",
    help="0: a free one.",
)
@page_options("all that `fastnst styles` lists")
@click.option(
    "--token", envvar="FASTNST_TOKEN", metavar="TEXT", help="What each request must have; or FASTNST_TOKEN."
)
@click.option("--without-token", is_flag=True, help="Let everyone in who reaches --host.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Another name of this server; may be repeated.",
)
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="Let pages of https://ORIGIN use it; may be repeated.",
)
@click.option(
    "--max-megabytes",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    metavar="N",
    help="Of a request.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=60_000_000,
    show_default=True,
    metavar="N",
    help="Of an image.",
)
@click.option(
    "--queue",
    type=click.IntRange(0),
    default=16,
    show_default=True,
    metavar="N",
    help="Paintings that may wait.",
)
@click.option(
    "--at-once", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Paintings that run."
)
@click.option(
    "--time-limit",
    type=click.FloatRange(0, min_open=True),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Of one painting.",
)
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=8,
    show_default=True,
    metavar="SECONDS",
    help="For what is painted when the server ends.",
)
@click.option(
    "--allow-training/--no-training",
    default=None,
    help="Let styles be trained here, which takes the processor for long; with --host, --allow-host or "
    "--allow-origin it needs a --token.  [default: only if none of these is given]",
)
@click.option(
    "--train-data",
    metavar="PHOTOS",
    default="generated",
    show_default=True,
    help="Photos that new styles are trained on: a folder, a data set of the Hugging Face hub, or generated.",
)
@device_options
def serve(
    host: str,
    port: int,
    models: tuple[str, ...],
    examples: tuple[Path, ...],
    token: str | None,
    without_token: bool,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    max_megabytes: int,
    max_pixels: int,
    queue: int,
    at_once: int,
    time_limit: float,
    grace: float,
    allow_training: bool | None,
    train_data: str,
    device: str,
    threads: int | None,
) -> None:
    """Serve the page, which paints on this machine at full size, and an API for other programs.

    POST /api/v1/stylize takes an image and gives the bytes that `fastnst stylize` writes; /api shows all
    parameters and tries them. /metrics is for Prometheus, /healthz for who starts the server.

    Only this machine reaches the server, unless --host names another address, which needs a --token. No file
    and no address that a request names is ever opened.

    With the training environment, the page trains new styles, too (docs/serving.md).

    Ctrl-C and SIGTERM end it, with exit code 0: what waits is refused, what is painted has --grace seconds,
    and a training is saved.
    """
    if missing := [name for name in ("starlette", "uvicorn", "python_multipart") if not _is_installed(name)]:
        raise FastnstError(f'fastnst serve needs {", ".join(missing)}: pip install "fastnst[web]"')
    from fastnst.server.access import AccessRules, checked_origins
    from fastnst.server.application import Application, Limits
    from fastnst.server.body import BodyLimits
    from fastnst.server.serving import Server, address_of, is_local, open_socket
    from fastnst.web.samples import example_photos

    if token is not None and (len(token) < 8 or not token.isascii() or not token.isprintable()):
        raise FastnstError("--token must have at least 8 characters, all of them ASCII")
    try:
        allowed = checked_origins(origins)
    except ValueError as error:
        raise FastnstError(f"--allow-origin: {error}") from None
    with warnings_as_lines(), open_socket(host, port) as listening:
        is_open = not is_local(listening)
        if is_open and token is None and not without_token:
            raise FastnstError(
                f"other machines reach {host}: give --token TEXT, or --without-token to let everyone in"
            )
        is_private = not (is_open or hosts or origins)
        if allow_training and token is None and not is_private:
            raise FastnstError(
                "--allow-training lets whoever reaches the server use its processor for long: give --token"
            )
        trains = is_private if allow_training is None else allow_training
        data = _train_data(train_data) if trains else ""
        styles = _styles(models, device, threads)
        rules = AccessRules(
            hosts=frozenset(name.lower() for name in (*hosts, host)),
            any_address=is_open,
            origins=allowed,
            token=token,
        )
        limits = Limits(BodyLimits(1_000_000 * max_megabytes), max_pixels, queue, at_once, time_limit)
        trainings = _trainings(styles, data) if trains else None
        application = Application(styles, example_photos(examples), rules, limits, trainings)

        def tell() -> None:
            click.echo(address_of(listening) + (f"?token={quote(token)}" if token else ""))
            note(f"serves {len(styles.known())} styles; Ctrl-C ends it")

        Server(application, grace, tell).serve_on(listening)


def _styles(models: tuple[str, ...], device: str, threads: int | None) -> OpenStyles:
    """Return the styles, of which the first is opened now: a device that does not work is said at once."""
    from fastnst.arbitrary.frozen_files import find_or_freeze
    from fastnst.server.open_styles import OpenStyles
    from fastnst.stylizer import Stylizer

    given: dict[str, Path] | None = None
    if models:
        given = {}
        for model in models:
            path = find_or_freeze(model)
            if path.stem in given:
                raise FastnstError(f"two styles are called {path.stem}: rename a file")
            given[path.stem] = path
    open_style = partial(Stylizer, device=device, threads=threads)
    styles = OpenStyles(given, open_style)
    names = list(styles.known())
    if not names:
        raise FastnstError("there are no styles: name one with -m")
    open_style(styles.known()[names[0]])
    return styles


def _train_data(text: str) -> str:
    """Return what `python -m train --data` takes, wherever it is called from."""
    folder = Path(text).expanduser()
    if text not in (_GENERATED, "") and folder.is_dir():
        return str(folder.resolve())
    if text != _GENERATED and not _HUB_ID.fullmatch(text):
        raise FastnstError(f"--train-data: there is no folder {text!r}")
    return text


def _trainings(styles: OpenStyles, data: str) -> Trainings:
    from fastnst.server.training.trainings import Trainings
    from fastnst.style_library import list_styles, user_folders

    def taken() -> set[str]:
        return {*styles.known(), *(style.name for style in list_styles())}

    trainings = Trainings(user_folders()[0], data, taken, on_finished=styles.add)
    for name, path in trainings.trained().items():
        styles.add(name, path)
    return trainings


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
