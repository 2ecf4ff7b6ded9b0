import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastnst.color.oklab import rgb_to_oklab
from train.generated.photo.image import GeneratedImage
from train.photos.generated import GeneratedPhotos, generated_photo
from train.photos.photo import decode_photo, whole_photo

ROOT = Path(__file__).parents[4]
COUNT = 32

DIGEST = """
import hashlib
from train.generated.photo.image import GeneratedImage
for number in {numbers}:
    print(hashlib.sha256(GeneratedImage(5, number).pixels(96).tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def images():
    return [GeneratedImage(0, number).pixels(512) for number in range(COUNT)]


def lightness(image):
    return rgb_to_oklab(image)[..., 0]


def thumbnail(image, side=24):
    """Reduce an image to a longer side, whose multiple its own is."""
    factor = max(image.shape) // side
    height, width, _ = image.shape
    blocks = image[: height // factor * factor, : width // factor * factor].astype(float)
    return blocks.reshape(height // factor, factor, width // factor, factor, 3).mean(axis=(1, 3))


def tile_deviations(image):
    """The standard deviation of grey within each tile of 16 x 16, in levels of 255."""
    grey = image.astype(float) @ (0.299, 0.587, 0.114)
    height, width = (16 * (side // 16) for side in grey.shape)
    return grey[:height, :width].reshape(height // 16, 16, width // 16, 16).std(axis=(1, 3)).ravel()


def spectral_slope(image):
    """The exponent of the power spectrum's fall with the frequency, between 4 and 64 cycles an image."""
    plane = lightness(image)
    side = min(plane.shape)
    plane = plane[:side, :side] - plane.mean()
    window = np.hanning(side)
    power = np.abs(np.fft.fft2(plane * window[:, None] * window)) ** 2
    cycles = np.fft.fftfreq(side) * side
    ring = np.hypot(cycles[:, None], cycles).astype(int)
    mean = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    rings = np.arange(4, 64)
    return np.polyfit(np.log(rings), np.log(mean[rings]), 1)[0]


def test_an_image_is_the_same_in_every_process_and_order():
    processes = [
        subprocess.run(
            [sys.executable, "-c", DIGEST.format(numbers=numbers)],
            cwd=ROOT,
            env={"OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for numbers, threads in (((0, 1, 2, 3), "1"), ((3, 1, 0, 2), "2"))
    ]
    one, other = processes
    assert len(set(one)) == 4
    assert [other[2], other[1], other[3], other[0]] == one


def test_images_have_the_shapes_of_photos(images):
    assert all(image.dtype == np.uint8 and image.shape[2] == 3 for image in images)
    assert all(max(image.shape) == 512 and min(image.shape[:2]) >= 341 for image in images)
    shapes = {image.shape[:2] for image in images}
    assert {(384, 512), (512, 384)} <= shapes


def test_an_image_of_another_size_shows_the_same():
    """But for the textures, which are as fine in pixels: they decide where one fills the frame."""
    alike = []
    for number in range(8):
        small, large = (thumbnail(GeneratedImage(1, number).pixels(side)) for side in (96, 384))
        assert small.shape == large.shape
        alike.append(np.corrcoef(small.ravel(), large.ravel())[0, 1])
    assert np.median(alike) > 0.8
    assert min(alike) > 0.3


@pytest.mark.parametrize("side", [1, 2, 7, 16])
def test_tiny_images(side):
    for number in range(6):
        image = GeneratedImage(2, number).pixels(side)
        assert max(image.shape[:2]) == side


def test_the_seed_and_the_number_decide():
    images = [GeneratedImage(seed, number).pixels(64).tobytes() for seed in range(3) for number in range(6)]
    assert len(set(images)) == len(images)


def test_the_power_spectrum_falls_as_that_of_photos(images):
    """About as 1/f^2 in power (Field 1987); COCO photos have -2.4, with a deviation of 0.4."""
    slopes = [spectral_slope(image) for image in images]
    assert -3.0 < np.mean(slopes) < -1.7


def test_most_images_have_both_even_and_busy_places(images):
    """Of the tiles of COCO photos a quarter vary by less than 5 levels, and 40% by more than 20."""
    deviations = [tile_deviations(image) for image in images]
    even = np.array([(tiles < 5).mean() for tiles in deviations])
    busy = np.array([(tiles > 20).mean() for tiles in deviations])
    assert 0.15 < even.mean() < 0.45
    assert 0.2 < busy.mean() < 0.6
    assert ((even > 0.02) & (busy > 0.02)).mean() > 0.8


def test_colours_are_in_the_range_of_photos(images):
    """COCO: lightness 0.53, with a deviation of 0.2 within a photo; chroma 0.044; bluish and yellowish."""
    lab = [rgb_to_oklab(image) for image in images]
    chroma = [np.hypot(image[..., 1], image[..., 2]).mean() for image in lab]
    assert 0.45 < np.mean([image[..., 0].mean() for image in lab]) < 0.65
    assert 0.15 < np.mean([image[..., 0].std() for image in lab]) < 0.25
    assert 0.025 < np.mean(chroma) < 0.065
    assert np.quantile(chroma, 0.9) > 0.06
    red_green, blue_yellow = (np.mean([image[..., axis].std() for image in lab]) for axis in (1, 2))
    assert blue_yellow > red_green


def test_black_and_white_are_reached_but_rarely_fill_an_image(images):
    clipped = np.array([((image == 0).all(-1) | (image == 255).all(-1)).mean() for image in images])
    assert 0 < clipped.mean() < 0.15


def test_held_out_images_are_always_the_same_and_never_trained_on():
    held_out = GeneratedPhotos(8).validation
    assert GeneratedPhotos(8).validation == held_out
    assert GeneratedPhotos(3).validation == held_out[:3]
    # More than any training sees.
    assert all(photo.source.number > 1e12 for photo in held_out)


def test_a_generated_photo_is_decoded_as_any_other():
    photo = generated_photo(3, 4)
    pixels = decode_photo(photo, 256)
    assert max(pixels.shape) == 512
    np.testing.assert_array_equal(pixels, GeneratedImage(3, 4).pixels(512))
    # Large crops are of larger images, as they would be enlarged otherwise.
    assert max(decode_photo(photo, 512).shape) == 640
    whole = whole_photo(photo, 200)
    assert max(whole.shape) == 200
    assert "4" in photo.name
    assert "3" in photo.name
