import numpy as np
import pytest
from PIL import Image

from fastnst import Stylizer
from tests.train.make_photos import make_pixels
from train.evaluate.grid import compose_grid
from train.image_tensor import image_to_tensor, tensor_to_image
from train.report.first_look import FirstLook
from train.report.preview import PreviewGrid


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


def test_the_first_look_is_what_the_network_for_any_painting_paints(tiny_module, tmp_path, caplog):
    Image.fromarray(make_pixels(80, 72, 5)).save(tmp_path / "painting.png")
    photos = [make_pixels(32, 24, seed) for seed in range(2)]
    preview = PreviewGrid(tmp_path / "grid.png", photos, every_seconds=0)
    caplog.set_level("INFO")
    preview.show_first_look(tiny_module, FirstLook(tmp_path / "painting.png", preview.photos), None)
    with Image.open(tmp_path / "grid.png") as grid:
        found = np.asarray(grid)
    stylizer = Stylizer(tmp_path / "painting.png", device="cpu")
    expected = compose_grid(tiny_module.style.pixels, photos, [stylizer(photo) for photo in photos])
    np.testing.assert_array_equal(found, np.asarray(expected))
    assert "first look" in caplog.text


def test_a_painting_too_small_for_a_first_look_does_not_end_the_run(tiny_module, tmp_path, caplog):
    Image.fromarray(make_pixels(20, 20)).save(tmp_path / "small.png")
    preview = PreviewGrid(tmp_path / "grid.png", [make_pixels(16, 16)], every_seconds=0)
    preview.show_first_look(tiny_module, FirstLook(tmp_path / "small.png", preview.photos), None)
    assert "no first look" in caplog.text
    assert not (tmp_path / "grid.png").exists()
