"""fastnst: paint any photo in a painting's style with one ONNX file, in one forward pass.

Example:
    >>> import numpy as np
    >>> from fastnst import Stylizer
    >>> photo = np.zeros((480, 640, 3), np.uint8)
    >>> Stylizer("kandinsky")(photo).shape  # doctest: +SKIP
    (480, 640, 3)
"""

from typing import TYPE_CHECKING, Any

from fastnst.errors import FastnstError, FastnstWarning
from fastnst.version import __version__

if TYPE_CHECKING:
    from fastnst.arbitrary.freeze import freeze
    from fastnst.model.running import Cancellation, Cancelled
    from fastnst.painter import Painter
    from fastnst.stylizer import Stylizer

__all__ = [
    "Cancellation",
    "Cancelled",
    "FastnstError",
    "FastnstWarning",
    "Painter",
    "Stylizer",
    "__version__",
    "freeze",
]


# These are imported when first asked for, so that `fastnst --help` does not pay for NumPy and Pillow.
def __getattr__(name: str) -> Any:
    if name == "Stylizer":
        from fastnst.stylizer import Stylizer

        return Stylizer
    if name == "Painter":
        from fastnst.painter import Painter

        return Painter
    if name == "freeze":
        from fastnst.arbitrary.freeze import freeze

        return freeze
    if name in ("Cancellation", "Cancelled"):
        from fastnst.model import running

        return getattr(running, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
