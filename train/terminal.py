"""What a run says: messages on standard error, the checkpoint's path on standard output."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from lightning.pytorch.utilities.rank_zero import rank_zero_only
from tqdm import tqdm


@rank_zero_only
def say(text: str) -> None:
    """Tell the user something, once however many processes train together."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


@rank_zero_only
def print_path(path: Path) -> None:
    """Print the one line of standard output, so that a script can hand it to the export."""
    print(path, flush=True)  # noqa: T201


def set_up_terminal() -> None:
    """Send the log messages of `train` to standard error as plain lines, and keep Lightning's advice off it.

    That advice is for those who write training code; users are told what they need by fastnst.
    """
    log = logging.getLogger("train")
    handler = _AboveTheBar()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers = [handler]
    log.setLevel(logging.INFO if getattr(rank_zero_only, "rank", 0) == 0 else logging.ERROR)
    log.propagate = False
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\.")


if TYPE_CHECKING:
    from typing import TextIO

    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler  # which Python 3.10 cannot index


class _AboveTheBar(_StreamHandler):
    """Messages that come while the progress bar is drawn do not tear it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message on a line of its own."""
        tqdm.write(self.format(record), file=self.stream)
        self.flush()
