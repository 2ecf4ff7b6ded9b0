"""Saving a run: one checkpoint file, replaced whole or not at all, and a clean stop on Ctrl-C."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from fastnst.atomic_write import atomic_write
from fastnst.errors import FastnstError
from train.command import is_full
from train.machine.stop_signal import StoppedWaiting, StopSignal
from train.step.network_training import NetworkTraining
from train.terminal import tell

# On a GPU, checking for a bad loss waits for the device, so it happens only every so many steps.
_CHECK_EVERY_STEPS = 50
# Agreeing on whether to save makes processes wait for each other, so they do it only every so many steps.
_AGREE_EVERY_STEPS = 10


class RollingCheckpoint(Checkpoint):
    """Save the run at intervals, at its end, and when it is interrupted.

    Only states with finite losses and weights are saved, so that the file on the disk is always the last
    good one. A loss that is not finite stops the run.

    Args:
        path: The checkpoint file.
        every_seconds: Time between two checkpoints.
        resumed: Whether the file already holds this run.
        stop: Notes Ctrl-C and SIGTERM.

    Attributes:
        interrupted: Whether Ctrl-C or SIGTERM ended the run.
        saved: Whether the file holds this run.
    """

    def __init__(
        self, path: Path, every_seconds: float, *, resumed: bool = False, stop: StopSignal | None = None
    ) -> None:
        self.path = path
        self.interrupted = False
        self.saved = resumed
        self._stop = stop or StopSignal()
        self._unsaved = False
        self._every = every_seconds
        self._last = 0.0
        self._first_bad_step: Tensor | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock and install the signal handlers."""
        self._last = time.monotonic()
        self._first_bad_step = torch.full((), -1, dtype=torch.int64, device=pl_module.device)
        self._stop.install()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Check the loss, and save when it is time."""
        assert isinstance(pl_module, NetworkTraining)
        assert pl_module.last_loss is not None
        assert self._first_bad_step is not None
        step = trainer.global_step
        self._unsaved = True
        bad = ~torch.isfinite(pl_module.last_loss) & (self._first_bad_step < 0)
        self._first_bad_step = torch.where(bad, step, self._first_bad_step)
        alone_on_cpu = pl_module.device.type == "cpu" and trainer.world_size == 1
        if alone_on_cpu or step % _CHECK_EVERY_STEPS == 0:
            self._raise_if_diverged(trainer)
        if trainer.world_size > 1 and step % _AGREE_EVERY_STEPS:
            return
        # All processes save together, so they must come to the same decision: a signal to any of them, which
        # may be on another machine, stops all.
        self.interrupted = trainer.strategy.reduce_boolean_decision(self._stop.requested, all=False)
        due = self.interrupted or time.monotonic() - self._last >= self._every
        if trainer.world_size > 1:
            due = trainer.strategy.broadcast(due)
        if due and step < trainer.max_steps:
            self.save(trainer, pl_module)
        if self.interrupted:
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the signal handlers."""
        self._stop.release()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Restore the signal handlers; save what a stopped wait for photos has left whole."""
        self._stop.release()
        self.interrupted |= self._stop.requested or isinstance(exception, KeyboardInterrupt)
        if isinstance(exception, StoppedWaiting) and self._unsaved:
            assert isinstance(pl_module, NetworkTraining)
            self.save(trainer, pl_module)

    def save(self, trainer: pl.Trainer, module: NetworkTraining) -> None:
        """Save now, if the state is good.

        Args:
            trainer: The trainer; every process must call this.
            module: Its module.

        Raises:
            FastnstError: If a loss or a weight is not finite, or the file cannot be written; the line says
                what is kept.
        """
        self._raise_if_diverged(trainer)
        # Even with a finite loss, the step may have made weights that are not finite.
        if not all(bool(torch.isfinite(parameter).all()) for parameter in module.network.parameters()):
            self._stop_diverged(trainer, trainer.global_step)
        try:
            trainer.save_checkpoint(self.path)
        except FastnstError as error:
            raise FastnstError(f"{error}; {self._kept()}") from error
        self.saved = True
        tell("saved", path=str(self.path), step=trainer.global_step)
        self._unsaved = False
        self._last = time.monotonic()

    def _kept(self) -> str:
        if self.saved:
            return f"the last good checkpoint is {self.path}, and the run goes on from it"
        return "no checkpoint of this run had been written yet"

    def _raise_if_diverged(self, trainer: pl.Trainer) -> None:
        if self._first_bad_step is None:
            return
        # All processes stop together: one that continued would wait for the others forever.
        steps = trainer.strategy.all_gather(self._first_bad_step).flatten()
        bad = steps[steps >= 0]
        if len(bad):
            self._stop_diverged(trainer, int(bad.min()))

    def _stop_diverged(self, trainer: pl.Trainer, step: int) -> NoReturn:
        if not trainer.is_global_zero:
            raise SystemExit(0)  # the first process tells the user, once
        raise FastnstError(
            f"the loss is not finite at step {step}; {self._kept()}. A lower --learning-rate, or --precision "
            "32-true, usually helps (with --fresh, since they change the run)"
        )


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write Lightning's checkpoint files to a temporary file in the same folder, then rename it.

    Lightning's temporary file may be on another disk; its last step is then a copy, which a kill can cut
    short.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: What to save.
            path: The file.
            storage_options: Not supported: checkpoints are local files.

        Raises:
            FastnstError: If the disk is full or read-only.
            TypeError: If `storage_options` is given.
        """
        if storage_options is not None:
            raise TypeError("checkpoints are local files: storage_options is not supported")
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as temporary, temporary.open("wb") as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:
            cause = _cause(error)
            reason = "the disk is full" if is_full(cause) else getattr(cause, "strerror", None)
            reason = reason or " ".join(str(cause).split())
            raise FastnstError(f"cannot write the checkpoint {path}: {reason}") from error


def _cause(error: BaseException) -> BaseException:
    """Return the system's error behind that of PyTorch's writer, which speaks of positions in the file."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return error
