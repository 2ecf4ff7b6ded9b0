"""The compact network as a student: its weights in training, and their distance from the teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from train.config import DEFAULT_STYLE_WEIGHT
from train.distillation.targets import CONTENT_LAYER, STYLE_LAYERS, Targets, plain_gram, training_loss
from train.loss.compact import COMPACT_LAYERS, MEAN, STD, compact_activations
from train.loss.perceptual_loss import relative_squared_error

# Gradients are compared in means over squares of these sides: the direction of an area matters more than that
# of a single pixel, which a ReLU's kink disturbs.
_GRADIENT_SCALES = (1, 2, 4)


class Student:
    """The compact network in training.

    Args:
        state: Weights with the names and shapes of `CompactFeatures`.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.weights = {
            name: torch.nn.Parameter(
                value.float().to(memory_format=torch.channels_last) if value.ndim == 4 else value.float()
            )
            for name, value in state.items()
        }
        self._mean, self._std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))

    def features(self, image: Tensor, layers: Sequence[str] = COMPACT_LAYERS) -> dict[str, Tensor]:
        """Return the features of images, (N, 3, H, W) in [0, 1], by layer."""
        x = ((image - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        return compact_activations(x, self.weights, layers)

    def training_loss(self, stylized: Tensor, content: Tensor, style: Tensor) -> Tensor:
        """Return the loss that trains a style, for each image, without gradients for the student."""
        frozen = {name: weight.detach() for name, weight in self.weights.items()}
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                target = compact_activations((content - self._mean) / self._std, frozen, (CONTENT_LAYER,))[
                    CONTENT_LAYER
                ]
                grams = compact_activations((style - self._mean) / self._std, frozen, STYLE_LAYERS)
            found = compact_activations((stylized - self._mean) / self._std, frozen, COMPACT_LAYERS)
        style_grams = {layer: plain_gram(grams[layer]) for layer in STYLE_LAYERS}
        return training_loss(found, target, style_grams, DEFAULT_STYLE_WEIGHT)


def distillation_loss(student: Student, targets: Targets) -> dict[str, Tensor]:
    """Compare the student with its teacher.

    Args:
        student: The student.
        targets: The teacher's answers for some images.

    Returns:
        Terms of shape (N,), float32, each 0 at best. `feature.LAYER`, `content` and `gram.LAYER` are squared
        errors, 1 for a student that answers zero. `gradient.SCALE` is 1 less the cosine of the two gradients:
        a squared error would make an uncertain student answer faintly. `length` is the squared logarithm of
        the quotient of the gradients' lengths. Without gradients in `targets` these two are missing.
    """
    images = targets.images
    pixels = images.stylized.clone().requires_grad_(bool(targets.gradient.numel()))
    with torch.autocast("cpu", torch.bfloat16):
        found = student.features(pixels)
        content = student.features(images.content, (CONTENT_LAYER,))[CONTENT_LAYER]
        style = student.features(images.style, STYLE_LAYERS)
    grams = {layer: plain_gram(style[layer]) for layer in STYLE_LAYERS}
    terms = {}
    for layer in COMPACT_LAYERS:
        terms[f"feature.{layer}"] = relative_squared_error(found[layer], targets.features[layer])
    # The difference between image and photo is what the content loss measures.
    terms["content"] = relative_squared_error(
        found[CONTENT_LAYER] - content, targets.features[CONTENT_LAYER].float() - targets.content.float()
    )
    for layer in STYLE_LAYERS:
        wanted = targets.style_grams[layer]
        true_step = plain_gram(targets.features[layer]) - wanted
        step = plain_gram(found[layer]) - grams[layer]
        # Near the style the difference vanishes: without the second term its noise would have no bound.
        energy = true_step.square().sum((1, 2)) + 0.01 * wanted.square().sum()
        terms[f"gram.{layer}"] = (step - true_step).square().sum((1, 2)) / energy
    if not pixels.requires_grad:
        return terms
    losses = training_loss(found, content, grams, images.style_weight)
    (gradient,) = torch.autograd.grad(losses.sum(), pixels, create_graph=torch.is_grad_enabled())
    for scale in _GRADIENT_SCALES:
        mine, wanted = (F.avg_pool2d(g, scale).flatten(1) for g in (gradient, targets.gradient))
        terms[f"gradient.{scale}"] = 1 - F.cosine_similarity(mine, wanted)
        if scale == _GRADIENT_SCALES[0]:
            terms["length"] = (mine.norm(dim=1) / wanted.norm(dim=1)).log().square()
    return terms
