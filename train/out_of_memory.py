"""What to say when the memory does not suffice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from fastnst.errors import FastnstError
from train.config import TrainingConfig


@contextlib.contextmanager
def advise_on_memory(config: TrainingConfig, *options: str, then: str = "") -> Iterator[None]:
    """Turn a lack of memory into one line that says which options to lower.

    Args:
        config: The run's options.
        options: Those that the memory of this part of the run depends on, as `TrainingConfig` names them.
        then: What else to do, after a semicolon.

    Raises:
        FastnstError: In the place of PyTorch's, CUDA's and NumPy's errors of that kind.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_lack_of_memory(error):
            raise
        lower = " or ".join(f"--{name.replace('_', '-')} (now {getattr(config, name)})" for name in options)
        raise FastnstError(
            f"the memory does not suffice: lower {lower}{f'; {then}' if then else ''}"
        ) from error


def is_lack_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory could not be had, on the CPU or a GPU."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)
