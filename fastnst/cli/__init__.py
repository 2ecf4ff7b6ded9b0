"""The command `fastnst`.

Only click is imported here: a command imports what it needs when it runs, so that `--help` comes at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from fastnst.cli.freeze import freeze
from fastnst.cli.info import info
from fastnst.cli.one_line import complain
from fastnst.cli.serve import serve
from fastnst.cli.sheet import sheet
from fastnst.cli.styles import styles
from fastnst.cli.stylize import stylize
from fastnst.cli.video import video
from fastnst.cli.web import web
from fastnst.cli.webcam import webcam
from fastnst.errors import INTERRUPTED, MISTAKE, FastnstError
from fastnst.interruption import end_if_interrupted, handle_stop_signals
from fastnst.terminal import lost_output, set_up_streams
from fastnst.version import __version__


class _OneLineErrors(click.Group):
    """A command group: an error is one line and exit code 2, an interruption exit code 130."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = False,  # the search for images expands patterns
        **extra: Any,
    ) -> Any:
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(
                args,
                "fastnst",
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                **extra,
            )
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx is not None else "fastnst"
            complain(f"{error.format_message().rstrip('.')} ({command} --help says more)")
            code = MISTAKE
        except (FastnstError, click.ClickException) as error:
            complain(error.format_message() if isinstance(error, click.ClickException) else str(error))
            code = MISTAKE
        except click.Abort:
            click.echo("fastnst: interrupted", err=True)
            code = INTERRUPTED
        except MemoryError:
            complain("not enough memory: give a smaller image")
            code = MISTAKE
        except OSError as error:
            # Such as a full disk under standard output, whose buffer must not be flushed again at exit.
            complain(f"{error.filename or 'the output cannot be written'}: {error.strerror or error}")
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - open until the process ends
            code = MISTAKE
        code = code if isinstance(code, int) else 0
        if (lost := lost_output()) is not None:
            complain(f"the output cannot be written: {lost.strerror or lost}")
            code = code or MISTAKE
        sys.exit(code)


_EXAMPLES = """\b
Examples:
  fastnst styles                               the available styles
  fastnst stylize -m kandinsky photo.jpg       writes photo.kandinsky.jpg
  fastnst stylize --style art.jpg photo.jpg    by any painting, without training
  fastnst stylize -m wave photos/ -o painted/  every image in a folder
  fastnst sheet photo.jpg                      the photo in every style, in one picture
  fastnst video -m wave clip.mp4               writes clip.wave.mp4
  fastnst info kandinsky                       what a style file is
  fastnst web -o site/                         a page that paints in the browser
  fastnst serve                                the page and an API, painting on this machine
"""


@click.group(
    cls=_OneLineErrors,
    epilog=_EXAMPLES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", message="fastnst %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Paint any photo in a painting's style with one ONNX file, in one forward pass."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


cli.add_command(stylize)
cli.add_command(sheet)
cli.add_command(video)
cli.add_command(webcam)
cli.add_command(freeze)
cli.add_command(web)
cli.add_command(serve)
cli.add_command(info)
cli.add_command(styles)


def main() -> None:
    """Run the command line, as the installed command `fastnst` does."""
    # NumPy's OpenBLAS starts a thread for each core when it is imported, which costs more than all that these
    # commands compute with it: products with 3x3 matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    set_up_streams()
    handle_stop_signals()
    try:
        cli.main()
    except SystemExit as error:
        end_if_interrupted(error.code if isinstance(error.code, int) else MISTAKE)
        raise
