"""Training on a processor that other programs use, too."""

from __future__ import annotations

import time

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from train.machine.free_cores import ThreadBalance
from train.terminal import say_once

_SECONDS = 2.0


class SharedProcessor(Callback):
    """Every two seconds, give PyTorch as many threads as cores are free, and say so the first time.

    Args:
        balance: Knows the cores; what it has set before the training stays until the first step.
    """

    def __init__(self, balance: ThreadBalance) -> None:
        self._balance = balance
        self._next = 0.0
        self._told = False

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Tensor, batch_idx: int
    ) -> None:
        """Set the number of threads for the steps to come."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _SECONDS
        threads, before = self._balance.adapt()
        if threads < before and not self._told:
            self._told = True
            say_once(
                f"other programs use the processor: training on {threads} of {before} threads while they do"
            )
