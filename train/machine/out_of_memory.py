"""What to say when the memory does not suffice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from fastnst.errors import FastnstError


@contextlib.contextmanager
def advise_on_memory(*options: tuple[str, int], then: str = "") -> Iterator[None]:
    """Turn a lack of memory into one line that says which options to lower.

    Args:
        options: Those that the memory of this part of the program depends on, such as `--size`, and their
            values now.
        then: What else to know, after a semicolon.

    Raises:
        FastnstError: In the place of PyTorch's, CUDA's and NumPy's errors of that kind.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_lack_of_memory(error):
            raise
        lower = " or ".join(f"{option} (now {value})" for option, value in options)
        raise FastnstError(
            f"the memory does not suffice: lower {lower}{f'; {then}' if then else ''}"
        ) from error


def _is_lack_of_memory(error: Exception) -> bool:
    import torch  # takes seconds, which a mistake on the command line need not wait for

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)
