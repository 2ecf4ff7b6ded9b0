"""What commands print: cleaned of what others wrote into it, to streams that may be closed or full."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from typing import Any

# Control characters, which move the cursor or start an escape sequence, and what ends or turns a line.
_UNPRINTABLE = [
    *range(0x20),
    *range(0x7F, 0xA0),
    0x061C,
    *range(0x200E, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    0xFEFF,  # a byte order mark, which is not seen
]
_ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _UNPRINTABLE} | {
    ord(character): repr(character)[1:-1] for character in "\n\r\t"
}

# A video may have any number of tracks and attachments with names of any length.
_MOST_OF_A_LINE = 1500


def printable(text: object, most: int | None = None) -> str:
    r"""Return text as one line that does nothing to a terminal but show.

    Names of files and styles, metadata and messages of libraries come from outside: an escape sequence or a
    newline in them could hide, fake or overwrite lines. Control characters and those that turn the direction
    of writing become visible, as `\x1b` and `\n`.

    Args:
        text: Any text.
        most: The greatest length of the line; what is longer ends in an ellipsis.
    """
    shown = str(text) if most is None else str(text)[: most + 1]
    line = shown.translate(_ESCAPES)
    return line if most is None or len(line) <= most else f"{line[: most - 3]}..."


def one_line(message: object) -> str:
    """Return a message as one printable line, of at most 1,500 characters; its line breaks become spaces."""
    return printable(
        " ".join(line.strip() for line in str(message).splitlines() if line.strip()), _MOST_OF_A_LINE
    )


def json_line(value: object) -> str:
    """Return a value as one line of JSON, in ASCII without control characters.

    A file's name that is no text keeps its bytes, as Python's surrogates.

    Raises:
        ValueError: If it has a number that JSON cannot hold, such as infinity.
    """
    return json.dumps(value, allow_nan=False).replace("\x7f", "\\u007f")


class _Output(io.FileIO):
    """Standard output or standard error, which goes on where nothing can be written to it any more.

    Attributes:
        error: The first error of writing.
    """

    error: OSError | None = None

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError as error:
            if error.errno == errno.EPIPE and self.fileno() == 1:
                raise  # its reader has gone, and wants no more
            self.error = self.error or error
            return len(data)


_was_closed: set[int] = set()


def set_up_streams() -> None:
    """Let a command work with any standard stream closed or full; called before it opens anything.

    What is closed is opened to nothing: Python has None in its place, and the next file that is opened would
    take its number, and get what libraries print. What cannot be written to standard error is lost; what
    cannot be written to standard output is noted for `lost_output`.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            os.set_inheritable(number, True)
            _was_closed.add(number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115, PTH123
            _was_closed.add(number)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        raw = _raw(stream)
        # Not a console of Windows, and nothing that a test or another program put there.
        if isinstance(stream, io.TextIOWrapper) and type(raw) is io.FileIO and raw.fileno() == number:
            stream.flush()
            output: Any = _Output(number, "w", closefd=False)
            wrapped = io.TextIOWrapper(
                output if raw is stream.buffer else io.BufferedWriter(output),  # as PYTHONUNBUFFERED has it
                encoding=stream.encoding,
                # A file's name that is no text comes out as it is, but for a terminal.
                errors="backslashreplace" if number == 2 or stream.isatty() else "surrogateescape",
                line_buffering=stream.line_buffering,
                write_through=raw is stream.buffer,
            )
            setattr(sys, name, wrapped)


def _raw(stream: Any) -> Any:
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)


def is_closed(number: int) -> bool:
    """Return whether a standard stream (0, 1 or 2) was closed when the command started."""
    return number in _was_closed


def lost_output() -> OSError | None:
    """Return why standard output could not be written since the last call, or None."""
    raw = _raw(sys.stdout)
    if not isinstance(raw, _Output):
        return None
    sys.stdout.flush()
    error, raw.error = raw.error, None
    return error
