"""The photo's fine detail: as much as there was, where it was, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fastnst.color.oklab import lightness, rgb_to_oklab
from fastnst.image.detail import restore_detail
from tests.fastnst.make_images import pixels


def reduced(photo: np.ndarray, times: int) -> np.ndarray:
    """What a style that changes nothing makes of the photo at a smaller size, enlarged again."""
    image = Image.fromarray(photo)
    small = image.resize((image.width // times, image.height // times), Image.Resampling.LANCZOS)
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC))


def edge(size: int = 96, dark: int = 70, light: int = 190) -> np.ndarray:
    across = np.where(np.arange(size) < size // 2 + 1, dark, light)
    return np.broadcast_to(across[None, :, None], (size, size, 3)).astype(np.uint8)


@pytest.mark.parametrize("times", [2, 3, 6])
def test_of_a_picture_that_lost_only_detail_it_restores_the_photo(times: int) -> None:
    photo = edge()
    blurred = reduced(photo, times)
    restored = [restore_detail(blurred, photo, times, amount) for amount in (0.5, 1)]
    errors = [np.abs(picture.astype(int) - photo).mean() for picture in (blurred, *restored)]
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < 0.5 * errors[0]


def test_an_edge_has_no_halo() -> None:
    photo = edge()
    restored = restore_detail(reduced(photo, 4), photo, 4, 1)
    ringing = max(70 - int(restored.min()), int(restored.max()) - 190)
    blurred = reduced(photo, 4)
    assert ringing <= max(70 - int(blurred.min()), int(blurred.max()) - 190) + 2
    # One edge, not two: the lightness climbs once.
    middle = restored[48, 30:66, 0].astype(int)
    assert np.diff(middle).min() >= -8
    assert np.abs(np.diff(middle)).argmax() + 30 == 48


def test_fine_texture_comes_back_in_full_and_by_amount() -> None:
    photo = np.repeat(pixels(64, 64, channels=1) // 3 + 80, 3, axis=2)
    painted = np.full_like(photo, (200, 120, 60))
    contrasts = [lightness(restore_detail(painted, photo, 8, amount)).std() for amount in (0, 0.3, 0.6, 1)]
    assert contrasts == sorted(contrasts)
    assert contrasts[-1] > 0.9 * lightness(photo).std()
    hues = rgb_to_oklab(restore_detail(painted, photo, 8, 1))[..., 1:].mean(axis=(0, 1))
    np.testing.assert_allclose(hues, rgb_to_oklab(painted)[0, 0, 1:], atol=0.02)


def test_strokes_larger_than_what_was_lost_stay() -> None:
    strokes = np.where(np.arange(128) // 16 % 2, 60, 200)
    painted = np.broadcast_to(strokes[None, :, None], (128, 128, 3)).astype(np.uint8)
    photo = np.repeat(pixels(128, 128, channels=1), 3, axis=2)
    restored = restore_detail(painted, photo, 2, 1)
    columns = lightness(restored).mean(axis=0)
    assert np.corrcoef(columns, lightness(painted).mean(axis=0))[0, 1] > 0.97


@pytest.mark.parametrize(("reduction", "amount"), [(1, 1), (0.5, 1), (4, 0)])
def test_where_nothing_was_lost_or_wanted_nothing_is_done(reduction: float, amount: float) -> None:
    picture = pixels(9, 9)
    assert restore_detail(picture, pixels(9, 9, 1), reduction, amount) is picture


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3, 7)])
def test_any_size(size: tuple[int, int]) -> None:
    picture = restore_detail(pixels(*size), pixels(*size, 1), 50, 1)
    assert picture.shape == (*size, 3)
