import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from tests.train.make_photos import make_pixels
from train.evaluate.quality import CONTENT_LAYERS, STYLE_LAYERS, measure_quality
from train.loss.painting import Painting
from train.loss.vgg import VGGFeatures, random_vgg_state


@pytest.fixture(scope="module")
def features():
    layers = (*CONTENT_LAYERS, *STYLE_LAYERS)
    return VGGFeatures("vgg19", layers, random_vgg_state("vgg19", layers))


@pytest.fixture(scope="module")
def photos():
    return [make_pixels(66, 70, 0), make_pixels(40, 32, 1), make_pixels(24, 48, 2)]


@pytest.fixture(scope="module")
def style():
    """A painting with two sizes, of different pixels."""
    return Painting(make_pixels(36, 44, 8), make_pixels(90, 70, 9), "")


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

    def averaged(image, scale):
        pixels = image[0].numpy().astype(np.float64)
        height, width = (side // scale for side in pixels.shape[1:])
        blocks = pixels[:, : height * scale, : width * scale].reshape(3, height, scale, width, scale)
        return torch.from_numpy(blocks.mean((2, 4))[None].astype(np.float32))

    def to_image(pixels):
        return torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255)

    def difference(found, wanted, layer):
        target = gram(wanted[layer])
        return ((gram(found[layer]) - target) ** 2).sum() / (target**2).sum()

    painting = activations(to_image(style.pixels))
    by_scale = {1: [], 2: [], 4: []}
    content = {layer: [] for layer in CONTENT_LAYERS}
    missed = {layer: [] for layer in STYLE_LAYERS}
    for photo in photos:
        image = to_image(photo)
        levels = np.rint(stylize(image).numpy() * 255).clip(0, 255).astype(np.uint8)
        stylized = torch.from_numpy(levels.astype(np.float32) / 255)
        found = activations(stylized)
        wanted = activations(image)
        for layer in CONTENT_LAYERS:
            content[layer].append(((found[layer] - wanted[layer]) ** 2).sum() / (wanted[layer] ** 2).sum())
        for layer in STYLE_LAYERS:
            missed[layer].append(difference(found, painting, layer))
        for scale, values in by_scale.items():
            if min(photo.shape[:2]) // scale >= 16:
                reduced = activations(averaged(stylized, scale))
                target = activations(averaged(to_image(style.at_measured_size), scale))
                values.append(np.mean([difference(reduced, target, layer) for layer in STYLE_LAYERS]))
    return ({k: np.mean(v) for k, v in d.items() if v} for d in (content, missed, by_scale))


def test_c_and_s3_are_those_of_the_design(features, photos, style):
    quality = measure_quality(blur, photos, style, features)
    content, missed, by_scale = reference(blur, photos, style, features)
    assert quality.content_by_layer == pytest.approx(content, rel=1e-3)
    assert quality.style_by_layer == pytest.approx(missed, rel=1e-3)
    assert quality.content == pytest.approx(np.mean(list(content.values())), rel=1e-3)
    assert quality.style_at_trained_size == pytest.approx(np.mean(list(missed.values())), rel=1e-3)
    assert list(by_scale) == [1, 2, 4]
    assert quality.style_by_scale == pytest.approx(by_scale, rel=1e-3)
    assert quality.style == pytest.approx(np.mean(list(by_scale.values())), rel=1e-3)
    assert (quality.photos, quality.size) == (3, 70)
    assert quality.flicker is None  # the photos are too small


def test_the_photo_itself_loses_no_content(features, photos, style):
    quality = measure_quality(lambda photo: photo, photos, style, features)
    assert quality.content == 0
    assert quality.style > 0


def test_the_painting_itself_misses_no_style(features, photos, style):
    pixels = style.at_measured_size
    levels = torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    painting = Painting(pixels, pixels, "")
    quality = measure_quality(lambda photo: levels, [make_pixels(90, 70)], painting, features)
    assert list(quality.style_by_scale) == [1, 2, 4]
    assert quality.style == pytest.approx(0, abs=1e-9)
    assert quality.style_at_trained_size == pytest.approx(0, abs=1e-9)
    assert quality.content > 0
    assert quality.flicker is None


def test_values_out_of_range_are_clamped_as_in_a_file(features, photos, style):
    wild = measure_quality(lambda photo: 3 * photo - 1, photos, style, features)
    clamped = measure_quality(lambda photo: (3 * photo - 1).clamp(0, 1), photos, style, features)
    assert wild == clamped


def test_it_takes_at_least_one_photo(features, style):
    with pytest.raises(ValueError, match="at least one photo"):
        measure_quality(blur, [], style, features)


def test_photos_that_are_large_enough_tell_the_flicker(style, features):
    done = []
    photos = [make_pixels(160, 170), make_pixels(90, 200)]
    quality = measure_quality(lambda photo: photo, photos, style, features, done.append)
    assert 0 < quality.flicker < 6
    assert done == [0, 1]
