"""Masks: every file that may be one, fitted to every photo."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst import FastnstError, FastnstWarning
from fastnst.image.mask import Mask, mix, normalized
from tests.fastnst.make_images import pixels

RAMP = np.linspace(0, 255, 24).round().astype(np.uint8).reshape(4, 6)


def saved(path: Path, image: Image.Image) -> Path:
    image.save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA", "LA", "I;16"])
def test_brightness_is_the_mask(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(RAMP.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(RAMP).convert(mode)
    mask = Mask(saved(tmp_path / "mask.png", image)).fit(4, 6)
    assert mask.dtype == np.float32
    np.testing.assert_allclose(mask, RAMP / 255, atol=1e-6)
    assert mask[0, 0] == 0
    assert mask[-1, -1] == 1


def test_a_mask_of_more_pixels_than_pillow_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "mask.png", Image.fromarray(RAMP > 100))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    np.testing.assert_array_equal(Mask(path).fit(4, 6), RAMP > 100)


def test_one_bit(tmp_path: Path) -> None:
    image = Image.fromarray(RAMP > 100)
    np.testing.assert_array_equal(Mask(saved(tmp_path / "mask.png", image)).fit(4, 6), RAMP > 100)


@pytest.mark.parametrize("level", [0, 255, None])
def test_transparency_is_the_mask_where_there_is_any(tmp_path: Path, level: int | None) -> None:
    colours = pixels(4, 6) if level is None else np.full((4, 6, 3), level, np.uint8)
    image = Image.fromarray(np.dstack([colours, RAMP]))
    mask = Mask(saved(tmp_path / "cutout.png", image)).fit(4, 6)
    np.testing.assert_allclose(mask, RAMP / 255, atol=1e-6)


@pytest.mark.parametrize(
    "values",
    [RAMP > 90, RAMP, RAMP.astype(np.uint16) * 257, RAMP / 255, (RAMP / 255).astype(np.float32)],
    ids=lambda values: str(values.dtype),
)
def test_arrays(values: np.ndarray) -> None:
    expected = values if values.dtype == bool else RAMP / 255
    np.testing.assert_allclose(Mask(values).fit(4, 6), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros((4, 6, 3)), r"shape \(height, width\), not \(4, 6, 3\)"),
        (np.zeros((0, 6)), "shape"),
        (np.zeros((4, 6), np.int32), "must be bool, uint8, uint16 or float, not int32"),
        (np.full((4, 6), 1.5), "from 0 to 1, not 1.5 to 1.5"),
        (np.full((4, 6), -0.1), "from 0 to 1"),
        (np.full((4, 6), np.nan), "from 0 to 1, not nan"),
    ],
)
def test_other_arrays_are_refused(values: np.ndarray, says: str) -> None:
    with pytest.raises(FastnstError, match=says):
        Mask(values)


def test_files_that_are_no_masks(tmp_path: Path) -> None:
    with pytest.raises(FastnstError, match=r"missing.png does not exist"):
        Mask(tmp_path / "missing.png")
    (tmp_path / "notes.png").write_bytes(b"notes")
    with pytest.raises(FastnstError, match=r"notes.png is no image"):
        Mask(str(tmp_path / "notes.png"))


def test_it_is_scaled_softly_and_stays_in_range() -> None:
    half = np.zeros((10, 20), np.uint8)
    half[:, 10:] = 255
    for size in ((100, 200), (5, 10), (1, 2)):
        fitted = Mask(half).fit(*size)
        assert fitted.shape == size
        assert (np.diff(fitted, axis=1) >= 0).all()
        assert fitted[0, 0] >= 0
        assert fitted[0, -1] <= 1
    soft = Mask(half).fit(100, 200)[0]
    assert soft[80] == 0
    assert soft[120] == 1
    assert ((soft > 0.05) & (soft < 0.95)).sum() >= 6
    checks = (np.indices((60, 60)).sum(axis=0) % 2).astype(bool)
    np.testing.assert_allclose(Mask(checks).fit(10, 10)[1:-1, 1:-1], 0.5, atol=0.02)


@pytest.mark.parametrize(
    ("mask", "photo"),
    [((100, 150), (50, 75)), ((1, 1), (300, 400)), ((7, 10), (683, 1024)), ((5, 3), (1000, 663))],
)
def test_a_mask_scaled_with_its_photo_is_no_surprise(mask: tuple[int, int], photo: tuple[int, int]) -> None:
    assert Mask(np.ones(mask)).fit(*photo).min() == 1


def test_other_proportions_are_said() -> None:
    with pytest.warns(FastnstWarning, match=r"mask \(400x300\) has other proportions .*: it is stretched"):
        Mask(np.ones((300, 400))).fit(400, 300)


def test_threads_share_one_mask() -> None:
    mask = Mask(np.random.default_rng(0).random((40, 60)))
    sizes = [(40 * i, 60 * i) for i in (1, 2, 3, 4)] * 8
    alone = {size: Mask(np.random.default_rng(0).random((40, 60))).fit(*size) for size in set(sizes)}
    with ThreadPoolExecutor(8) as pool:
        for size, fitted in zip(sizes, pool.map(lambda size: mask.fit(*size), sizes), strict=True):
            np.testing.assert_array_equal(fitted, alone[size])


def test_masks_that_overlap_share() -> None:
    one, other = np.float32([[0.2, 1, 0.6, 0]]), np.float32([[0.3, 1, 0.6, 0]])
    first, second = normalized([one, other])
    np.testing.assert_allclose(first, [[0.2, 0.5, 0.5, 0]], atol=1e-6)
    np.testing.assert_allclose(second, [[0.3, 0.5, 0.5, 0]], atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 70_000), (9, 30_000)])
def test_mixing_is_exact_at_the_ends(size: tuple[int, int]) -> None:
    below, above = pixels(*size, 1), pixels(*size, 2)
    where = np.random.default_rng(0).integers(0, 2, size).astype(np.float32)
    np.testing.assert_array_equal(mix(below, [(above, where)]), np.where(where[..., None] == 1, above, below))
    assert mix(below, [(above, 1.0)]) is above
    half = mix(below, [(above, 0.5)])
    np.testing.assert_array_equal(half, np.rint((below.astype(float) + above) / 2))
