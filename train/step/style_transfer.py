"""The LightningModule: a network, its loss against one painting, and its record in the checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import fastnst
from fastnst.errors import FastnstError
from train.config import TrainingConfig
from train.loss.painting import Painting
from train.loss.perceptual_loss import PerceptualLoss, PerceptualLosses
from train.loss.stability_loss import Disturbance
from train.network.build import build_network
from train.network.checkpoint import KEY
from train.network.record import PaintingRecord, Quality, RunRecord
from train.network.trained_weights import TrainedWeights
from train.step.network_training import NetworkTraining
from train.step.teacher import Teacher


class StyleTransfer(NetworkTraining):
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
        teacher: As given.
        quality: C and S3, once measured.
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
        super().__init__(config, build_network(config.network_shape), loss, max_steps, precision)
        self.style = style
        self.started_from: dict[str, str] = {}
        if start is not None:
            self.network.load_state_dict(start.state)
            self.started_from = {"name": start.name, "sha256": start.sha256}
        self.teacher = teacher
        self.quality: Quality | None = None
        self.final_losses: dict[str, float] = {}
        self._compare: Callable[[Tensor, Disturbance | None], PerceptualLosses] = self.compare

    def described(self) -> dict[str, Any]:
        """Return the options of the run and its painting, as loggers keep them."""
        return super().described() | {"style_sha256": self.style.sha256}

    def forward(self, content: Tensor) -> Tensor:
        """Return the stylised images, (N, 3, H, W) in [0, 1], of photos of the same shape and range."""
        stylized: Tensor = self.network(content)
        return stylized

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

    def training_step(self, content: Tensor, batch_idx: int) -> Tensor:
        """Return the loss of one batch of photos, (N, 3, S, S) in [0, 1]."""
        content = content.contiguous(memory_format=torch.channels_last)
        self.move_grain()
        if self.teacher is not None and self.copies_teacher(self.global_step):
            self.losses = None
            loss = self.teacher.distance(self.network(content), content)
        else:
            losses = self._compare(content, self.disturbed(content))
            self.losses = losses.detach()
            loss = losses.total
        self.last_loss = loss.detach()
        return loss

    def example_loss(self, content: Tensor) -> Tensor:
        """Return the loss of photos, (N, 3, S, S) in [0, 1], without any effect on the training."""
        return self.compare(content).total

    def copies_teacher(self, step: int) -> bool:
        """Return whether a step, from 0, would copy a teacher, if there is one."""
        return self.schedule.progress(step) < self.config.teacher_share

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
            precision=self.precision,
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
