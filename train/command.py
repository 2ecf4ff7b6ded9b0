"""The skeleton of the argparse commands: parser, errors in one line, exit codes, results written whole."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from fastnst.atomic_write import atomic_write, remove_partial_writes
from fastnst.errors import INTERRUPTED, MISTAKE, FastnstError
from fastnst.parent_process import stop_with_parent
from fastnst.terminal import lost_output, one_line, printable, set_up_streams

_OUR_PACKAGES = ("fastnst", "train", "export")


class CommandParser(argparse.ArgumentParser):
    """A parser that raises a mistake as a `FastnstError` of one line.

    Args:
        module: The module's name, as `python -m` takes it.
        description: Shown above the options, with its line breaks.
        examples: Shown below the options, with its line breaks.
        allow_abbrev: Whether long options may be abbreviated.
    """

    def __init__(
        self, module: str, description: str, *, examples: str | None = None, allow_abbrev: bool = True
    ) -> None:
        super().__init__(
            prog=f"python -m {module}",
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=allow_abbrev,
        )

    def error(self, message: str) -> NoReturn:
        """Raise the mistake."""
        raise FastnstError(f"{message} ({self.prog} --help says more)")


def run_command(name: str, command: Callable[[], int | None]) -> int:
    """Run a command to its exit code.

    Args:
        name: Precedes the error messages.
        command: Returns the exit code, or None for 0. A `FastnstError` or Ctrl-C becomes one line.

    Returns:
        The exit code: the command's own, 2 for a mistake, 130 when interrupted, 1 if the reader of
        standard output has gone.
    """
    stop_with_parent()
    set_up_streams()
    try:
        code = command() or 0
        if (lost := lost_output()) is not None:
            say(f"{name}: error: the output cannot be written: {lost.strerror or lost}")
            code = code or MISTAKE
        return code
    except FastnstError as error:
        say(f"{name}: error: {one_line(error)}")
        return MISTAKE
    except KeyboardInterrupt:
        say(f"{name}: interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the results has gone: Python must not flush to it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        say(f"{name}: error: {describe_os_error(error)}")
        return MISTAKE


def describe_os_error(error: OSError) -> str:
    """Return one line of what the system could not do, such as open a file whose name is too long.

    Args:
        error: Raised by the system.

    Raises:
        OSError: The error itself, if it says neither a file nor that the disk is full.
    """
    if is_full(error):
        return f"the disk is full{f': cannot write {error.filename}' if error.filename else ''}"
    if error.filename is None or error.strerror is None:
        raise error
    return f"{error.strerror}: {' '.join(str(error.filename).split())}"


def is_full(error: BaseException) -> bool:
    """Return whether an error says that there is no room left: on the disk, in a quota, or in a file."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def naming_missing_packages(work: str) -> Iterator[None]:
    """Turn the import of a package that is not installed into a mistake.

    Args:
        work: The activity that needs the package, such as `exporting`.

    Raises:
        FastnstError: If an import in the block fails for that reason.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _OUR_PACKAGES:
            raise  # a mistake in fastnst itself
        raise FastnstError(f"{work} needs {error.name}, which is not installed: make install") from error


def write_result(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole, or leave what is there as it is; delete what killed processes left of it.

    Args:
        path: The file.
        write: Takes the path of a temporary file and writes to it.

    Raises:
        FastnstError: If the file cannot be written.
    """
    try:
        remove_partial_writes(path.parent, path.stem)
        with atomic_write(path) as temporary:
            write(temporary)
    except OSError as error:
        raise FastnstError(f"cannot write {path}: {error.strerror or error}") from error


def say(line: str) -> None:
    """Print a line on standard error: it stays on the terminal when the results are redirected."""
    print(printable(line), file=sys.stderr, flush=True)  # noqa: T201 - the terminal is this module's business


def print_result(line: object) -> None:
    """Print a line of the result on standard output."""
    print(printable(line), flush=True)  # noqa: T201 - as above
