import math
import os
import socket
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

from fastnst.errors import FastnstError
from tests.fastnst.make_profiles import grey_profile, in_space
from tests.train.make_photos import encode, make_jpeg, make_pixels
from train.photos import photo as photo_module
from train.photos.crops import random_crop, random_crop_box
from train.photos.photo import Photo, UnreadablePhotoError, decode_photo, readable_photos, whole_photo

ROOT = Path(__file__).parents[3]


def rng(seed=0):
    return np.random.default_rng(seed)


def crop_of(photo, size, generator, scale=(0.25, 1.0)):
    """A random crop of a photo, (size, size, 3)."""
    return random_crop(decode_photo(photo, size, scale), size, generator, scale).permute(1, 2, 0).numpy()


def is_mirrored(seed, width, height, scale=(0.25, 1.0)):
    """Whether the draws that follow the box mirror the crop."""
    generator = rng(seed)
    random_crop_box(width, height, generator, scale)
    return generator.random() < 0.5


@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    size=st.integers(1, 40),
    seed=st.integers(0, 2**32),
    encoding=st.sampled_from(["JPEG", "PNG"]),
)
def test_any_size_makes_a_square_crop(width, height, size, seed, encoding):
    photo = Photo("p", encode(Image.fromarray(make_pixels(width, height)), encoding))
    crop = random_crop(decode_photo(photo, size), size, rng(seed))
    assert crop.shape == (3, size, size)
    assert crop.dtype == torch.uint8
    assert crop.is_contiguous()
    assert torch.equal(crop, random_crop(decode_photo(photo, size), size, rng(seed)))


