import numpy as np
import pytest
from PIL import Image

from tests.train.make_photos import make_pixels
from train.arbitrary import hands

HANDS = (hands._strokes, hands._tiles, hands._hatches, hands._bands)


def photo():
    return Image.fromarray(make_pixels(120, 90, 5))


def fineness(image):
    """Return the mean difference between neighbours, relative to the deviation."""
    grey = np.asarray(image.convert("L"), float)
    return np.abs(np.diff(grey, axis=1)).mean() / grey.std()


@pytest.mark.parametrize("hand", HANDS)
def test_a_hand_is_a_function_of_chance_and_keeps_the_size(hand):
    first, again, other = (hand(photo(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.size == (120, 90)
    assert first.mode == "RGB"
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize("hand", HANDS)
def test_the_smallest_picture_can_be_painted(hand):
    for seed in range(8):
        assert hand(photo().resize((1, 2)), np.random.default_rng(seed)).size == (1, 2)


def test_hands_differ_far_more_in_their_grain_than_photos_do():
    found = [fineness(hands.in_another_hand(photo(), np.random.default_rng(seed))) for seed in range(40)]
    photos = [fineness(Image.fromarray(make_pixels(120, 90, seed))) for seed in range(40)]
    assert np.std(found) > 3 * np.std(photos)


def test_strokes_keep_the_pictures_colours():
    dark, light = (Image.new("RGB", (100, 80), colour) for colour in ((30, 40, 60), (220, 210, 180)))
    means = [
        np.mean([np.asarray(hands._strokes(image, np.random.default_rng(seed))) for seed in range(6)])
        for image in (dark, light)
    ]
    assert means[1] - means[0] > 80
