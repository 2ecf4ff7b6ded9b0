"""The quality of a style: content lost (C) and style missed (S3), measured alike for every style."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.evaluate.flicker import flicker
from train.image_tensor import image_to_tensor
from train.loss.gram_matrix import gram_matrix
from train.loss.loss_network import LossNetwork
from train.loss.painting import Painting
from train.loss.perceptual_loss import relative_squared_error
from train.loss.scales import reduced, usable_scales
from train.loss.vgg import VGGFeatures, load_vgg_state
from train.network.record import Quality

# The measure's own, independent of training's defaults: C and S3 of old styles stay comparable.
LOSS_NETWORK = "vgg19"
CONTENT_LAYERS = ("relu3_3", "relu4_1")
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_4", "relu4_1")
STYLE_SCALES = (1, 2, 4)


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
    painting: Painting,
    features: LossNetwork,
    before_photo: Callable[[int], None] = lambda _: None,
) -> Quality:
    """Measure C, S3 and the flicker of a style on photos that its training never saw.

    C is the content term, mean over two layers. S3 is the style term, mean over four layers and three scales:
    stylised photo and painting as they are, and both reduced 2 and 4 times by averaging. The painting has 768
    px for every style, whatever size trained it: so styles and projects can be compared, and large shapes are
    seen. A photo too small for a scale is measured at the others (`train.loss.scales.usable_scales`). The
    flicker is that of a slow pan (`train.evaluate.flicker`).

    Args:
        stylize: Maps a photo, float32 of shape (1, 3, H, W) in [0, 1] on the device of `features`, to its
            stylised image.
        photos: RGB photos, uint8 of shape (H, W, 3).
        painting: The painting.
        features: The loss network, see `load_quality_features`.
        before_photo: Called with the number of photos that are done, before each.

    Returns:
        The measure.

    Raises:
        ValueError: If there are no photos.
    """
    if not photos:
        raise ValueError("the quality is measured on at least one photo")
    device = features.device
    trained_size = _gram_matrices(features(painting.to_tensor().to(device), STYLE_LAYERS))
    measured_size = image_to_tensor(painting.at_measured_size).to(device)
    targets = {
        scale: _gram_matrices(features(reduced(measured_size, scale), STYLE_LAYERS))
        for scale in usable_scales(STYLE_SCALES, measured_size)
    }
    content: dict[str, list[float]] = {layer: [] for layer in CONTENT_LAYERS}
    style: dict[str, list[float]] = {layer: [] for layer in STYLE_LAYERS}
    by_scale: dict[int, list[float]] = {}
    flickers: list[float] = []
    for done, photo in enumerate(photos):
        before_photo(done)
        image = image_to_tensor(photo).to(device)
        photo_features = features(image, CONTENT_LAYERS)
        # As a user sees it: within [0, 1], rounded to the 256 levels of a file.
        stylized = (stylize(image).float().clamp(0, 1) * 255).round() / 255
        if (moved := flicker(stylize, image, stylized)) is not None:
            flickers.append(moved)
        found = features(stylized)
        for layer in CONTENT_LAYERS:
            content[layer].append(relative_squared_error(found[layer], photo_features[layer]).item())
        grams = _gram_matrices({layer: found[layer] for layer in STYLE_LAYERS})
        for layer, missed in _style_missed(grams, trained_size).items():
            style[layer].append(missed)
        for scale in usable_scales(tuple(targets), stylized):
            if scale > 1:
                grams = _gram_matrices(features(reduced(stylized, scale), STYLE_LAYERS))
            by_scale.setdefault(scale, []).append(fmean(_style_missed(grams, targets[scale]).values()))
    content_by_layer = {layer: fmean(values) for layer, values in content.items()}
    style_by_layer = {layer: fmean(values) for layer, values in style.items()}
    style_by_scale = {scale: fmean(values) for scale, values in by_scale.items()}
    return Quality(
        content=fmean(content_by_layer.values()),
        style=fmean(style_by_scale.values()),
        style_by_scale=style_by_scale,
        style_at_trained_size=fmean(style_by_layer.values()),
        content_by_layer=content_by_layer,
        style_by_layer=style_by_layer,
        photos=len(photos),
        size=max(max(photo.shape[:2]) for photo in photos),
        flicker=fmean(flickers) if flickers else None,
    )


def _gram_matrices(features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {layer: gram_matrix(found) for layer, found in features.items()}


def _style_missed(found: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the style term of each layer, from the Gram matrices of one image and of the painting."""
    return {layer: relative_squared_error(gram, targets[layer]).item() for layer, gram in found.items()}
