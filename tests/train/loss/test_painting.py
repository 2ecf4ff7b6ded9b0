import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastnst.errors import FastnstError
from tests.fastnst.make_images import png_header
from tests.fastnst.make_profiles import in_space
from tests.train.make_photos import make_pixels
from train.loss.painting import load_painting


def save(path, image, **options):
    image.save(path, **options)
    return path


def test_the_longer_side_gets_the_size_and_the_aspect_stays(tmp_path):
    wide = save(tmp_path / "wide.png", Image.fromarray(make_pixels(90, 60)))
    assert load_painting(wide, 45).pixels.shape == (30, 45, 3)
    assert load_painting(wide, 180).pixels.shape == (120, 180, 3)
    tall = save(tmp_path / "tall.png", Image.fromarray(make_pixels(60, 90)))
    assert load_painting(tall, 45).pixels.shape == (45, 30, 3)
    sliver = save(tmp_path / "sliver.png", Image.new("RGB", (300, 1)))
    assert load_painting(sliver, 32).pixels.shape == (1, 32, 3)


def test_at_its_own_size_a_painting_keeps_its_pixels_and_its_hash_is_the_files(tmp_path):
    pixels = make_pixels(40, 30)
    path = save(tmp_path / "painting.png", Image.fromarray(pixels))
    style = load_painting(path, 40)
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
    np.testing.assert_array_equal(load_painting(path, 40).pixels, np.rot90(pixels, -1))


def test_transparency_lies_on_white_and_a_line_says_so(tmp_path, capsys):
    image = Image.new("RGBA", (32, 32), (200, 0, 0, 0))
    image.paste((0, 0, 200, 255), (0, 0, 16, 32))
    path = save(tmp_path / "cut-out.png", image)
    pixels = load_painting(path, 32).pixels
    assert capsys.readouterr().err == f"the painting {path} is partly transparent: it is laid on white\n"
    assert pixels[16, 4].tolist() == [0, 0, 200]
    assert pixels[16, 28].tolist() == [255, 255, 255]


def test_full_opacity_is_not_spoken_of(tmp_path, capsys):
    pixels = make_pixels(32, 32)
    path = save(tmp_path / "opaque.png", Image.fromarray(pixels).convert("RGBA"))
    np.testing.assert_array_equal(load_painting(path, 32).pixels, pixels)
    assert capsys.readouterr().err == ""


def test_a_fully_transparent_painting_is_refused(tmp_path):
    path = save(tmp_path / "nothing.png", Image.new("RGBA", (32, 32), (200, 0, 0, 0)))
    with pytest.raises(FastnstError, match=r"the painting .*nothing\.png is fully transparent"):
        load_painting(path, 32)


@pytest.mark.parametrize("space", ["sRGB", "Adobe RGB", "ProPhoto", "CMYK"])
def test_the_colours_are_those_that_the_profile_says(tmp_path, space):
    scene = np.rint(50 + 0.6 * make_pixels(60, 45)).astype(np.uint8)
    image, profile = in_space(scene, space)
    pixels = load_painting(save(tmp_path / "scan.tiff", image, icc_profile=profile), 60).pixels
    difference = np.abs(pixels.astype(int) - scene)
    assert difference.max() <= (0 if space == "sRGB" else 4)  # 8 bits of a wider space are coarser
    assert difference.mean() < 0.5
    if space != "sRGB":
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - scene).mean() > 5


def test_a_damaged_profile_counts_as_srgb(tmp_path):
    pixels = make_pixels(32, 32)
    profile = bytes(16) + b"RGB " + bytes(99)
    path = save(tmp_path / "painting.png", Image.fromarray(pixels), icc_profile=profile)
    np.testing.assert_array_equal(load_painting(path, 32).pixels, pixels)


_READ_AND_PRINT_MEMORY = """
import sys
from pathlib import Path
from fastnst.image.file import read_image
picture = read_image(Path(sys.argv[1]), reduce_above=100_000_000)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(*picture.pixels.shape, int(peak.split()[1]) // 1024)
"""


@pytest.fixture(scope="module")
def museum_scan(tmp_path_factory):
    """A JPEG of 208 megapixels, black on the left and white on the right."""
    image = Image.new("L", (16_000, 13_000))
    image.paste(255, (8_000, 0, 16_000, 13_000))
    path = tmp_path_factory.mktemp("museum") / "scan.jpg"
    image.save(path, quality=30)
    return path


def test_a_scan_of_200_megapixels_is_read(museum_scan):
    pixels = load_painting(museum_scan, 64).pixels
    assert pixels.shape == (52, 64, 3)
    assert pixels[:, :28].max() < 8
    assert pixels[:, 36:].min() > 247


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of memory")
def test_a_large_scan_is_decoded_in_the_memory_of_its_reduced_size(museum_scan):
    command = [sys.executable, "-c", _READ_AND_PRINT_MEMORY, museum_scan]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    height, width, _, megabytes = map(int, done.stdout.split())
    assert (height, width) == (6_500, 8_000)
    assert megabytes < 450  # as a whole it takes over 800


def test_a_painting_that_no_memory_holds_is_one_line(tmp_path):
    path = tmp_path / "scan.png"
    path.write_bytes(png_header(40_000, 30_000))
    with pytest.raises(FastnstError, match=r"the painting .* has 40000x30000 = .* pixels, .*: resize it$"):
        load_painting(path, 64)


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "LA", "1", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    grey = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (32, 1))
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(grey).convert("RGB").convert(mode)
    pixels = load_painting(save(tmp_path / "painting.tiff", image), 32).pixels
    assert pixels.shape == (32, 32, 3)
    if mode in ("L", "LA", "I;16"):
        np.testing.assert_allclose(pixels[..., 1], grey, atol=1)


def test_a_missing_file_says_how_to_give_one(tmp_path):
    with pytest.raises(FastnstError, match=r"no painting .*none\.jpg: give the path of an image$"):
        load_painting(tmp_path / "none.jpg", 32)


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
        load_painting(path, 32)
    assert "\n" not in str(error.value)
