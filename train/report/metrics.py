"""The curves of a run: which values are logged, under which names, and when."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from train.loss.perceptual_loss import PerceptualLosses
from train.step.network_training import NetworkTraining


class MetricsLogging(Callback):
    """Log losses in total and per layer, learning rate, speed and memory.

    Reading a loss waits for the GPU, so nothing is read between two points of the curves.

    Args:
        every: Steps between two points.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._last_step = 0
        self._last_time = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the options and start the clock."""
        assert isinstance(pl_module, NetworkTraining)
        options = pl_module.described() | {
            "precision": str(trainer.precision),
            "parameters": sum(parameter.numel() for parameter in pl_module.network.parameters()),
        }
        for logger in trainer.loggers:
            logger.log_hyperparams(options)
        self._last_step, self._last_time = trainer.global_step, time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Log a point when it is time."""
        assert isinstance(pl_module, NetworkTraining)
        step = trainer.global_step
        if not trainer.loggers or pl_module.last_loss is None:
            return
        if step % self._every and step != trainer.max_steps:
            return
        # The GPU is done once these are read.
        if pl_module.losses is None:
            metrics = {"train/teacher_distance": pl_module.last_loss.item()}
        else:
            metrics = loss_metrics(pl_module.losses, "train")
        now = time.monotonic()
        images = (step - self._last_step) * pl_module.config.batch_size * trainer.world_size
        metrics["train/images_per_second"] = images / max(now - self._last_time, 1e-9)
        metrics["train/images"] = float(step * pl_module.config.batch_size * trainer.world_size)
        metrics["train/learning_rate"] = trainer.optimizers[0].param_groups[0]["lr"]
        metrics["train/memory_gib"] = peak_memory_gib(pl_module.device)
        self._last_step, self._last_time = step, now
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step)


def loss_metrics(losses: PerceptualLosses, stage: str) -> dict[str, float]:
    """Return the terms of a loss by their names on the dashboard.

    Args:
        losses: The terms.
        stage: `train` or `val`.

    Returns:
        Such as `train/style_loss`, `train/style_loss/relu1_2` and `train/style_loss/scale/4`.
    """
    metrics: dict[str, float] = {
        f"{stage}/total_loss": losses.total.item(),
        f"{stage}/content_loss": losses.content.item(),
        f"{stage}/style_loss": losses.style.item(),
        f"{stage}/tv_loss": losses.tv.item(),
        f"{stage}/repetition_loss": losses.repetition.item(),
        f"{stage}/stability_loss": losses.stability.item(),
    }
    parts: tuple[tuple[str, Mapping[Any, torch.Tensor]], ...] = (
        ("content_loss", losses.content_by_layer),
        ("style_loss", losses.style_by_layer),
        ("style_loss/scale", losses.style_by_scale),
    )
    for term, values in parts:
        for part, value in values.items():
            metrics[f"{stage}/{term}/{part}"] = value.item()
    return metrics


def peak_memory_gib(device: torch.device) -> float:
    """Return the greatest memory used so far in GiB: the GPU's, or this process's on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
