"""The LightningModule: a network, its loss against one painting, and its record in the checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

import fastnst
from fastnst.errors import FastnstError
from train.config import Decay, TrainingConfig
from train.loss.painting import Painting
from train.loss.perceptual_loss import PerceptualLoss, PerceptualLosses
from train.loss.stability_loss import Disturbance, disturb
from train.network.build import build_network
from train.network.checkpoint import KEY
from train.network.record import PaintingRecord, Quality, RunRecord
from train.network.trained_weights import TrainedWeights
from train.network.wide_net import WideNet
from train.photos.crop_schedule import CropSchedule
from train.step.muon import Muon
from train.step.teacher import Teacher

# Steps from one comparison with a changed photo to the next.
_STABILITY_EVERY = 2


class StyleTransfer(pl.LightningModule):
    """Train a network for one painting (Johnson et al. 2016, arXiv:1603.08155).

    Args:
        config: The run's options.
        style: The painting.
        loss: The loss, see `train.loss.choice.make_loss`. Its network moves to the device with training.
        max_steps: Optimizer steps in all.
        precision: Lightning's name of the arithmetic, kept so that a resumed run uses the same.
        start: The weights that the network starts from; random ones by default.
        teacher: The style that the network copies in the first part of the run, if there is one.

    Attributes:
        network: The network in training.
        teacher: As given.
        last_loss: The last step's loss, detached; None before the first step.
        losses: Its terms; None before the first step, and while the network copies its teacher.
        quality: C and S3, once measured.
        seconds: Training time so far, over all resumed parts.
        schedule: The side of the crops at each step.
        started_from: The `name` and `sha256` of the style whose weights came first; empty for random ones.
    """

    def __init__(
        self,
        config: TrainingConfig,
        style: Painting,
        loss: PerceptualLoss,
        max_steps: int,
        precision: str,
        *,
        start: TrainedWeights | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.style = style
        self.network = build_network(config.network_shape)
        # Convolutions are fastest with the channels innermost, on CPUs and on matrix units alike.
        self.network.to(memory_format=torch.channels_last)
        self.started_from: dict[str, str] = {}
        if start is not None:
            self.network.load_state_dict(start.state)
            self.started_from = {"name": start.name, "sha256": start.sha256}
        self.loss = loss
        self.teacher = teacher
        self.last_loss: Tensor | None = None
        self.losses: PerceptualLosses | None = None
        self.quality: Quality | None = None
        self.finished = False
        self.final_losses: dict[str, float] = {}
        self.tracking_run: dict[str, str] = {}
        self.seconds = 0.0
        self.schedule = CropSchedule(config.image_size, config.crop_stages, max_steps)
        self._compare: Callable[[Tensor, Disturbance | None], PerceptualLosses] = self.compare
        self._max_steps = max_steps
        self._precision = precision
        self._seconds_before = 0.0
        self._started = 0.0

    def forward(self, content: Tensor) -> Tensor:
        """Return the stylised images, (N, 3, H, W) in [0, 1], of photos of the same shape and range."""
        stylized: Tensor = self.network(content)
        return stylized

    def move_loss_network(self) -> None:
        """Move the loss network to where this module is; Lightning does not know of it."""
        self.loss.features.to(self.device)

    def on_fit_start(self) -> None:
        """Move the loss network to the device that Lightning chose, and compile the step if asked to."""
        self._check_same_loss()
        self.move_loss_network()
        if self.config.compile:
            # Each size of crops is compiled for itself: fixed shapes give the fastest kernels.
            self._compare = torch.compile(self.compare, dynamic=False, fullgraph=True)

    def _check_same_loss(self) -> None:
        """Check that all processes chose the same loss network: each may have chosen by itself."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            names: list[str] = [""] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(names, self.config.loss_network)
            if len(set(names)) > 1:
                raise FastnstError(
                    f"the processes came to different loss networks ({', '.join(sorted(set(names)))}): say "
                    "which with --loss-network"
                )

    def on_train_start(self) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def training_step(self, content: Tensor, batch_idx: int) -> Tensor:
        """Return the loss of one batch of photos, (N, 3, S, S) in [0, 1]."""
        content = content.contiguous(memory_format=torch.channels_last)
        if isinstance(self.network, WideNet):
            self.network.grain.move(self._seed())
        if self.teacher is not None and self.copies_teacher(self.global_step):
            self.losses = None
            loss = self.teacher.distance(self.network(content), content)
        else:
            losses = self._compare(content, self._disturbed(content))
            self.losses = losses.detach()
            loss = losses.total
        self.last_loss = loss.detach()
        return loss

    def copies_teacher(self, step: int) -> bool:
        """Return whether a step, from 0, would copy a teacher, if there is one."""
        return self.schedule.progress(step) < self.config.teacher_share

    def on_train_batch_end(self, *_: Any) -> None:
        """Keep the time, for the checkpoints that callbacks write."""
        self.seconds = self._seconds_before + time.monotonic() - self._started

    def compare(self, content: Tensor, change: Disturbance | None = None) -> PerceptualLosses:
        """Stylise photos, (N, 3, H, W) in [0, 1], and return the terms of the loss.

        Args:
            content: The photos.
            change: The photos after a small change, for the stability; None does without.
        """
        if change is None:
            without: PerceptualLosses = self.loss(self.network(content), content)
            return without
        both = torch.cat([content, change.content]).contiguous(memory_format=torch.channels_last)
        stylized, disturbed = self.network(both).split(len(content))
        losses: PerceptualLosses = self.loss(stylized, content, (disturbed, change))
        return losses

    def _disturbed(self, content: Tensor) -> Disturbance | None:
        """Return the photos after a small change, at every other step: half the time for the same effect."""
        if not self.loss.stability_weight or self.global_step % _STABILITY_EVERY:
            return None
        return disturb(content, self._seed())

    def _seed(self) -> int:
        """Return the seed of the step's chances, the same in a resumed run, another in each process."""
        return self.config.seed + self.global_step + (self.global_rank << 32)

    def configure_optimizers(self) -> Any:
        """Return the optimizer and the schedule of its learning rate."""
        config, parameters = self.config, self.network.parameters()
        rate = config.resolved_learning_rate
        optimizer: torch.optim.Optimizer
        if config.optimizer == "muon":
            optimizer = Muon(parameters, rate, by_adam=self.network.to_rgb.parameters())
        else:
            # Fused: one kernel for all parameters. It would unscale float16 gradients itself, after the
            # clipping.
            fused = self._precision != "16-mixed"
            optimizer = torch.optim.Adam(parameters, rate, fused=fused)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: learning_rate_factor(step, self.schedule, config.warmup_steps, config.decay),
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_before_optimizer_step(self, *_: Any) -> None:
        """Clip the gradient, and drop one that is not finite.

        For a crop of one colour, such as a white sky, each instance norm divides by nearly zero; sixteen of
        them take the gradient out of float32's range. Lightning's own clipping refuses fused optimizers in
        any mixed precision.
        """
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        finite = torch.isfinite(norm)  # not read: that would wait for the GPU
        factor = (
            (self.config.gradient_clip / (norm + 1e-6)).clamp(max=1) if self.config.gradient_clip else 1.0
        )
        for gradient in gradients:
            gradient.copy_(torch.where(finite, gradient * factor, 0))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the run's record to what Lightning saves."""
        height, width = self.style.pixels.shape[:2]
        record = RunRecord(
            version=fastnst.__version__,
            options=self.config.to_dict(),
            style=PaintingRecord(
                name=self.config.style_name,
                sha256=self.style.sha256,
                width=width,
                height=height,
                author=self.config.style_author,
                licence=self.config.style_licence,
                pixels_sha256=self.style.pixels_sha256,
            ),
            precision=self._precision,
            world_size=self.trainer.world_size,
            max_steps=self._max_steps,
            seconds=self.seconds,
            losses=self.final_losses,
            quality=self.quality,
            finished=self.finished,
            tracking_run=self.tracking_run,
            init=self.started_from,
        )
        checkpoint[KEY] = record.to_entries()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over the training time, the tracking run's identity and the origin of the weights."""
        record = RunRecord.from_entries(checkpoint[KEY])
        self.seconds = self._seconds_before = record.seconds
        self.tracking_run = self.tracking_run or dict(record.tracking_run)
        self.started_from = dict(record.init)


def learning_rate_factor(step: int, schedule: CropSchedule, warmup_steps: int, decay: Decay) -> float:
    """Return the factor of the learning rate at a step.

    It rises linearly from 1/warmup_steps to 1 during the warm-up. With `cosine`, it also follows a half
    cosine over the run's compute, which reaches 0 at the last step.

    Args:
        step: Optimizer steps done before this one, from 0.
        schedule: Distributes the compute over the steps.
        warmup_steps: Steps of the warm-up; at most a tenth of all steps are used.
        decay: `cosine`, or `none` for a constant rate after the warm-up.

    Returns:
        A factor in [0, 1].
    """
    warmup = min(warmup_steps, schedule.steps // 10)
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if decay == "none":
        return rise
    return rise * 0.5 * (1 + math.cos(math.pi * schedule.progress(step)))
