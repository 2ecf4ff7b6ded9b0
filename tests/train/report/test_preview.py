import numpy as np
import pytest
import torch
from PIL import Image

from tests.train.make_photos import make_pixels
from train.image_tensor import image_to_tensor, tensor_to_image
from train.report.preview import PreviewGrid, compose_grid


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


def test_images_and_tensors_convert_without_loss():
    pixels = make_pixels(13, 7)
    tensor = image_to_tensor(pixels)
    assert tensor.shape == (1, 3, 7, 13)
    assert (tensor.min() >= 0) & (tensor.max() <= 1)
    np.testing.assert_array_equal(tensor_to_image(tensor), pixels)
    assert tensor_to_image(torch.tensor([-1.0, 0.5, 2.0]).view(1, 3, 1, 1)).tolist() == [[[0, 128, 255]]]


def test_the_picture_is_renewed_with_the_losses_on_its_photos(tiny_module, tmp_path):
    photos = [make_pixels(32, 24, seed) for seed in range(2)]
    preview = PreviewGrid(tmp_path / "new" / "grid.png", photos, every_seconds=0)
    metrics = preview.renew(tiny_module, step=3)
    with Image.open(tmp_path / "new" / "grid.png") as grid:
        found = np.asarray(grid)
    stylized = [tensor_to_image(tiny_module(image_to_tensor(photo))) for photo in photos]
    expected = compose_grid(tiny_module.style.pixels, photos, stylized)
    # Training adds the same products in another order.
    np.testing.assert_allclose(found.astype(int), np.asarray(expected, int), rtol=0, atol=1)
    alone = [tiny_module.compare(image_to_tensor(photo)) for photo in photos]
    for term in ("content", "style"):
        mean = np.mean([getattr(losses, term).item() for losses in alone])
        assert metrics[f"val/{term}_loss"] == pytest.approx(mean)


def test_a_picture_that_cannot_be_written_does_not_end_the_run(tiny_module, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    preview = PreviewGrid(tmp_path / "file" / "grid.png", [make_pixels(16, 16)], every_seconds=0)
    assert "val/style_loss" in preview.renew(tiny_module, step=3)
    assert "cannot write the preview" in caplog.text
