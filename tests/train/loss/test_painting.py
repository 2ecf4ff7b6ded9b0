import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from fastnst.errors import FastnstError
from tests.train.make_photos import make_pixels
from train.loss.painting import load_style_image


def save(path, image, **options):
    image.save(path, **options)
    return path


def test_the_longer_side_gets_the_size_and_the_aspect_stays(tmp_path):
    wide = save(tmp_path / "wide.png", Image.fromarray(make_pixels(90, 60)))
    assert load_style_image(wide, 45).pixels.shape == (30, 45, 3)
    assert load_style_image(wide, 180).pixels.shape == (120, 180, 3)
    tall = save(tmp_path / "tall.png", Image.fromarray(make_pixels(60, 90)))
    assert load_style_image(tall, 45).pixels.shape == (45, 30, 3)
    sliver = save(tmp_path / "sliver.png", Image.new("RGB", (300, 1)))
    assert load_style_image(sliver, 32).pixels.shape == (1, 32, 3)


def test_at_its_own_size_a_painting_keeps_its_pixels_and_its_hash_is_the_files(tmp_path):
    pixels = make_pixels(40, 30)
    path = save(tmp_path / "painting.png", Image.fromarray(pixels))
    style = load_style_image(path, 40)
    np.testing.assert_array_equal(style.pixels, pixels)
    assert style.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    tensor = style.to_tensor()
    assert (tensor.shape, tensor.dtype) == ((1, 3, 30, 40), torch.float32)
    assert torch.equal(tensor[0, :, 7, 5], torch.tensor(pixels[7, 5]).float() / 255)


def test_the_exif_orientation_is_applied(tmp_path):
    pixels = make_pixels(40, 30)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    path = save(tmp_path / "turned.png", Image.fromarray(pixels), exif=exif)
    np.testing.assert_array_equal(load_style_image(path, 40).pixels, np.rot90(pixels, -1))


def test_transparency_lies_on_white(tmp_path):
    image = Image.new("RGBA", (32, 32), (200, 0, 0, 0))
    image.paste((0, 0, 200, 255), (0, 0, 16, 32))
    pixels = load_style_image(save(tmp_path / "cut-out.png", image), 32).pixels
    assert pixels[16, 4].tolist() == [0, 0, 200]
    assert pixels[16, 28].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "LA", "1", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    grey = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (32, 1))
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(grey).convert("RGB").convert(mode)
    pixels = load_style_image(save(tmp_path / "painting.tiff", image), 32).pixels
    assert pixels.shape == (32, 32, 3)
    if mode in ("L", "LA", "I;16"):
        np.testing.assert_allclose(pixels[..., 1], grey, atol=1)


def test_a_missing_file_says_how_to_give_one(tmp_path):
    with pytest.raises(FastnstError, match=r"no style image .*none\.jpg: .*--style FILE"):
        load_style_image(tmp_path / "none.jpg", 32)


@pytest.mark.parametrize("kind", ["folder", "empty", "text", "truncated"])
def test_a_file_that_is_no_image_is_one_line(tmp_path, kind):
    path = tmp_path / "painting.jpg"
    if kind == "folder":
        path.mkdir()
    elif kind == "truncated":
        save(path, Image.fromarray(make_pixels(64, 64)))
        path.write_bytes(path.read_bytes()[:900])
    else:
        path.write_bytes(b"" if kind == "empty" else b"not an image")
    with pytest.raises(FastnstError, match=str(path)) as error:
        load_style_image(path, 32)
    assert "\n" not in str(error.value)
