"""Processes that train together: what the others say when one of them, or its machine, has gone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch.distributed

from fastnst.errors import FastnstError

# Where gloo, which connects processes without GPUs, fails; its errors have no class of their own.
_GLOO = "gloo"


@contextlib.contextmanager
def naming_lost_processes(checkpoint: Path) -> Iterator[None]:
    """Turn the loss of a process that trains with this one into a mistake.

    Args:
        checkpoint: The run's checkpoint file.

    Raises:
        FastnstError: If the connection to another process breaks, or none comes in time; it says what the run
            goes on from.
    """
    try:
        yield
    except (RuntimeError, torch.distributed.DistError) as error:
        lost = isinstance(error, torch.distributed.DistError) or _GLOO in str(error)
        if not lost:
            raise
        kept = (
            f"from {checkpoint}" if checkpoint.exists() else "from the start, as there is no checkpoint yet"
        )
        raise FastnstError(
            "another process of this run has ended or cannot be reached, and may say why: the same command "
            f"on every machine goes on {kept}"
        ) from error
