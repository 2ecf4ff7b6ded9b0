"""What all training of a network shares: optimizer, schedule, clipping, and the clock."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from train.config import Decay, TrainingConfig
from train.loss.perceptual_loss import PerceptualLoss, PerceptualLosses
from train.loss.stability_loss import Disturbance, disturb
from train.network.wide_net import WideNet
from train.photos.crop_schedule import LEAST_SIDE, CropSchedule
from train.step.muon import Muon

# Steps from one comparison with a changed photo to the next.
_STABILITY_EVERY = 2


class NetworkTraining(pl.LightningModule):
    """Train a network by a perceptual loss on crops of photos.

    Args:
        config: The run's options.
        network: The network.
        loss: The loss. Its network moves to the device with training.
        max_steps: Optimizer steps in all.
        precision: Lightning's name of the arithmetic, kept so that a resumed run uses the same.

    Attributes:
        config: As given.
        network: The network in training.
        loss: As given.
        precision: As given.
        last_loss: The last step's loss, detached; None before the first step.
        losses: Its terms; None before the first step, and while the network copies a teacher.
        finished: Whether the run has ended.
        seconds: Training time so far, over all resumed parts.
        schedule: The side of the crops at each step.
        tracking_run: What finds the run on its dashboard again.
    """

    def __init__(
        self, config: TrainingConfig, network: nn.Module, loss: PerceptualLoss, max_steps: int, precision: str
    ) -> None:
        super().__init__()
        self.config = config
        self.network = network
        # Convolutions are fastest with the channels innermost, on CPUs and on matrix units alike.
        self.network.to(memory_format=torch.channels_last)
        self.loss = loss
        self.last_loss: Tensor | None = None
        self.losses: PerceptualLosses | None = None
        self.finished = False
        self.tracking_run: dict[str, str] = {}
        self.seconds = 0.0
        self.schedule = CropSchedule(config.image_size, config.crop_stages, max_steps)
        self._max_steps = max_steps
        self.precision = precision
        self._seconds_before = 0.0
        self._started = 0.0

    def described(self) -> dict[str, Any]:
        """Return the options of the run, as loggers keep them."""
        return self.config.to_dict()

    def move_loss_network(self) -> None:
        """Move the loss network to where this module is; Lightning does not know of it."""
        self.loss.features.to(self.device)

    def on_train_start(self) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_train_batch_end(self, *_: Any) -> None:
        """Keep the time, for the checkpoints that callbacks write."""
        self.seconds = self._seconds_before + time.monotonic() - self._started

    def try_small_step(self, step: int) -> tuple[int, float] | None:
        """Try a step with a crop smaller than those of the run, for estimates of the time left.

        Only a run on one CPU, with crops of several sizes to come, needs it.

        Args:
            step: The step that the run goes on from.

        Returns:
            The side of the crop and the processor's seconds; None if there was no need.
        """
        sizes = self.schedule.remaining(step)
        side = self.schedule.sides[0] // 2
        if len(sizes) < 2 or side < LEAST_SIDE or self.device.type != "cpu" or self.trainer.world_size > 1:
            return None
        content = torch.rand(
            self.config.batch_size, 3, side, side, generator=torch.Generator().manual_seed(0)
        ).contiguous(memory_format=torch.channels_last)
        seconds = [self._try_step(content) for _ in range(2)][-1]  # the first one warms up
        self.zero_grad()
        return (side, seconds) if seconds else None

    def _try_step(self, content: Tensor) -> float:
        started = time.process_time()
        with self.trainer.precision_plugin.forward_context():
            loss = self.example_loss(content)
        if loss is None:
            return 0.0
        torch.autograd.backward(loss)
        return time.process_time() - started

    def example_loss(self, content: Tensor) -> Tensor | None:
        """Return the loss of photos, (N, 3, S, S) in [0, 1], without any effect on the training.

        Trainings with crops of one size need not have it: None, and no step is tried.
        """
        return None

    def configure_optimizers(self) -> Any:
        """Return the optimizer and the schedule of its learning rate."""
        config, parameters = self.config, self.network.parameters()
        to_rgb = self.network.get_submodule("to_rgb")
        rate = config.resolved_learning_rate
        optimizer: torch.optim.Optimizer
        if config.optimizer == "muon":
            optimizer = Muon(parameters, rate, by_adam=to_rgb.parameters())
        else:
            # Fused: one kernel for all parameters. It would unscale float16 gradients itself, after the
            # clipping.
            fused = self.precision != "16-mixed"
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

    def move_grain(self) -> None:
        """Lay the network's grain, if it has one, elsewhere for this step."""
        if isinstance(self.network, WideNet):
            self.network.grain.move(self.step_seed())

    def disturbed(self, content: Tensor) -> Disturbance | None:
        """Return the photos after a small change, at every other step: half the time for the same effect."""
        if not self.loss.stability_weight or self.global_step % _STABILITY_EVERY:
            return None
        return disturb(content, self.step_seed())

    def step_seed(self) -> int:
        """Return the seed of the step's chances, the same in a resumed run, another in each process."""
        return self.config.seed + self.global_step + (self.global_rank << 32)


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
