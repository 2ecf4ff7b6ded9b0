"""The LightningModule: the network for any painting, and each step's paintings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from train.arbitrary.any_painting_net import AnyPaintingNet
from train.arbitrary.checkpoint import KEY, AnyPaintingRecord
from train.arbitrary.colouring import Colouring
from train.arbitrary.levels import LEVELS
from train.arbitrary.painting_encoder import PaintingEncoder, Statistics
from train.arbitrary.paintings import Paintings
from train.config import TrainingConfig
from train.loss.perceptual_loss import PerceptualLoss, StyleTargets
from train.step.network_training import NetworkTraining

# Making a painting and its targets takes longer than a step, so each serves several: the paintings of a step
# are drawn from a window of numbers that moves on.
_WINDOW = 400
_AT_FIRST = 24
_STEPS_A_PAINTING = 5
# A painting that the network cannot paint yet has a loss of many times the others'. Its gradient is divided
# by as much, lest it drown theirs.
_ROBUST = 3.0


class AnyPaintingTransfer(NetworkTraining):
    """Train `AnyPaintingNet`: each photo of a batch is painted in another painting.

    Args:
        config: The run's options.
        encoder: Measures the paintings; it has learnt photos, or takes what it learnt from the checkpoint.
        paintings: The paintings.
        loss: The loss, which takes each painting's targets.
        max_steps: Optimizer steps in all.
        precision: Lightning's name of the arithmetic.
        record: What the checkpoint says of the run.
        start: Weights of a trained style that the network starts from; random ones by default.
    """

    def __init__(
        self,
        config: TrainingConfig,
        encoder: PaintingEncoder,
        paintings: Paintings,
        loss: PerceptualLoss,
        max_steps: int,
        precision: str,
        record: AnyPaintingRecord,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(config, AnyPaintingNet(), loss, max_steps, precision)
        if start is not None:
            self.network.load_state_dict(start)
        self.encoder = encoder
        self.record = record
        self._paintings = paintings
        self._made: OrderedDict[int, tuple[Statistics, StyleTargets]] = OrderedDict()

    def forward(self, content: Tensor, painting: Statistics) -> Tensor:
        """Return photos, (N, 3, H, W) in [0, 1], painted by the statistics of N paintings or of one."""
        painted: Tensor = self.network(content, painting)
        return painted

    def on_fit_start(self) -> None:
        """Move the loss network to the device that Lightning chose."""
        self.move_loss_network()
        self.encoder.to(self.device).move_features()

    def training_step(self, content: Tensor, batch_idx: int) -> Tensor:
        """Return the loss of one batch of photos, (N, 3, S, S) in [0, 1]."""
        content = content.contiguous(memory_format=torch.channels_last)
        made = [self._painting(number) for number in self._numbers(len(content))]
        statistics = {
            level.name: Colouring(
                torch.cat([found[level.name].matrix for found, _ in made]),
                torch.cat([found[level.name].mean for found, _ in made]),
            )
            for level in LEVELS
        }
        targets = StyleTargets.of_all([target for _, target in made])
        self.move_grain()
        change = self.disturbed(content)
        if change is None:
            losses = self.loss(self.network(content, statistics), content, targets=targets)
        else:
            both = torch.cat([content, change.content]).contiguous(memory_format=torch.channels_last)
            twice = {
                name: Colouring(torch.cat([found.matrix] * 2), torch.cat([found.mean] * 2))
                for name, found in statistics.items()
            }
            painted, again = self.network(both, twice).split(len(content))
            losses = self.loss(painted, content, (again, change), targets)
        self.losses = losses.detach()
        self.last_loss = losses.total.detach()
        robust: Tensor = losses.total / (1 + self.last_loss / _ROBUST)
        return robust

    def _numbers(self, count: int) -> list[int]:
        """Return the numbers of the step's paintings, each once."""
        last = max(count, _AT_FIRST) + self.global_step // _STEPS_A_PAINTING
        first = max(0, last - _WINDOW)
        generator = torch.Generator().manual_seed(self.step_seed())
        return (first + torch.randperm(last - first, generator=generator)[:count]).tolist()

    @torch.no_grad()
    def _painting(self, number: int) -> tuple[Statistics, StyleTargets]:
        """Return a painting's statistics and targets; the latest ones are kept."""
        if number not in self._made:
            painting = self._paintings[number].to(self.device)
            self._made[number] = self.encoder(painting), self.loss.targets_of(painting)
            if len(self._made) > _WINDOW:
                self._made.popitem(last=False)
        return self._made[number]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the run's record to what Lightning saves."""
        record = self.record._replace(
            seconds=self.seconds, finished=self.finished, tracking_run=self.tracking_run
        )
        checkpoint[KEY] = record._asdict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over the training time."""
        self.seconds = self._seconds_before = checkpoint[KEY]["seconds"]
