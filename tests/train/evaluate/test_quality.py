import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from tests.train.make_photos import make_pixels
from train.evaluate.quality import CONTENT_LAYERS, STYLE_LAYERS, measure_quality
from train.loss.vgg import VGGFeatures, random_vgg_state


@pytest.fixture(scope="module")
def features():
    layers = (*CONTENT_LAYERS, *STYLE_LAYERS)
    return VGGFeatures("vgg19", layers, random_vgg_state("vgg19", layers))


@pytest.fixture(scope="module")
def photos():
    return [make_pixels(40, 32, seed) for seed in range(2)] + [make_pixels(24, 48, 2)]


@pytest.fixture(scope="module")
def style():
    return torch.rand(1, 3, 36, 44, generator=torch.Generator().manual_seed(0))


def blur(image):
    small = interpolate(image, scale_factor=0.5, mode="area")
    return interpolate(small, size=image.shape[-2:], mode="nearest")


def reference(stylize, photos, style, features):
    """The design's formulas once more, in numpy and float64."""

    def activations(image):
        return {layer: value[0].numpy().astype(np.float64) for layer, value in features(image).items()}

    def gram(x):
        flat = x.reshape(len(x), -1)
        return flat @ flat.T / x.size

    painting = activations(style)
    content = {layer: [] for layer in CONTENT_LAYERS}
    missed = {layer: [] for layer in STYLE_LAYERS}
    for photo in photos:
        image = torch.from_numpy(photo.transpose(2, 0, 1)[None].astype(np.float32) / 255)
        levels = np.rint(stylize(image).numpy() * 255).clip(0, 255).astype(np.uint8)
        found = activations(torch.from_numpy(levels.astype(np.float32) / 255))
        wanted = activations(image)
        for layer in CONTENT_LAYERS:
            content[layer].append(((found[layer] - wanted[layer]) ** 2).sum() / (wanted[layer] ** 2).sum())
        for layer in STYLE_LAYERS:
            target = gram(painting[layer])
            missed[layer].append(((gram(found[layer]) - target) ** 2).sum() / (target**2).sum())
    return ({k: np.mean(v) for k, v in d.items()} for d in (content, missed))


def test_c_and_s_are_those_of_the_design(features, photos, style):
    quality = measure_quality(blur, photos, style, features)
    content, missed = reference(blur, photos, style, features)
    assert quality.content_by_layer == pytest.approx(content, rel=1e-3)
    assert quality.style_by_layer == pytest.approx(missed, rel=1e-3)
    assert quality.content == pytest.approx(np.mean(list(content.values())), rel=1e-3)
    assert quality.style == pytest.approx(np.mean(list(missed.values())), rel=1e-3)
    assert (quality.photos, quality.size) == (3, 48)


def test_the_photo_itself_loses_no_content(features, photos, style):
    quality = measure_quality(lambda photo: photo, photos, style, features)
    assert quality.content == 0
    assert quality.style > 0


def test_the_painting_itself_misses_no_style(features, photos, style):
    levels = (style * 255).round() / 255
    quality = measure_quality(lambda photo: levels, [make_pixels(44, 36)], levels, features)
    assert quality.style == pytest.approx(0, abs=1e-9)
    assert quality.content > 0


def test_values_out_of_range_are_clamped_as_in_a_file(features, photos, style):
    wild = measure_quality(lambda photo: 3 * photo - 1, photos, style, features)
    clamped = measure_quality(lambda photo: (3 * photo - 1).clamp(0, 1), photos, style, features)
    assert wild == clamped


def test_it_takes_at_least_one_photo(features, style):
    with pytest.raises(ValueError, match="at least one photo"):
        measure_quality(blur, [], style, features)
