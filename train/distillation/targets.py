"""The teacher's answers for images: its features in few coordinates, and the gradient of the pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from train.config import DEFAULT_STYLE_LAYERS, TrainingConfig
from train.distillation.images import ImageGroup
from train.loss.compact import COMPACT_LAYERS, head_channels
from train.loss.gram_matrix import gram_matrix
from train.loss.perceptual_loss import relative_squared_error
from train.loss.vgg import VGGFeatures, weight_keys

TEACHER = "vgg19"
# Torchvision's names of its convolutions up to relu4_1.
TEACHER_KEYS = tuple(weight_keys(TEACHER, COMPACT_LAYERS).values())
# The default layers of training's loss.
(CONTENT_LAYER,) = TrainingConfig.content_layers
STYLE_LAYERS = DEFAULT_STYLE_LAYERS[TEACHER]


@dataclass(frozen=True)
class Targets:
    """The teacher's answers for an `ImageGroup` of N images, in the compact network's coordinates.

    Attributes:
        images: The images.
        features: Features of the stylised images, by layer, (N, K, H', W'); half precision.
        content: `CONTENT_LAYER` of the photos, likewise.
        style_grams: Gram matrices of the style, by layer, (1, K, K).
        gradient: Gradient of each image's training loss by its pixels, (N, 3, H, W); may be empty.
        losses: The training loss of each image, (N,).
    """

    images: ImageGroup
    features: Mapping[str, Tensor]
    content: Tensor
    style_grams: Mapping[str, Tensor]
    gradient: Tensor
    losses: Tensor


@dataclass(frozen=True)
class Basis:
    """The principal directions of the teacher's features, for each layer.

    They are computed from the features themselves, without subtracting the mean, as Gram matrices are. All
    directions of a layer are scaled by one factor, to an energy of about 1 a channel.

    Attributes:
        kernels: By layer, (K, C, 1, 1).
        kept: By layer, the fraction of the Gram matrix's squared Frobenius norm that they keep.
    """

    kernels: Mapping[str, Tensor]
    kept: Mapping[str, float]


@torch.no_grad()
def find_basis(features: VGGFeatures, images: Sequence[Tensor]) -> Basis:
    """Find the principal directions of the teacher's features.

    Args:
        features: VGG-19 with all of `COMPACT_LAYERS`.
        images: Images, each (1, 3, H, W) in [0, 1].

    Returns:
        As many directions as the compact network has channels.
    """
    moments: dict[str, Tensor] = {}
    for image in images:
        for layer, found in features(image).items():
            flat = found[0].flatten(1).double()
            moments[layer] = moments.get(layer, torch.zeros(())) + flat @ flat.T / flat.shape[1]
    kernels, kept = {}, {}
    for layer, moment in moments.items():
        energies, directions = torch.linalg.eigh(moment / len(images))
        energies, directions = energies.flip(0), directions.flip(1)
        count = head_channels(layer)
        scale = (energies[:count].sum() / count).rsqrt()
        kernels[layer] = (directions[:, :count].T * scale).float()[:, :, None, None]
        kept[layer] = float(energies[:count].square().sum() / energies.square().sum())
    return Basis(kernels, kept)


class TeacherNetwork:
    """VGG-19, whose answers are in the compact network's coordinates.

    Args:
        features: VGG-19 with all of `COMPACT_LAYERS`.
        basis: See `find_basis`.
    """

    def __init__(self, features: VGGFeatures, basis: Basis) -> None:
        self._features = features
        self._basis = basis.kernels

    def __call__(self, images: ImageGroup, *, gradient: bool = True) -> Targets:
        """Return the teacher's answers for images, computed in bfloat16.

        Args:
            images: The images.
            gradient: Whether to compute the gradient, which costs as much as the rest.

        Returns:
            The answers; without `gradient`, the gradient and the losses are empty.
        """
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                content = self._features(images.content, (CONTENT_LAYER,))[CONTENT_LAYER]
                style = self._features(images.style, STYLE_LAYERS)
            pixels = images.stylized.clone().requires_grad_(gradient)
            found = self._features(pixels)
        losses = pixel_gradient = torch.empty(0)
        if gradient:
            grams = {layer: gram_matrix(style[layer]) for layer in STYLE_LAYERS}
            losses = training_loss(found, content, grams, images.style_weight)
            (pixel_gradient,) = torch.autograd.grad(losses.sum(), pixels)
        return Targets(
            images,
            {layer: self._project(found[layer].detach(), layer).half() for layer in COMPACT_LAYERS},
            self._project(content, CONTENT_LAYER).half(),
            {layer: gram_matrix(self._project(style[layer], layer)) for layer in STYLE_LAYERS},
            pixel_gradient,
            losses.detach(),
        )

    def _project(self, features: Tensor, layer: str) -> Tensor:
        return F.conv2d(features.float(), self._basis[layer])


def training_loss(
    features: Mapping[str, Tensor], content: Tensor, style_grams: Mapping[str, Tensor], style_weight: float
) -> Tensor:
    """Return the content and style terms of the loss that trains a style, for each image.

    Args:
        features: Features of the stylised images, by layer.
        content: `CONTENT_LAYER` of the photos.
        style_grams: Gram matrices of the style, by layer.
        style_weight: Weight of the style term.

    Returns:
        Float32 of shape (N,).
    """
    style = torch.stack(
        [relative_squared_error(plain_gram(features[layer]), style_grams[layer]) for layer in STYLE_LAYERS]
    )
    return relative_squared_error(features[CONTENT_LAYER], content) + style_weight * style.mean(0)


def plain_gram(features: Tensor) -> Tensor:
    """Return the same as `gram_matrix`, in float32; this function can be differentiated twice."""
    flat = features.float().flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])
