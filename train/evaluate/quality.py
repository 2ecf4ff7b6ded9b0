"""The quality of a style: content lost (C) and style missed (S), measured alike for every style."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.image_tensor import image_to_tensor
from train.loss.gram_matrix import gram_matrix
from train.loss.loss_network import LossNetwork
from train.loss.perceptual_loss import relative_squared_error
from train.loss.vgg import VGGFeatures, load_vgg_state
from train.network.record import Quality

# The measure's own, independent of training's defaults: C and S of old styles stay comparable.
LOSS_NETWORK = "vgg19"
CONTENT_LAYERS = ("relu3_3", "relu4_1")
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_4", "relu4_1")


def load_quality_features(weights: str | os.PathLike[str] | None = None) -> LossNetwork:
    """Return the loss network of the measure: always VGG-19, whatever trained the style.

    Args:
        weights: A file to read instead of the download.

    Returns:
        VGG-19 up to the deepest layer of the measure.

    Raises:
        FastnstError: If the weights cannot be read or downloaded.
    """
    return VGGFeatures(LOSS_NETWORK, (*CONTENT_LAYERS, *STYLE_LAYERS), load_vgg_state(LOSS_NETWORK, weights))


@torch.no_grad()
def measure_quality(
    stylize: Callable[[Tensor], Tensor],
    photos: Sequence[NDArray[np.uint8]],
    style: Tensor,
    features: LossNetwork,
) -> Quality:
    """Measure C and S of a style on photos that its training never saw.

    Args:
        stylize: Maps a photo, float32 of shape (1, 3, H, W) in [0, 1], to its stylised image.
        photos: RGB photos, uint8 of shape (H, W, 3).
        style: The painting, float32 of shape (1, 3, H, W) in [0, 1], at the size it was trained at.
        features: The loss network, see `load_quality_features`, on the device of `style`.

    Returns:
        The measure.

    Raises:
        ValueError: If there are no photos.
    """
    if not photos:
        raise ValueError("the quality is measured on at least one photo")
    targets = {layer: gram_matrix(found) for layer, found in features(style, STYLE_LAYERS).items()}
    content: dict[str, list[float]] = {layer: [] for layer in CONTENT_LAYERS}
    style_missed: dict[str, list[float]] = {layer: [] for layer in STYLE_LAYERS}
    for photo in photos:
        image = image_to_tensor(photo).to(style.device)
        photo_features = features(image, CONTENT_LAYERS)
        # As a user sees it: within [0, 1], rounded to the 256 levels of a file.
        stylized = (stylize(image).float().clamp(0, 1) * 255).round() / 255
        found = features(stylized)
        for layer in CONTENT_LAYERS:
            content[layer].append(relative_squared_error(found[layer], photo_features[layer]).item())
        for layer in STYLE_LAYERS:
            style_missed[layer].append(
                relative_squared_error(gram_matrix(found[layer]), targets[layer]).item()
            )
    content_by_layer = {layer: fmean(values) for layer, values in content.items()}
    style_by_layer = {layer: fmean(values) for layer, values in style_missed.items()}
    return Quality(
        content=fmean(content_by_layer.values()),
        style=fmean(style_by_layer.values()),
        content_by_layer=content_by_layer,
        style_by_layer=style_by_layer,
        photos=len(photos),
        size=max(max(photo.shape[:2]) for photo in photos),
    )
