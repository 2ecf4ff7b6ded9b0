"""Colours: exact where nothing changes, and never another hue where something does."""

from __future__ import annotations

import numpy as np
import pytest

from fastnst.color.oklab import lightness, oklab_to_rgb, rgb_to_oklab, with_colours_of, with_lightness
from tests.fastnst.make_images import pixels


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        # From the tables of CSS Color 4, https://www.w3.org/TR/css-color-4/
        ((255, 255, 255), (1, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 255, 0), (0.86644, -0.23389, 0.17950)),
        ((0, 0, 255), (0.45201, -0.03246, -0.31153)),
        ((128, 128, 128), (0.59987, 0, 0)),
    ],
)
def test_known_colours(rgb: tuple[int, ...], lab: tuple[float, ...]) -> None:
    np.testing.assert_allclose(rgb_to_oklab(np.array(rgb, np.uint8)), lab, atol=2e-4)


def test_there_and_back_is_exact() -> None:
    levels = np.r_[0:256:5, 1, 2, 254].astype(np.uint8)
    every = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
    np.testing.assert_array_equal(oklab_to_rgb(rgb_to_oklab(every)), every)


def test_colours_out_of_srgb_keep_lightness_and_hue_and_as_much_chroma_as_there_is() -> None:
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    light, turn = np.meshgrid(np.linspace(0.25, 0.95, 15), angle, indexing="ij")
    wanted = np.stack([light, 0.4 * np.cos(turn), 0.4 * np.sin(turn)], axis=-1).astype(np.float32)
    got = rgb_to_oklab(oklab_to_rgb(wanted))
    np.testing.assert_allclose(got[..., 0], light, atol=0.006)
    chroma = np.hypot(got[..., 1], got[..., 2])
    colourful = chroma > 0.05
    assert colourful.mean() > 0.8
    off = np.angle(np.exp(1j * (np.arctan2(got[..., 2], got[..., 1]) - turn)))
    assert np.abs(off[colourful]).max() < np.radians(4)  # a byte's rounding; clipping turns by 30 and more
    # The most chroma is on the surface of sRGB: a channel is all or nothing.
    extremes = oklab_to_rgb(wanted)
    assert ((extremes.max(axis=-1) >= 253) | (extremes.min(axis=-1) <= 4)).all()


def test_lightness_outside_of_black_and_white_is_clipped() -> None:
    lab = np.array([[1.2, 0.1, 0], [-0.1, 0, 0.1]], np.float32)
    np.testing.assert_array_equal(oklab_to_rgb(lab), [[255] * 3, [0] * 3])


def test_a_picture_in_a_photos_colours() -> None:
    picture, photo = pixels(90, 70, 1), pixels(90, 70, 2) // 3 + 80
    recoloured = rgb_to_oklab(with_colours_of(picture, photo))
    np.testing.assert_allclose(recoloured[..., 0], rgb_to_oklab(picture)[..., 0], atol=0.008)
    before, after = rgb_to_oklab(photo)[..., 1:], recoloured[..., 1:]
    chroma = np.linalg.norm(before, axis=-1)
    assert (np.linalg.norm(after, axis=-1) <= chroma + 0.008).all()
    # What colour is left points where the photo's does.
    cross = before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]
    assert np.abs(cross / np.maximum(chroma, 0.03)).max() < 0.008
    np.testing.assert_array_equal(with_colours_of(photo, photo), photo)


@pytest.mark.parametrize("size", [(1, 1), (1, 70_000), (300, 500)])
def test_strips_make_no_difference(size: tuple[int, int]) -> None:
    picture = pixels(*size)
    plane = lightness(picture)
    np.testing.assert_array_equal(plane, rgb_to_oklab(picture)[..., 0])
    np.testing.assert_array_equal(with_lightness(picture, plane), picture)
