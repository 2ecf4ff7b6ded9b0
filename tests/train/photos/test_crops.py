import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import RandomResizedCrop

from tests.train.make_photos import make_pixels
from train.photos.crops import random_crop, random_crop_box, reduction_for_crops


def rng(seed=0):
    return np.random.default_rng(seed)


@settings(deadline=None)
@given(width=st.integers(1, 5000), height=st.integers(1, 5000), seed=st.integers(0, 2**32))
def test_a_box_lies_inside_and_keeps_the_aspect_where_it_can(width, height, seed):
    left, top, right, bottom = random_crop_box(width, height, rng(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    box_width, box_height = right - left, bottom - top
    if min(width, height) >= 100:  # rounding to whole pixels moves the ratio of small boxes
        assert 0.73 < box_width / box_height < 1.37


def test_boxes_are_distributed_as_those_of_torchvision():
    image = torch.empty(3, 480, 640)
    generator = rng(1)
    ours = np.array([random_crop_box(640, 480, generator) for _ in range(3000)], dtype=float)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        theirs = np.array(
            [
                RandomResizedCrop.get_params(image, scale=[0.25, 1.0], ratio=[3 / 4, 4 / 3])
                for _ in range(3000)
            ],
            dtype=float,
        )
    top, left, height, width = theirs.T
    for mine, other in zip(ours.T, (left, top, left + width, top + height), strict=True):
        np.testing.assert_allclose(
            np.quantile(mine, [0.1, 0.5, 0.9]), np.quantile(other, [0.1, 0.5, 0.9]), atol=20
        )


def test_a_panorama_is_cropped_along_its_whole_length():
    generator = rng(0)
    lefts = [random_crop_box(2000, 100, generator)[0] for _ in range(200)]
    assert min(lefts) < 200
    assert max(lefts) > 1600


@settings(deadline=None)
@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    size=st.integers(16, 300),
    least=st.floats(0.01, 1),
    seed=st.integers(0, 2**32),
)
def test_no_crop_has_fewer_pixels_for_the_reduction(width, height, size, least, seed):
    """A photo is only reduced so far that its smallest crop still has a pixel for each of the result's."""
    factor = reduction_for_crops(width, height, size, (least, 1.0))
    left, top, right, bottom = random_crop_box(width, height, rng(seed), (least, least))
    assert factor == 1 or min(right - left, bottom - top) + 1 >= factor * size  # one, as boxes are rounded


def test_half_of_the_crops_are_mirrored():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :, 0] = np.arange(64) * 4  # brighter to the right
    crops = [random_crop(pixels, 16, rng(seed)).float() for seed in range(200)]
    mirrored = sum(crop[0, :, 0].mean() > crop[0, :, -1].mean() for crop in crops)
    assert 70 < mirrored < 130


def test_crops_leave_global_random_state_alone():
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    random_crop(make_pixels(48, 40), 16, rng())
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2])


def test_a_smaller_crop_is_a_part_of_the_whole_one_at_its_scale():
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(160), np.arange(120)[:, None]  # each pixel says where it is
    places = set()
    for seed in range(20):
        whole = random_crop(pixels, 64, rng(seed), (0.5, 1.0)).float()
        part = random_crop(pixels, 64, rng(seed), (0.5, 1.0), side=16).float()
        assert part.shape == (3, 16, 16)
        for channel in (0, 1):
            assert whole[channel].min() - 1 <= part[channel].min()
            assert part[channel].max() <= whole[channel].max() + 1
        for channel, dim in ((0, 1), (1, 0)):  # as many pixels of the photo to one of the crop
            expected = whole[channel].diff(dim=dim).abs().mean().item()
            assert part[channel].diff(dim=dim).abs().mean().item() == pytest.approx(expected, rel=0.1)
        places.add((int(part[0].min()), int(part[1].min())))
    assert len(places) > 10


def test_a_crop_of_the_full_side_is_the_crop_without_a_side():
    pixels = make_pixels(90, 70, 3, finest=2.0)
    one, other = (random_crop(pixels, 32, rng(5), **options) for options in ({}, {"side": 32}))
    assert torch.equal(one, other)
