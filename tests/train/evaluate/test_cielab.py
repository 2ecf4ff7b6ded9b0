import numpy as np
import pytest
from skimage.color import rgb2lab

from tests.train.make_photos import make_pixels
from train.evaluate.cielab import colour_distance, rgb_to_lab


def test_conversion_is_that_of_scikit_image():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    pixels[0, :4] = [(0, 0, 0), (255, 255, 255), (3, 2, 1), (255, 0, 255)]
    np.testing.assert_allclose(rgb_to_lab(pixels), rgb2lab(pixels), atol=0.02)


def test_a_picture_has_its_own_colours_wherever_they_are():
    pixels = make_pixels(40, 30)
    shuffled = np.random.default_rng(0).permutation(pixels.reshape(-1, 3)).reshape(20, 60, 3)
    assert colour_distance(pixels, shuffled) == 0


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (300, 400)])
def test_colours_that_are_off_by_d_are_d_away(size):
    """Of two greys, d is the difference of their L*, at every size."""
    dark, light = (np.full((*size, 3), level, np.uint8) for level in (60, 180))
    off = rgb_to_lab(light)[0, 0, 0] - rgb_to_lab(dark)[0, 0, 0]
    assert colour_distance(light, dark) == pytest.approx(off, rel=0.02)
    assert colour_distance(dark, light) == pytest.approx(colour_distance(light, dark))


def test_the_distance_in_one_dimension_is_that_of_the_sorted_values():
    greys = [
        np.random.default_rng(seed).integers(*limits, 500)
        for seed, limits in enumerate([(0, 200), (90, 255)])
    ]
    one, other = (np.repeat(grey[:, None, None], 3, axis=2).astype(np.uint8) for grey in greys)
    sorted_lightness = [np.sort(rgb_to_lab(image)[..., 0].ravel()) for image in (one, other)]
    expected = np.abs(sorted_lightness[0] - sorted_lightness[1]).mean()
    assert colour_distance(one, other) == pytest.approx(expected, rel=0.02)


def test_a_cast_and_lost_contrast_both_count():
    pixels = make_pixels(64, 64, seed=1)
    cast = np.clip(pixels + np.array([40, 0, -40]), 0, 255).astype(np.uint8)
    faded = (pixels * 0.5 + 64).astype(np.uint8)
    assert colour_distance(cast, pixels) > 10
    assert colour_distance(faded, pixels) > 10
