"""What a pickle asked for that PyTorch refuses to load."""

from __future__ import annotations

import re

# PyTorch's words for a function or a class that it does not load.
_FORBIDDEN = re.compile(r"GLOBAL ([\w.]+)")


def forbidden_in_pickle(error: Exception) -> str | None:
    """Return what a file asked for that PyTorch does not load, such as `posix.system`; None if nothing.

    Args:
        error: Raised by `torch.load` with `weights_only`.
    """
    found = _FORBIDDEN.search(str(error))
    return None if found is None else found[1]
