"""A style in the table of many."""

from __future__ import annotations

from typing import NamedTuple


class StyleRow(NamedTuple):
    """A style in the table.

    Attributes:
        style: Its name.
        C: The content lost; None if it was not measured.
        S3: The style missed, likewise.
        flicker: In levels of 255, likewise.
        seconds: That the training took, in all its parts; None if it is not done.
        steps: Of the training, likewise.
        state: `trained`, `skipped` (trained before), `failed`, `interrupted` or `waiting`.
        reason: Why it failed; empty otherwise.
        painting: The painting's file.
        checkpoint: The checkpoint's file; empty if the training is not done.
        model: The style file; empty if it is not exported.
    """

    style: str
    C: float | None
    S3: float | None
    flicker: float | None
    seconds: float | None
    steps: int | None
    state: str
    reason: str
    painting: str
    checkpoint: str
    model: str
