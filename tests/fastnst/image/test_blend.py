"""Blends: what they do with light, with strokes and with colours."""

from __future__ import annotations

import numpy as np
import pytest

from fastnst.color.oklab import lightness, rgb_to_oklab
from fastnst.image.blend import blend_pictures
from tests.fastnst.make_images import pixels


def plain(*colour: int, size: tuple[int, int] = (40, 50)) -> np.ndarray:
    return np.full((*size, 3), colour, np.uint8)


def hatched(size: int = 64, level: int = 128, contrast: int = 60) -> np.ndarray:
    stripes = np.where(np.arange(size) // 2 % 2, level + contrast, level - contrast)
    return np.broadcast_to(stripes[None, :, None], (size, size, 3)).astype(np.uint8)


def test_one_picture_is_itself() -> None:
    picture = pixels(5, 6)
    assert blend_pictures([picture], [0.3]) is picture


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (3, 7), (65, 40)])
def test_a_picture_with_itself_is_itself(size: tuple[int, int]) -> None:
    picture = pixels(*size)
    np.testing.assert_array_equal(blend_pictures([picture, picture, picture], [1, 2, 3]), picture)


def test_only_proportions_count_and_order_does_not() -> None:
    one, other = pixels(30, 40, 1), pixels(30, 40, 2)
    mixed = blend_pictures([one, other], [0.7, 0.3])
    np.testing.assert_array_equal(blend_pictures([one, other], [7, 3]), mixed)
    np.testing.assert_array_equal(blend_pictures([other, one], [0.3, 0.7]), mixed)
    assert (mixed != blend_pictures([one, other], [0.3, 0.7])).mean() > 0.5


def test_light_is_the_weighted_mean_and_follows_the_weight() -> None:
    dark, light = plain(60, 60, 60), plain(200, 200, 200)
    low, high = (lightness(picture)[0, 0] for picture in (dark, light))
    for share in (0.1, 0.3, 0.5, 0.9):
        mixed = lightness(blend_pictures([dark, light], [1 - share, share]))
        np.testing.assert_allclose(mixed, low + share * (high - low), atol=0.004)


def test_a_stroke_is_not_halved_where_the_other_picture_has_none() -> None:
    strokes, even = hatched(), plain(128, 128, 128, size=(64, 64))
    mixed = blend_pictures([strokes, even], [0.5, 0.5])
    contrasts = [lightness(picture)[16:48, 16:48].std() for picture in (strokes, mixed)]
    assert contrasts[1] > 0.95 * contrasts[0]  # a plain mean has half


def test_of_crossing_strokes_the_weight_decides() -> None:
    across, down = hatched(), hatched().swapaxes(0, 1)
    for weights, stronger in (([0.9, 0.1], 1), ([0.1, 0.9], 0)):
        mixed = lightness(blend_pictures([across, down], weights))[16:48, 16:48]
        along = [mixed.mean(axis=axis).std() for axis in (1, 0)]
        assert along[stronger] > 4 * along[1 - stronger]


def test_opposed_colours_do_not_turn_grey() -> None:
    orange, blue = plain(240, 120, 20), plain(70, 90, 140)
    mixed = rgb_to_oklab(blend_pictures([orange, blue], [0.5, 0.5]))[20, 20]
    ends = [rgb_to_oklab(picture)[20, 20] for picture in (orange, blue)]
    mean = np.hypot(*np.mean(ends, axis=0)[1:])
    assert np.hypot(*mixed[1:]) > 1.5 * mean
    assert np.hypot(*mixed[1:]) <= np.hypot(*ends[0][1:])