@pytest.mark.parametrize("size", [16, 24, 50, 64, 100])
@pytest.mark.parametrize(
    ("mode", "encoding"), [("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("P", "PNG")]
)
def test_reduced_photos_change_crops_little(size, mode, encoding):
    """The crop is what Pillow cuts out of the full decode."""
    width, height = 517, 403
    content = encode(_converted(Image.fromarray(make_pixels(width, height, finest=0.08)), mode), encoding)
    with Image.open(BytesIO(content)) as image:
        full = image.convert("RGB")
    pixels = decode_photo(Photo("p", content), size)
    factor = round(width / pixels.shape[1])
    assert factor == {16: 8, 24: 8, 50: 2, 64: 2, 100: 1}[size]
    for seed in range(3):
        crop = random_crop(pixels, size, rng(seed)).permute(1, 2, 0).numpy().astype(float)
        box = random_crop_box(pixels.shape[1], pixels.shape[0], rng(seed))
        is_flipped = is_mirrored(seed, pixels.shape[1], pixels.shape[0])
        box = tuple(min(factor * edge, side) for edge, side in zip(box, 2 * full.size, strict=True))
        expected = np.asarray(full.resize((size, size), Image.Resampling.BICUBIC, box=box), dtype=float)
        if is_flipped:
            expected = expected[:, ::-1]
        assert np.abs(crop - expected).mean() < 2
        assert np.abs(crop - expected).max() < 20


def test_a_large_jpeg_is_decoded_reduced(monkeypatch):
    """The point of the reduced decode is that the full one does not happen."""
    decoded = []
    load = JpegImageFile.load
    monkeypatch.setattr(JpegImageFile, "load", lambda image: decoded.append(image.size) or load(image))
    assert decode_photo(Photo("p", make_jpeg(1000, 800)), 32, (1.0, 1.0)).shape == (100, 125, 3)
    assert set(decoded) == {(125, 100)}


MODES = {
    "grey": ("L", "PNG"),
    "grey jpeg": ("L", "JPEG"),
    "CMYK": ("CMYK", "JPEG"),
    "palette": ("P", "PNG"),
    "palette gif": ("P", "GIF"),
    "alpha": ("RGBA", "PNG"),
    "grey and alpha": ("LA", "PNG"),
    "one bit": ("1", "PNG"),
    "webp": ("RGB", "WEBP"),
    "bmp": ("RGB", "BMP"),
    "tiff": ("RGB", "TIFF"),
    "tiff CMYK": ("CMYK", "TIFF"),
    "lab": ("LAB", "TIFF"),
}


@pytest.mark.parametrize(("mode", "encoding"), MODES.values(), ids=MODES)
def test_every_mode_trains(mode, encoding):
    source = Image.fromarray(make_pixels(40, 40))
    if mode in ("L", "LA", "1"):
        source = source.convert("L").convert("RGB")
    image = source.convert("RGB").convert("L").convert(mode) if mode == "LA" else _converted(source, mode)
    if mode == "RGBA":
        image.putalpha(255)
    content = encode(image, encoding)
    assert crop_of(Photo("p", content), 8, rng()).shape == (8, 8, 3)
    result = whole_photo(Photo("p", content), 40).astype(float)
    np.testing.assert_array_equal(decode_photo(Photo("p", content), 40), whole_photo(Photo("p", content), 40))
    if mode != "1":  # one bit is dithered
        tolerance = 12 if mode in ("P", "LAB", "CMYK") else 4
        assert np.abs(result - np.asarray(source, dtype=float)).mean() < tolerance


def _converted(image, mode):
    if mode == "LAB":
        transform = ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
        )
        return ImageCms.applyTransform(image, transform)
    if mode == "P":
        return image.quantize(256)
    return image.convert(mode)


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("space", ["sRGB", "Display P3", "Adobe RGB", "ProPhoto", "CMYK"])
def test_photos_in_other_colour_spaces_train_as_in_srgb(space, encoding):
    if (space, encoding) == ("CMYK", "PNG"):
        pytest.skip("PNG holds no CMYK")
    scene = np.random.default_rng(1).integers(60, 190, (4, 4, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    image, profile = in_space(scene, space)
    options = {"quality": 100, "subsampling": 0} if encoding == "JPEG" else {}
    photo = Photo("p", encode(image, encoding, icc_profile=profile, **options))
    for read in (whole_photo, decode_photo):
        result = read(photo, 64)[4::8, 4::8].astype(int)
        assert np.abs(result - scene[4::8, 4::8]).max() <= (6 if space in ("CMYK", "ProPhoto") else 4)


def test_greys_with_a_curve_and_pngs_with_a_gamma_train_as_in_srgb():
    grey = np.linspace(20, 235, 64).astype(np.uint8)[None].repeat(64, 0)
    light = ((grey / 255 + 0.055) / 1.055) ** 2.4  # sRGB's curve, for values above 0.04
    linear = Image.fromarray(np.rint(65535 * light).astype(np.uint16))
    chunk = b"\0\0\0\4gAMA" + (100_000).to_bytes(4, "big")
    chunk += zlib.crc32(chunk[4:]).to_bytes(4, "big")
    content = encode(linear, "PNG")
    photos = [
        encode(Image.fromarray(np.rint(255 * light ** (256 / 563)).astype(np.uint8)), "TIFF",
               icc_profile=grey_profile(563)),
        content[:33] + chunk + content[33:],
    ]  # fmt: skip
    for photo in photos:
        for read in (whole_photo, decode_photo):
            assert np.abs(read(Photo("p", photo), 64)[..., 1].astype(int) - grey).max() <= 2


def test_cut_outs_are_converted_before_they_are_laid_on_white():
    image, profile = in_space(np.full((16, 16, 3), (60, 120, 180), np.uint8), "Adobe RGB")
    image.putalpha(Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)))
    result = whole_photo(Photo("p", encode(image, "PNG", icc_profile=profile)), 16).reshape(256, 3)
    share = np.arange(256)[:, None] / 255
    assert np.abs(result - (share * [60, 120, 180] + (1 - share) * 255)).max() <= 2


def test_sixteen_bits_are_scaled_and_not_clipped():
    grey = np.linspace(0, 65535, 64 * 64).reshape(64, 64)
    for values, encoding in [(grey.astype(np.uint16), "PNG"), (grey.astype(np.uint16), "TIFF")]:
        for read in (whole_photo, decode_photo):
            result = read(Photo("p", encode(Image.fromarray(values), encoding)), 64)
            np.testing.assert_allclose(result[..., 0], grey / 257, atol=1)
    dark = np.full((8, 8), 200, np.uint16)  # nearly black: must not be taken for eight bits
    assert whole_photo(Photo("p", encode(Image.fromarray(dark), "PNG")), 8).max() <= 1
    floats = (grey / 65535).astype(np.float32)
    result = whole_photo(Photo("p", encode(Image.fromarray(floats), "TIFF")), 64)
    np.testing.assert_allclose(result[..., 1], grey / 257, atol=1)


def test_a_photo_of_floats_is_scaled_as_a_whole():
    """A part of it may hold no value above 1, and is not brighter for that."""
    ramp = np.linspace(0, 255, 64 * 64, dtype=np.float32).reshape(64, 64)
    dark = decode_photo(Photo("p", encode(Image.fromarray(ramp), "TIFF")), 8, (0.01, 0.01))[0, :8]
    assert dark.max() <= 1


def test_what_is_transparent_is_white():
    image = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 8, 16))
    result = whole_photo(Photo("p", encode(image, "PNG")), 16)
    assert result[8, 12].tolist() == [255, 255, 255]
    assert result[8, 3].tolist() == [0, 0, 255]
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([9, 9, 9, 200, 0, 0])
    assert whole_photo(Photo("p", encode(palette, "GIF", transparency=0)), 8).min() == 255


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotated_photos_are_turned_upright(orientation, encoding):
    image = Image.fromarray(make_pixels(60, 44, seed=3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if encoding == "WEBP" else {}
    content = encode(image, encoding, exif=exif, **options)
    with Image.open(BytesIO(content)) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    result = whole_photo(Photo("p", content), 60)
    assert result.shape == expected.shape
    assert np.abs(result.astype(float) - expected).mean() < 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_crops_of_rotated_photos_are_upright(orientation):
    pixels = make_pixels(40, 40, seed=3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(Image.fromarray(pixels), "PNG", exif=exif)
    with Image.open(BytesIO(content)) as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))
    for seed in range(4):  # of a square, the whole area is the only box with all of it
        crop = crop_of(Photo("p", content), 40, rng(seed), scale=(1.0, 1.0))
        expected = upright[:, ::-1] if is_mirrored(seed, 40, 40, (1.0, 1.0)) else upright
        np.testing.assert_array_equal(crop, expected)


@settings(deadline=None, max_examples=40)
@given(width=st.integers(1, 400), height=st.integers(1, 400), side=st.integers(1, 64))
def test_a_whole_photo_has_the_longer_side_asked_for(width, height, side):
    result = whole_photo(Photo("p", make_jpeg(width, height)), side)
    assert max(result.shape[:2]) == side
    assert min(result.shape[:2]) >= side // 4
    ratio = min(width, height) / max(width, height)
    assert math.isclose(min(result.shape[:2]), side * max(ratio, 0.25), abs_tol=1)


BROKEN = {
    "empty": b"",
    "text": b"not a photo at all",
    "header alone": make_jpeg()[:20],
    "truncated jpeg": make_jpeg(200, 200)[:-2000],
    "truncated png": encode(Image.fromarray(make_pixels(90, 90)), "PNG")[:-500],
    "truncated webp": encode(Image.fromarray(make_pixels(90, 90)), "WEBP")[:-200],
    "truncated tiff": encode(Image.fromarray(make_pixels(90, 90)), "TIFF")[:-500],
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n",
    "nothing": None,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_photo_is_named_in_one_line(content):
    for read in (lambda photo: crop_of(photo, 16, rng()), lambda photo: whole_photo(photo, 16)):
        with pytest.raises(UnreadablePhotoError, match=r"^the name: ") as caught:
            read(Photo("the name", content))
        assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=60)
@given(
    encoding=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]),
    place=st.floats(0, 1),
    garbage=st.binary(min_size=1, max_size=12),
)
def test_damage_anywhere_gives_a_crop_or_an_unreadable_photo(encoding, place, garbage):
    content = bytearray(encode(Image.fromarray(make_pixels(32, 32)), encoding))
    start = int(place * (len(content) - 1))
    content[start : start + len(garbage)] = garbage
    try:
        crop = crop_of(Photo("p", bytes(content)), 8, rng())
    except UnreadablePhotoError:
        return
    assert crop.shape == (8, 8, 3)


