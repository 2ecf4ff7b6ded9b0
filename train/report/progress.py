"""What a run shows: a bar on a terminal, else a line every few seconds, or events for programs.

docs/json.md describes the events.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

from fastnst.terminal import one_line
from train.config import TrainingConfig
from train.network.record import Quality
from train.report.time_left import TimeLeft
from train.step.network_training import NetworkTraining
from train.terminal import clock, has_events, tell

_BAR_SECONDS = 0.5
_EVENT_SECONDS = 1.0
_LINE_SECONDS = 5.0


def tell_started(
    config: TrainingConfig,
    *,
    step: int,
    steps: int,
    crops_per_step: int,
    preset: str,
    device: str,
    precision: str,
) -> None:
    """Tell programs that the training begins, or goes on from `step`, and with which options."""
    tell(
        "started",
        name=config.style_name,
        style=str(config.style),
        data=config.data,
        step=step,
        steps=steps,
        crops_per_step=crops_per_step,
        image_size=config.image_size,
        preset=preset,
        network=config.network,
        loss_network=config.loss_network,
        init=config.init,
        style_size=config.style_size,
        style_weight=config.style_weight,
        device=device,
        precision=precision,
        checkpoint=str(config.checkpoint_path),
        preview=str(config.preview_path),
    )


def tell_finished(config: TrainingConfig, steps: int, seconds: float, quality: Quality | None) -> bool:
    """Tell programs that the style is trained, and return whether events are told.

    Args:
        config: The run's options.
        steps: Of the whole training.
        seconds: That the training took, in all its parts.
        quality: C, S3 and flicker, if they were measured.
    """
    return tell(
        "finished",
        name=config.style_name,
        steps=steps,
        seconds=round(seconds, 1),
        C=None if quality is None else quality.content,
        S3=None if quality is None else quality.style,
        flicker=None if quality is None else quality.flicker,
        checkpoint=str(config.checkpoint_path),
        preview=str(config.preview_path),
    )


def tell_interrupted(checkpoint: Path | None) -> bool:
    """Tell programs that a signal ended the run, and return whether events are told.

    Args:
        checkpoint: What the same command goes on from; None if there is nothing yet.
    """
    return tell("interrupted", checkpoint=None if checkpoint is None else str(checkpoint))


class TrainingProgress(ProgressBar):
    """Steps done, images/s, both losses and the time left.

    Lightning's own bars count batches of an epoch, and a run here is a number of steps, not all of one size.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bar: tqdm[Any] | None = None
        self._enabled = True
        self._shown = self._started = 0.0
        self._shown_step = 0
        self._time_left: TimeLeft | None = None

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
        self._shown_step = trainer.global_step
        tried = pl_module.try_small_step(trainer.global_step)
        self._time_left = TimeLeft(pl_module.schedule, trainer.global_step, tried)
        self._started = time.monotonic()
        if self._enabled and sys.stderr.isatty() and not has_events():
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
        assert self._time_left is not None
        self._time_left.done(step)
        wait = _LINE_SECONDS
        if has_events():
            wait = _EVENT_SECONDS
        elif self._bar is not None:
            wait = _BAR_SECONDS
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
        left = self._time_left.seconds()
        if tell(
            "progress",
            step=step,
            steps=trainer.max_steps,
            fraction=schedule.progress(step),
            image_size=schedule.side(step - 1),
            images_per_second=rate,
            seconds_left=left,
            losses=losses,
        ):
            return
        size = f"{schedule.side(step - 1)} px, " if len(schedule.sides) > 1 else ""
        status = f"{size}{rate:.3g} images/s, {_described(losses)}"
        if left is not None:
            status += f", {clock(left)} left"
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
        if self._enabled and not tell("message", text=one_line(sep.join(map(str, args)))):
            tqdm.write(sep.join(str(argument) for argument in args), file=sys.stderr)
            sys.stderr.flush()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _losses(module: NetworkTraining) -> dict[str, float]:
    if module.losses is not None:
        return {"content": module.losses.content.item(), "style": module.losses.style.item()}
    assert module.last_loss is not None
    return {"teacher": module.last_loss.item()}


def _described(losses: dict[str, float]) -> str:
    if "teacher" in losses:
        return f"distance to the teacher {losses['teacher']:.3f}"
    return f"content {losses['content']:.3f}, style {losses['style']:.4f}"
