"""The terminal output of training: messages on standard error, the checkpoint's path on standard output.

If several processes train together, only the first of them prints. For programs, standard error holds events
in place of the messages: JSON, one object a line, which docs/json.md describes.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastnst.terminal import json_line, one_line, printable
from train.command import print_result, say

# Lightning, torchrun and cluster managers number the processes that they start.
_NUMBERS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")


class _Output:
    has_events = False


def want_events(wanted: bool) -> None:
    """Say whether standard error is for programs: events instead of messages."""
    _Output.has_events = wanted


def has_events() -> bool:
    """Return whether there are events instead of messages."""
    return _Output.has_events


def tell(event: str, *, by_all: bool = False, **fields: Any) -> bool:
    """Print an event, if there are events.

    Args:
        event: What happened.
        by_all: Whether each of the processes that train together prints it, and not only the first.
        fields: More of it, in JSON's types; a number that is not finite becomes null.

    Returns:
        Whether there are events; otherwise the caller prints a message.
    """
    if _Output.has_events and (by_all or is_first_process()):
        say(json_line({"event": event, **{name: _finite(value) for name, value in fields.items()}}))
    return _Output.has_events


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def say_once(line: str) -> None:
    """Print a line on standard error, once for all processes that train together."""
    if is_first_process() and not tell("message", text=one_line(line)):
        say(line)


def print_path(path: Path) -> None:
    """Print the one line of standard output, which a script hands to the export, once for all processes."""
    if is_first_process():
        print_result(path)


def clock(seconds: float) -> str:
    """Return a duration as people read it: `0:05`, `12:30`, `3:02:10`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def set_up_terminal() -> None:
    """Print the log messages of `train` on standard error as plain lines, and hide Lightning's advice.

    Lightning's advice is for authors of training code; fastnst tells users what they need to know.
    """
    log = logging.getLogger("train")
    handler = _AboveTheBar()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers = [handler]
    log.setLevel(logging.INFO if is_first_process() else logging.ERROR)
    log.propagate = False
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\.")


def is_first_process() -> bool:
    """Return whether this process is the first, or the only one, of those that train together."""
    return not any(int(os.environ.get(number) or 0) for number in _NUMBERS)


if TYPE_CHECKING:
    from typing import TextIO

    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler  # which Python 3.10 cannot index


class _AboveTheBar(_StreamHandler):
    """Write messages above the progress bar, not into it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message on a line of its own."""
        if tell("message", text=one_line(self.format(record))):
            return
        from tqdm import tqdm  # which --help need not wait for

        tqdm.write(printable(self.format(record)), file=sys.stderr)
        sys.stderr.flush()