def test_a_missing_file_is_unreadable(tmp_path):
    with pytest.raises(UnreadablePhotoError, match=r"gone\.jpg"):
        crop_of(Photo("gone.jpg", str(tmp_path / "gone.jpg")), 8, rng())


def test_broken_exif_does_not_lose_the_photo():
    content = encode(Image.fromarray(make_pixels(32, 32)), exif=b"Exif\0\0garbage that is no TIFF header")
    assert whole_photo(Photo("p", content), 32).shape == (32, 32, 3)


def test_huge_photos_train_up_to_pillows_limit(monkeypatch):
    photo = Photo("huge", make_jpeg(100, 80))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)  # 8000 pixels: Pillow warns, and warnings are errors
    assert crop_of(photo, 16, rng()).shape == (16, 16, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)  # beyond twice the limit it raises
    with pytest.raises(UnreadablePhotoError, match="huge"):
        crop_of(photo, 16, rng())


def test_readable_photos_leaves_out_the_others_and_gives_up_in_the_end(monkeypatch, caplog):
    good, bad = Photo("good", make_jpeg()), Photo("bad", b"")
    assert list(readable_photos([bad, good, bad, good])) == [good, good]
    assert "bad: not an image" in caplog.text
    monkeypatch.setattr(photo_module, "UNREADABLE_IN_A_ROW", 5)
    assert list(readable_photos([bad] * 4 + [good] + [bad] * 4)) == [good]
    with pytest.raises(FastnstError, match="5 photos in a row cannot be read, the last bad"):
        list(readable_photos([bad] * 5))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        os.mkdir,
        lambda path: socket.socket(socket.AF_UNIX).bind(str(path)),
        lambda path: None,
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_file_that_became_something_else_is_an_unreadable_photo(tmp_path, make, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    path = (tmp_path / "0.jpg").relative_to(tmp_path)
    make(path)
    with pytest.raises(UnreadablePhotoError, match=r"0\.jpg: (not a regular file|No such)"):
        decode_photo(Photo(str(path), str(path)), 8)


CUT_OFF = """
import os, sys
from PIL import ImageFile
from train.photos.photo import Photo, decode_photo

path, load = sys.argv[1], ImageFile.ImageFile.load

def load_and_cut(image):
    pixels = load(image)
    os.truncate(path, 100)
    return pixels

ImageFile.ImageFile.load = load_and_cut
print(decode_photo(Photo(path, path), 8).mean())
"""


def test_a_photo_that_shrinks_while_it_is_read_ends_no_process(tmp_path):
    """Pillow maps uncompressed files by their names, and what reads behind the end of a map is killed."""
    path = tmp_path / "0.pgm"
    Image.new("L", (400, 300), 99).save(path)
    done = subprocess.run([sys.executable, "-c", CUT_OFF, path], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "99.0\n"), done.stderr
