"""Direct optimisation of an image's pixels: slow, without training, the reference for trained styles.

Gatys, Ecker and Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks" (CVPR), with the loss
that trains fastnst's styles. Departures from that paper: it starts at the photo instead of white noise, the
terms of the loss are relative to their targets, the loss network pools by maximum, and the pixels stay within
the range of an image, as in the baseline of Johnson et al. 2016 (arXiv:1603.08155, section 4.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fastnst.errors import FastnstError
from train.loss.perceptual_loss import PerceptualLoss, PerceptualLosses

OnStep = Callable[[int, PerceptualLosses, Tensor], bool | None]
"""Takes the number of steps done, the losses of the image, and the image; True ends the optimisation."""

# Pairs of differences that approximate the curvature; each takes the memory of two images. With 100 the loss
# falls no faster over the first 200 steps.
_HISTORY = 20

# Most evaluations in one line search, as in PyTorch. After the first step it seldom takes more than one.
_LINE_SEARCH = 25

# Weight of the mean squared overshoot, beside a loss that starts at 1. At ten times the weight the loss falls
# as fast; at a hundred times it falls more slowly in photos with much black or white.
_OVERSHOOT_WEIGHT = 1.0

_LEAST_LOSS = 1e-12


@dataclass(frozen=True)
class _Evaluation:
    pixels: Tensor  # the point, which may lie outside [0, 1]
    image: Tensor  # the point within [0, 1]
    losses: PerceptualLosses  # of the image
    objective: Tensor  # what is minimised
    gradient: Tensor  # of the objective


class _Objective:
    """The loss as a function of unbounded pixels.

    L-BFGS knows no bounds. Clipping the pixels between its steps would falsify the differences from which it
    estimates the curvature, and cost the line search a second evaluation in each step. Instead, the loss is
    computed on the pixels clipped to [0, 1], and a penalty on the overshoot draws them back to where they
    have a gradient. Whatever the penalty's weight, no point is lower than its clipped image: the minima are
    those of the loss over images, and the reported losses are exactly those of an image.

    At a bound the objective has a kink, and photos have many fully black or white pixels. There the gradient
    is that of the side to which it leads: the loss's own inwards, none outwards. Autograd's clipping would
    give none either way, and those pixels would never move.

    The loss is divided by its value at the start: the optimiser's thresholds then do not depend on the
    weights of its terms.
    """

    def __init__(self, loss: PerceptualLoss, content: Tensor, pixels: Tensor) -> None:
        self._loss = loss
        self._content = content
        self._pixels = pixels
        self._known: list[_Evaluation] = []
        self._scale: float | None = None

    def evaluate(self) -> _Evaluation:
        """Return the objective at the pixels as they now are."""
        for known in self._known:
            if torch.equal(known.pixels, self._pixels):
                return known
        pixels = self._pixels.detach().clone()
        image = pixels.clamp(0, 1)
        with torch.enable_grad():
            losses: PerceptualLosses = self._loss(image.requires_grad_(), self._content)
            (gradient,) = torch.autograd.grad(losses.total, image)
        image, losses = image.detach(), losses.detach()
        total = losses.total.item()
        if not math.isfinite(total):
            raise FastnstError(f"the loss is {total}: the loss network's weights are unfit for images")
        if self._scale is None:
            self._scale = 1 / max(total, _LEAST_LOSS)
        below = (pixels < 0) | ((pixels == 0) & (gradient > 0))
        above = (pixels > 1) | ((pixels == 1) & (gradient < 0))
        overshoot = pixels - image
        objective = self._scale * losses.total + _OVERSHOOT_WEIGHT * overshoot.square().mean()
        gradient = self._scale * gradient.masked_fill(below | above, 0)
        gradient += (2 * _OVERSHOOT_WEIGHT / overshoot.numel()) * overshoot
        # LBFGS flattens it, and convolutions leave the channels innermost.
        found = _Evaluation(pixels, image, losses, objective, gradient.contiguous())
        self._known.append(found)
        return found

    def forget_all_but(self, kept: _Evaluation) -> None:
        """Forget the points that a line search has tried."""
        self._known = [kept]

    def closure(self) -> Tensor:
        """Set the gradient and return the objective, as `torch.optim.LBFGS` requires.

        LBFGS asks again at the point where its line search ended; without the cache of `evaluate` that would
        be half of all evaluations.
        """
        here = self.evaluate()
        self._pixels.grad = here.gradient
        return here.objective


def optimize_pixels(
    loss: PerceptualLoss,
    content: Tensor,
    *,
    steps: int,
    start: Tensor | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Stylise one photo by minimising the loss over its pixels with L-BFGS.

    A step is one iteration of L-BFGS, as the papers count: a new direction and the line search along it
    (strong Wolfe conditions). It usually evaluates the loss and its gradient once; the first step, which
    knows no curvature yet, takes some five evaluations.

    Args:
        loss: The loss to minimise; its loss network and buffers are on the device of `content`.
        content: The photo, float32 of shape (1, 3, H, W), RGB in [0, 1].
        steps: The most steps to take; it ends early if the line search finds nothing lower.
        start: The first image, of the shape of `content`, clipped to [0, 1]. The photo by default.
        on_step: Called at the start, as step 0, and after each step, with the number of steps done, the
            losses of the image without gradients, and the image, which does not change afterwards. Its
            exceptions pass through. Returning True ends the optimisation.

    Returns:
        The image of the last step, float32 of shape (1, 3, H, W) in [0, 1].

    Raises:
        ValueError: If `content` is not one RGB image, `start` has another shape, or `steps` is negative.
        FastnstError: If the loss is not a finite number.
    """
    if content.ndim != 4 or content.shape[:2] != (1, 3):
        raise ValueError(f"content must have shape (1, 3, H, W), got {tuple(content.shape)}")
    if start is not None and start.shape != content.shape:
        raise ValueError(f"start is {tuple(start.shape)} but content is {tuple(content.shape)}")
    if steps < 0:
        raise ValueError(f"steps must be at least 0, got {steps}")
    first = content if start is None else start
    pixels = first.detach().float().clamp(0, 1).contiguous().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [pixels],
        max_iter=1,
        max_eval=1 + _LINE_SEARCH,
        # Only the caller ends the optimisation between two steps.
        tolerance_grad=0,
        tolerance_change=0,
        history_size=_HISTORY,
        # With steps of a fixed length the first one hardly moves, and sometimes the loss rises.
        line_search_fn="strong_wolfe",
    )
    objective = _Objective(loss, content.detach(), pixels)
    current = objective.evaluate()
    for step in range(steps + 1):
        if (on_step is not None and on_step(step, current.losses, current.image)) or step == steps:
            break
        optimizer.step(objective.closure)  # type: ignore[no-untyped-call]
        before, current = current, objective.evaluate()
        if current is before:
            break
        objective.forget_all_but(current)
    return current.image


def steps_to_reach(loss: PerceptualLoss, content: Tensor, target: float, *, most: int) -> int | None:
    """Return how many steps of direct optimisation a photo takes to reach a given loss.

    Johnson et al. 2016 compare their networks with direct optimisation in this way (arXiv:1603.08155, section
    4.1 and figure 5).

    Args:
        loss: As for `optimize_pixels`.
        content: The photo, float32 of shape (1, 3, H, W), RGB in [0, 1].
        target: The loss to reach, such as `loss(stylized, content).total` of a network.
        most: The most steps to take.

    Returns:
        The first step with a `total` of at most `target`, 0 being the photo itself; None if no step reaches
        it.

    Raises:
        ValueError: If `content` is not one RGB image, or `most` is negative.
        FastnstError: If the loss is not a finite number.
    """
    reached: int | None = None

    def stop_there(step: int, losses: PerceptualLosses, _: Tensor) -> bool:
        nonlocal reached
        if losses.total.item() <= target:
            reached = step
        return reached is not None

    optimize_pixels(loss, content, steps=most, on_step=stop_there)
    return reached
