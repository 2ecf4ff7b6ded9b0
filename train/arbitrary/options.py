"""The options of a run that trains the network for any painting."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from train.config import TrainingConfig


class ArbitraryOptions(NamedTuple):
    """What a run is made of.

    Attributes:
        config: The options that it shares with the training of a style; its `style` is the first painting.
        paintings: Files of paintings to learn from.
        held_out: Files of paintings that training never sees, for previews and for C and S3.
        start: What the weights start from: a style of the default network, or the checkpoint of an earlier
            run; empty for random ones.
    """

    config: TrainingConfig
    paintings: tuple[Path, ...]
    held_out: tuple[Path, ...]
    start: str
