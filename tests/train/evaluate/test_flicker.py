import pytest
import torch

from train.evaluate.flicker import flicker


def photo(height=200, width=240):
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(0.2 + 0.6 * coarse, size=(height, width), mode="bilinear")


def test_a_photo_flickers_by_its_change_of_light_and_noise():
    image = photo()
    # 2% of a mean of 0.5 are 2.5 levels; noise of 2 levels makes it a little more.
    assert flicker(lambda x: x, image, image) == pytest.approx(2.9, abs=0.3)


def test_strokes_that_move_with_the_photo_do_not_flicker_and_those_that_stay_do():
    def along(x):  # depends on the photo alone
        return x.round(decimals=1)

    def stays(x):  # a hatch that is fixed to the frame
        hatch = (torch.arange(x.shape[-1]) % 4 < 2).float()
        return (x + 0.2 * hatch).clamp(0, 1)

    image = photo()
    assert flicker(along, image, along(image)) < 0.5 * flicker(stays, image, stays(image))


@pytest.mark.parametrize("size", [(120, 300), (300, 120)])
def test_small_photos_are_not_measured(size):
    image = photo(*size)
    assert flicker(lambda x: x, image, image) is None
