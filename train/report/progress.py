"""What a run shows on the terminal: a bar where there is one, a line every few seconds where there is not."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

from train.step.network_training import NetworkTraining
from train.terminal import clock

_BAR_SECONDS = 0.5
_LINE_SECONDS = 5.0


class TrainingProgress(ProgressBar):
    """Steps done, images/s, both losses and the time left.

    Lightning's own bars count batches of an epoch, and a run here is a number of steps, not all of one size.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bar: tqdm[Any] | None = None
        self._enabled = True
        self._shown = self._started = 0.0
        self._shown_step = self._first_step = 0
        self._costs: dict[int, float] = {}

    def disable(self) -> None:
        """Show nothing: Lightning calls this on all processes but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Show again."""
        self._enabled = True

    @property
    def is_enabled(self) -> bool:
        """Whether anything is shown."""
        return self._enabled

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar at the step that the run goes on from."""
        super().on_train_start(trainer, pl_module)
        assert isinstance(pl_module, NetworkTraining)
        self._shown_step = self._first_step = trainer.global_step
        self._costs = pl_module.step_costs()
        self._started = time.monotonic()
        if self._enabled and sys.stderr.isatty():
            self._bar = tqdm(
                total=1.0,
                initial=pl_module.schedule.progress(trainer.global_step),
                dynamic_ncols=True,
                bar_format="{percentage:3.0f}% |{bar}| {postfix}",
                mininterval=0,
            )

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Show the step when it is time."""
        now = time.monotonic()
        step = trainer.global_step
        wait = _BAR_SECONDS if self._bar is not None else _LINE_SECONDS
        if not self._enabled or (now - self._shown < wait and step != trainer.max_steps):
            return
        assert isinstance(pl_module, NetworkTraining)
        # Reading the losses waits for the GPU, which is why they are read so seldom.
        losses = _losses(pl_module)
        now = time.monotonic()
        # Since the last time: crops grow during the run, and the speed falls with each new size.
        images = (step - self._shown_step) * pl_module.config.batch_size * trainer.world_size
        rate = images / max(now - max(self._shown, self._started), 1e-9)
        self._shown, self._shown_step = now, step
        schedule = pl_module.schedule
        remaining = schedule.remaining(step, self._costs)
        spent = schedule.remaining(self._first_step, self._costs) - remaining
        left = (now - self._started) * remaining / max(spent, 1e-9)
        size = f"{schedule.side(step - 1)} px, " if len(schedule.sides) > 1 else ""
        status = f"{size}{rate:.3g} images/s, {losses}, {clock(left)} left"
        if self._bar is not None:
            self._bar.set_postfix_str(f"step {step}/{trainer.max_steps}, {status}", refresh=False)
            self._bar.update(schedule.progress(step) - self._bar.n)
            self._bar.refresh()
        else:
            self.print(f"step {step}/{trainer.max_steps}: {status}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Close the bar, so that the message stands on a line of its own."""
        self._close()

    def print(self, *args: Any, sep: str = " ", **_: Any) -> None:
        """Write a line above the bar."""
        if self._enabled:
            tqdm.write(sep.join(str(argument) for argument in args), file=sys.stderr)
            sys.stderr.flush()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _losses(module: NetworkTraining) -> str:
    if module.losses is not None:
        return f"content {module.losses.content.item():.3f}, style {module.losses.style.item():.4f}"
    assert module.last_loss is not None
    return f"distance to the teacher {module.last_loss.item():.3f}"
