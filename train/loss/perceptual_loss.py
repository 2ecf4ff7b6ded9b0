"""The perceptual loss that trains a style. Its terms are relative: one weighting fits every style."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.loss.gram_matrix import gram_matrix
from train.loss.loss_network import LossNetwork
from train.loss.repetition_loss import RepetitionLoss, concentration_of
from train.loss.scales import reduced, usable_scales
from train.loss.stability_loss import Disturbance, stability_loss

# Far below the energy of any features, and far enough above 0 that the quotient stays in float32's range.
_LEAST_ENERGY = 1e-20


def relative_squared_error(estimate: Tensor, target: Tensor) -> Tensor:
    """Return `sum |estimate - target|^2 / sum |target|^2` for each element of the batch.

    Args:
        estimate: Tensor of shape (N, ...).
        target: Tensor of shape (N, ...), or (1, ...) for one target that all share.

    Returns:
        Float32 of shape (N,): 0 where both are equal, 1 for an estimate of zero.
    """
    estimate, target = estimate.float().flatten(1), target.float().flatten(1)
    # A photo without any features would divide by zero, and end the run.
    energy = target.square().sum(1).clamp_min(_LEAST_ENERGY)
    return (estimate - target).square().sum(1) / energy


def total_variation(image: Tensor) -> Tensor:
    """Return the anisotropic total variation: the mean absolute difference of neighbouring pixels.

    Args:
        image: Images of shape (N, C, H, W).

    Returns:
        Float32 scalar, the mean over the batch.
    """
    image = image.float()
    vertical = (image[..., 1:, :] - image[..., :-1, :]).abs()
    horizontal = (image[..., 1:] - image[..., :-1]).abs()
    # An image one pixel high has no vertical neighbours: 0, and not the mean of nothing.
    return sum((part.mean() for part in (vertical, horizontal) if part.numel()), start=image.new_zeros(()))


@dataclass(frozen=True)
class PerceptualLosses:
    """The terms of the loss, each a float32 scalar: unweighted, means over the batch.

    Attributes:
        total: The weighted sum, which training minimises.
        content: Mean over the content layers.
        style: Mean over the scales, and weighted mean over the style layers.
        tv: Total variation of the stylised images.
        repetition: How much more regular they are than photo and painting, see `RepetitionLoss`; mean over
            the scales.
        stability: How much the painting of a changed photo differs, see `stability_loss`; 0 where it was not
            compared.
        content_by_layer: The content term of each layer.
        style_by_layer: The style term of each layer, mean over the scales.
        style_by_scale: The style term of each scale, weighted mean over the style layers.
    """

    total: Tensor
    content: Tensor
    style: Tensor
    tv: Tensor
    repetition: Tensor
    stability: Tensor
    content_by_layer: Mapping[str, Tensor]
    style_by_layer: Mapping[str, Tensor]
    style_by_scale: Mapping[int, Tensor]

    def detach(self) -> PerceptualLosses:
        """Return the same numbers without their gradients, which would keep every activation in memory."""
        return PerceptualLosses(
            total=self.total.detach(),
            content=self.content.detach(),
            style=self.style.detach(),
            tv=self.tv.detach(),
            repetition=self.repetition.detach(),
            stability=self.stability.detach(),
            content_by_layer={layer: value.detach() for layer, value in self.content_by_layer.items()},
            style_by_layer={layer: value.detach() for layer, value in self.style_by_layer.items()},
            style_by_scale={scale: value.detach() for scale, value in self.style_by_scale.items()},
        )


@dataclass(frozen=True)
class StyleTargets:
    """What stylised images are compared with, of N paintings.

    Attributes:
        grams: Gram matrices by scale and layer, (N, C, C).
        concentration: By scale, the mean logarithm of the concentration, (N, 1); see `RepetitionLoss`.
    """

    grams: Mapping[tuple[int, str], Tensor]
    concentration: Mapping[int, Tensor]

    @classmethod
    def of_all(cls, targets: Sequence[StyleTargets]) -> StyleTargets:
        """Put those of several paintings together, one for each photo of a batch."""
        first = targets[0]
        return cls(
            {key: torch.cat([target.grams[key] for target in targets]) for key in first.grams},
            {
                key: torch.cat([target.concentration[key] for target in targets])
                for key in first.concentration
            },
        )


class PerceptualLoss(nn.Module):
    """Johnson's perceptual loss with terms relative to their targets (arXiv:1603.08155, section 3).

    * content: `sum |F(stylized) - F(content)|^2 / sum |F(content)|^2`, mean over the content layers;
    * style: `|G(stylized) - G(style)|_F^2 / |G(style)|_F^2`, mean over the style layers and over scales,
      with `G` the Gram matrix. At scale 4 the loss network sees both pictures reduced four times: its
      features, 50 pixels wide, then describe strokes and shapes of 200;
    * total variation of the stylised image;
    * repetition: lattices, which the paper's loss does not see: see `RepetitionLoss`; mean over the scales;
    * stability: a photo that changes a little must be painted alike, see `stability_loss`.

    A crop too small for a scale (`usable_scales`) is compared at the others.

    The paper has one scale, and divides by the number of elements instead. Its terms depend on the painting,
    the loss network and its input range, and their weights must be found for each painting. For a given
    painting and one scale this is the paper's loss with weights of the layers that the painting determines.

    The loss network is not a registered submodule and stays out of checkpoints; move it with
    `LossNetwork.to`. The painting's Gram matrices are buffers that move with this module; they are computed
    from the painting and never saved.

    Args:
        features: The frozen loss network; it must reach all of the layers.
        style: The painting, of shape (1, 3, H, W), RGB in [0, 1].
        content_layers: Layers of the content term, such as `relu3_3`.
        style_layers: Layers of the style term.
        style_layer_weights: One above 0 for each style layer; all equal by default. They are divided by
            their mean: only their ratios count.
        content_weight: Weight of the content term.
        style_weight: Weight of the style term.
        style_scales: Factors by which the style term reduces the images, rising from 1.
        tv_weight: Weight of the total variation.
        repetition_weight: Weight of the repetition.
        stability_weight: Weight of the stability.

    Raises:
        ValueError: If there are no style or content layers, not as many weights as style layers, the scales
            do not rise from 1, or `style` is not one RGB image.
    """

    style_layer_weights: Tensor

    def __init__(
        self,
        features: LossNetwork,
        style: Tensor,
        *,
        content_layers: Sequence[str],
        style_layers: Sequence[str],
        style_layer_weights: Sequence[float] | None = None,
        content_weight: float = 1.0,
        style_weight: float,
        style_scales: Sequence[int] = (1,),
        tv_weight: float = 0.0,
        repetition_weight: float = 0.0,
        stability_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if not content_layers or not style_layers:
            raise ValueError("the loss needs at least one content layer and one style layer")
        weights = torch.tensor(style_layer_weights or [1] * len(style_layers), dtype=torch.float32)
        if len(weights) != len(style_layers):
            raise ValueError(f"{len(style_layers)} style layers have {len(weights)} weights")
        if style.ndim != 4 or style.shape[:2] != (1, 3):
            raise ValueError(f"style must have shape (1, 3, H, W), got {tuple(style.shape)}")
        if tuple(style_scales[:1]) != (1,) or any(a >= b for a, b in itertools.pairwise(style_scales)):
            raise ValueError(f"the scales must rise from 1, got {tuple(style_scales)}")
        # A tuple hides the network from Module.__setattr__, which would register it.
        self._features = (features,)
        self.content_layers = tuple(content_layers)
        self.style_layers = tuple(style_layers)
        self.content_weight = content_weight
        self.style_weight = style_weight
        self.tv_weight = tv_weight
        self.repetition_weight = repetition_weight
        self.stability_weight = stability_weight
        self.style_scales = usable_scales(style_scales, style)
        self.repetition = nn.ModuleList(RepetitionLoss(reduced(style, scale)) for scale in self.style_scales)
        self.register_buffer(
            "style_layer_weights", (weights / weights.mean()).to(style.device), persistent=False
        )
        for (scale, layer), gram in self._grams(style).items():
            self.register_buffer(f"gram_{scale}_{layer}", gram, persistent=False)

    @property
    def features(self) -> LossNetwork:
        """The loss network."""
        return self._features[0]

    def targets_of(self, painting: Tensor) -> StyleTargets:
        """Return the targets of another painting than the one that the loss was made with.

        Args:
            painting: Shape (1, 3, H, W), RGB in [0, 1], its smaller side 16 pixels or more at each scale.
        """
        return StyleTargets(
            self._grams(painting),
            {scale: concentration_of(reduced(painting, scale)).view(1, 1) for scale in self.style_scales},
        )

    @torch.no_grad()
    def _grams(self, painting: Tensor) -> dict[tuple[int, str], Tensor]:
        found = {}
        for scale in self.style_scales:
            features = self.features(reduced(painting, scale), self.style_layers)
            for layer in self.style_layers:
                found[scale, layer] = gram_matrix(features[layer])
        return found

    @torch.no_grad()
    def photo_features(self, content: Tensor) -> dict[str, Tensor]:
        """Return what the content term compares with, of photos of shape (N, 3, H, W), RGB in [0, 1]."""
        return self.features(content, self.content_layers)

    def forward(
        self,
        stylized: Tensor,
        content: Tensor,
        disturbed: tuple[Tensor, Disturbance] | None = None,
        targets: StyleTargets | None = None,
        *,
        photo: Mapping[str, Tensor] | None = None,
    ) -> PerceptualLosses:
        """Compare stylised images with their photos and with the painting.

        Args:
            stylized: Stylised images of shape (N, 3, H, W), RGB in [0, 1]; gradients flow to these.
            content: The photos, of the same shape.
            disturbed: Stylised photos that changed a little, and the change, for the stability.
            targets: Those of other paintings, one for each photo; by default the painting's.
            photo: What `photo_features` returned, where several pictures of the same photos are compared.

        Returns:
            The total and its terms.

        Raises:
            ValueError: If the shapes differ.
        """
        if stylized.shape != content.shape:
            raise ValueError(f"stylized is {tuple(stylized.shape)} but content is {tuple(content.shape)}")
        features = self.features
        if photo is None:
            photo = self.photo_features(content)
        scales = usable_scales(self.style_scales, stylized)
        pictures = {scale: reduced(stylized, scale) for scale in scales}
        found = features(stylized, (*self.content_layers, *self.style_layers))
        content_by_layer = {
            layer: relative_squared_error(found[layer], photo[layer]).mean() for layer in self.content_layers
        }
        # One row of style terms for each scale, one column for each layer.
        style = torch.stack(
            [
                self._style_terms(
                    scale,
                    found if scale == 1 else features(pictures[scale], self.style_layers),
                    targets,
                )
                for scale in scales
            ]
        )
        content_loss = torch.stack(list(content_by_layer.values())).mean()
        style_by_scale = (style * self.style_layer_weights).mean(1)
        style_loss = style_by_scale.mean()
        zero = stylized.new_zeros((), dtype=torch.float32)
        tv_loss = total_variation(stylized) if self.tv_weight else zero
        repetition = zero
        if self.repetition_weight:
            terms = [
                term(
                    pictures[scale],
                    reduced(content, scale),
                    None if targets is None else targets.concentration[scale],
                )
                for scale, term in zip(scales, self.repetition, strict=False)
            ]
            repetition = torch.stack(terms).mean()
        stability_term = zero if disturbed is None else stability_loss(stylized, *disturbed)
        total = (
            self.content_weight * content_loss
            + self.style_weight * style_loss
            + self.tv_weight * tv_loss
            + self.repetition_weight * repetition
            + self.stability_weight * stability_term
        )
        return PerceptualLosses(
            total,
            content_loss,
            style_loss,
            tv_loss,
            repetition,
            stability_term,
            content_by_layer,
            dict(zip(self.style_layers, style.mean(0), strict=True)),
            dict(zip(scales, style_by_scale, strict=True)),
        )

    def _style_terms(self, scale: int, found: Mapping[str, Tensor], targets: StyleTargets | None) -> Tensor:
        """Return the style term of each layer, from the features of stylised images at a scale."""
        return torch.stack(
            [
                relative_squared_error(
                    gram_matrix(found[layer]),
                    self.get_buffer(f"gram_{scale}_{layer}")
                    if targets is None
                    else targets.grams[scale, layer],
                ).mean()
                for layer in self.style_layers
            ]
        )
