"""The progress of direct optimisation on the terminal, and its image so far."""

from __future__ import annotations

import sys
import time
from typing import Any, NamedTuple

from torch import Tensor
from tqdm import tqdm

from train.loss.perceptual_loss import PerceptualLosses
from train.terminal import clock

_BAR_SECONDS = 0.5
_LINE_SECONDS = 5.0


class OptimizationStep(NamedTuple):
    """The image after a step.

    Attributes:
        number: Steps done; 0 at the start.
        losses: The losses of the image.
        image: The image, of shape (1, 3, H, W), in [0, 1].
    """

    number: int
    losses: PerceptualLosses
    image: Tensor


class OptimizationProgress:
    """A progress bar on a terminal; elsewhere a line every few seconds.

    Args:
        steps: Number of steps to take.

    Attributes:
        last: The last step; None before the first.
    """

    def __init__(self, steps: int) -> None:
        self.last: OptimizationStep | None = None
        self._steps = steps
        self._started = self._shown = self._after_first = time.monotonic()
        self._bar: tqdm[Any] | None = None
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=steps,
                unit="step",
                dynamic_ncols=True,
                bar_format="{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} steps, {remaining} left{postfix}",
                mininterval=0,
            )

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self._started

    def show(self, number: int, losses: PerceptualLosses, image: Tensor) -> None:
        """Keep a step, and show it if enough time has passed; this is the `on_step` of `optimize_pixels`."""
        self.last = OptimizationStep(number, losses, image)
        now = time.monotonic()
        if number == 1:
            self._after_first = now
        wait = _BAR_SECONDS if self._bar is not None else _LINE_SECONDS
        if now - self._shown < wait and number not in (0, self._steps):
            return
        self._shown = now
        status = describe(losses)
        if self._bar is not None:
            self._bar.set_postfix_str(status, refresh=False)
            self._bar.update(number - self._bar.n)
            self._bar.refresh()
            return
        if number > 1:  # the first takes several times as long as the others
            left = (self._steps - number) * (now - self._after_first) / (number - 1)
            status += f", {clock(left)} left"
        print(f"step {number}/{self._steps}: {status}", file=sys.stderr, flush=True)  # noqa: T201

    def close(self) -> None:
        """Close the bar, before other lines are printed."""
        if self._bar is not None:
            self._bar.close()


def describe(losses: PerceptualLosses) -> str:
    """Return the content and style terms as text."""
    return f"content {losses.content.item():.3f}, style {losses.style.item():.4f}"
