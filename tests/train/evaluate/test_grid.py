import numpy as np
import pytest

from train.evaluate.grid import compose_grid


def test_the_painting_stands_left_of_the_photos_above_their_stylised_selves():
    style = np.full((40, 40, 3), (255, 0, 0), np.uint8)
    photos = [np.full((20, 30, 3), (0, 255, 0), np.uint8), np.full((10, 30, 3), (0, 0, 255), np.uint8)]
    stylized = [255 - photo for photo in photos]
    grid = compose_grid(style, photos, stylized)
    assert grid.mode == "RGB"
    assert grid.size == (3 * 30 + 4 * 8, 2 * 20 + 3 * 8)
    pixels = np.asarray(grid)
    assert pixels[32, 8 + 15].tolist() == [255, 0, 0]
    assert pixels[8 + 10, 46 + 15].tolist() == [0, 255, 0]
    assert pixels[36 + 10, 46 + 15].tolist() == [255, 0, 255]
    assert pixels[8 + 10, 84 + 15].tolist() == [0, 0, 255]  # the smaller photo, in the middle of its cell
    assert pixels[8 + 2, 84 + 15].tolist() == [255, 255, 255]
    assert pixels[0, 0].tolist() == [255, 255, 255]
    colours = {tuple(colour) for colour in pixels.reshape(-1, 3).tolist()}
    assert len(colours) == 6  # nothing is blended or missing


@pytest.mark.parametrize("count", [0, 1])
def test_photos_come_in_pairs(count):
    photo = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="in pairs"):
        compose_grid(photo, count * [photo], (1 - count) * [photo])
