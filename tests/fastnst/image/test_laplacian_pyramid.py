from __future__ import annotations

import numpy as np
import pytest

from fastnst.image.laplacian_pyramid import join, local_energy, resized, split


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (3, 7), (64, 64), (33, 50, 2)])
@pytest.mark.parametrize("levels", [0, 1, 5])
def test_what_is_split_can_be_joined(shape: tuple[int, ...], levels: int) -> None:
    planes = np.random.default_rng(0).random(shape, np.float32)
    bands, base = split(planes, levels)
    assert len(bands) == levels
    assert base.shape == tuple(-(-side // 2**levels) for side in shape[:2]) + shape[2:]
    np.testing.assert_allclose(join(bands, base), planes, atol=1e-6)


def test_each_band_holds_detail_of_its_size() -> None:
    """Stripes of 2 pixels are in the first band, of 16 in the third; an even plane is in none."""
    for width, strongest in ((1, 0), (8, 2)):
        stripes = np.tile(np.repeat(np.float32([0, 1]), width), 128 // width // 2)
        bands, _ = split(np.tile(stripes, (128, 1)), 5)
        assert np.argmax([np.square(band).mean() for band in bands]) == strongest
    bands, base = split(np.full((20, 30), 0.3, np.float32), 3)
    for band in bands:
        np.testing.assert_allclose(band, 0, atol=1e-6)
    np.testing.assert_allclose(base, 0.3, rtol=1e-6)


def test_energy_is_where_the_detail_is() -> None:
    band = np.zeros((40, 40, 2), np.float32)
    band[10, 10] = (3, 4)
    energy = local_energy(band)
    assert energy.shape == (40, 40)
    assert energy.sum() == pytest.approx(25, rel=0.05)
    assert energy[20:].max() == energy[:, 20:].max() == 0


def test_reducing_is_antialiased_and_enlarging_stays_in_range() -> None:
    checks = np.indices((64, 64)).sum(axis=0).astype(np.float32) % 2
    np.testing.assert_allclose(resized(checks, (8, 8)), 0.5, atol=0.02)
    larger = resized(checks[:4, :4], (60, 60))
    assert larger.min() >= 0
    assert larger.max() <= 1
