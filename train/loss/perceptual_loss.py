"""The perceptual loss that trains a style. Its terms are relative: one weighting fits every style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.loss.gram_matrix import gram_matrix
from train.loss.loss_network import LossNetwork
from train.loss.repetition_loss import RepetitionLoss

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
        style: Weighted mean over the style layers.
        tv: Total variation of the stylised images.
        repetition: How much more regular they are than photo and painting, see `RepetitionLoss`.
        content_by_layer: The content term of each layer.
        style_by_layer: The style term of each layer.
    """

    total: Tensor
    content: Tensor
    style: Tensor
    tv: Tensor
    repetition: Tensor
    content_by_layer: Mapping[str, Tensor]
    style_by_layer: Mapping[str, Tensor]

    def detach(self) -> PerceptualLosses:
        """Return the same numbers without their gradients, which would keep every activation in memory."""
        return PerceptualLosses(
            total=self.total.detach(),
            content=self.content.detach(),
            style=self.style.detach(),
            tv=self.tv.detach(),
            repetition=self.repetition.detach(),
            content_by_layer={layer: value.detach() for layer, value in self.content_by_layer.items()},
            style_by_layer={layer: value.detach() for layer, value in self.style_by_layer.items()},
        )


class PerceptualLoss(nn.Module):
    """Johnson's perceptual loss with terms relative to their targets (arXiv:1603.08155, section 3).

    * content: `sum |F(stylized) - F(content)|^2 / sum |F(content)|^2`, mean over the content layers;
    * style: `|G(stylized) - G(style)|_F^2 / |G(style)|_F^2`, mean over the style layers, with `G` the
      Gram matrix;
    * total variation of the stylised image;
    * repetition: lattices, which the paper's loss does not see: see `RepetitionLoss`.

    The paper divides by the number of elements instead. Its terms depend on the painting, the loss network
    and its input range, and their weights must be found for each painting. For a given painting this is the
    paper's loss with weights of the layers that the painting itself determines.

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
        tv_weight: Weight of the total variation.
        repetition_weight: Weight of the repetition.

    Raises:
        ValueError: If there are no style or content layers, not as many weights as style layers, or `style`
            is not one RGB image.
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
        tv_weight: float = 0.0,
        repetition_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if not content_layers or not style_layers:
            raise ValueError("the loss needs at least one content layer and one style layer")
        weights = torch.tensor(style_layer_weights or [1] * len(style_layers), dtype=torch.float32)
        if len(weights) != len(style_layers):
            raise ValueError(f"{len(style_layers)} style layers have {len(weights)} weights")
        if style.ndim != 4 or style.shape[:2] != (1, 3):
            raise ValueError(f"style must have shape (1, 3, H, W), got {tuple(style.shape)}")
        # A tuple hides the network from Module.__setattr__, which would register it.
        self._features = (features,)
        self.content_layers = tuple(content_layers)
        self.style_layers = tuple(style_layers)
        self.content_weight = content_weight
        self.style_weight = style_weight
        self.tv_weight = tv_weight
        self.repetition_weight = repetition_weight
        self.repetition = RepetitionLoss(style)
        self.register_buffer(
            "style_layer_weights", (weights / weights.mean()).to(style.device), persistent=False
        )
        with torch.no_grad():
            targets = features(style, self.style_layers)
        for layer in self.style_layers:
            self.register_buffer(f"gram_{layer}", gram_matrix(targets[layer]), persistent=False)

    @property
    def features(self) -> LossNetwork:
        """The loss network."""
        return self._features[0]

    def forward(self, stylized: Tensor, content: Tensor) -> PerceptualLosses:
        """Compare stylised images with their photos and with the painting.

        Args:
            stylized: Stylised images of shape (N, 3, H, W), RGB in [0, 1]; gradients flow to these.
            content: The photos, of the same shape.

        Returns:
            The total and its terms.

        Raises:
            ValueError: If the shapes differ.
        """
        if stylized.shape != content.shape:
            raise ValueError(f"stylized is {tuple(stylized.shape)} but content is {tuple(content.shape)}")
        features = self.features
        with torch.no_grad():
            targets = features(content, self.content_layers)
        found = features(stylized, (*self.content_layers, *self.style_layers))
        content_by_layer = {
            layer: relative_squared_error(found[layer], targets[layer]).mean()
            for layer in self.content_layers
        }
        style_by_layer = {
            layer: relative_squared_error(gram_matrix(found[layer]), self.get_buffer(f"gram_{layer}")).mean()
            for layer in self.style_layers
        }
        content_loss = torch.stack(list(content_by_layer.values())).mean()
        style_loss = (torch.stack(list(style_by_layer.values())) * self.style_layer_weights).mean()
        tv_loss = total_variation(stylized) if self.tv_weight else stylized.new_zeros((), dtype=torch.float32)
        repetition = (
            self.repetition(stylized, content)
            if self.repetition_weight
            else stylized.new_zeros((), dtype=torch.float32)
        )
        total = (
            self.content_weight * content_loss
            + self.style_weight * style_loss
            + self.tv_weight * tv_loss
            + self.repetition_weight * repetition
        )
        return PerceptualLosses(
            total, content_loss, style_loss, tv_loss, repetition, content_by_layer, style_by_layer
        )
