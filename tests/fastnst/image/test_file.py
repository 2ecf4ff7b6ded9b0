"""Reading and writing images: every kind of file comes out right or is refused in one line."""

from __future__ import annotations

import io
import struct
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from fastnst import FastnstError, FastnstWarning
from fastnst.image import file
from fastnst.image.encode import encode_image, output_format
from fastnst.image.file import Picture, read_image
from tests.fastnst.make_images import encoded, pixels, png16, png_header

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
DAMAGED_EXIF = b"Exif\x00\x00MM\x00*\x00\x00\xff\xff\xff\xff"
FORMATS = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF"]


def read(data: bytes, **options: Any) -> Picture:
    return read_image(io.BytesIO(data), **options)


def reopened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def available(file_format: str) -> str:
    Image.init()
    if file_format not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {file_format}")
    return file_format


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]),
)
@settings(deadline=None, max_examples=60)
def test_every_size_and_mode_survives_png(height: int, width: int, mode: str) -> None:
    source = Image.fromarray(pixels(height, width, channels=4), "RGBA")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(source.convert("L")).astype(np.uint16) * 257)
        expected = source.convert("L").convert("RGB")
    else:
        image = (
            source.convert("RGB").convert(mode) if mode in ("1", "L", "P", "RGB") else source.convert(mode)
        )
        expected = image.convert("RGB")
    picture = read(encoded(image))
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape == (height, width, 3)
    if mode in ("1", "L", "P", "RGB", "I;16"):
        assert picture.alpha is None
        np.testing.assert_array_equal(picture.pixels, np.asarray(expected))
    else:
        assert picture.alpha is not None
        assert picture.alpha.shape == (height, width)
    again = read(encode_image(picture, "PNG"))
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    if picture.alpha is not None and again.alpha is not None:
        np.testing.assert_array_equal(again.alpha, picture.alpha)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_and_reset(orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Camera"
    image = Image.fromarray(pixels(8, 24).repeat(4, axis=0).repeat(4, axis=1))
    data = encoded(image, file_format, exif=exif, dpi=(72, 144))
    picture = read(data)
    expected = np.asarray(ImageOps.exif_transpose(reopened(data)))
    np.testing.assert_array_equal(picture.pixels, expected)
    result = reopened(encode_image(picture, "JPEG"))
    assert result.size == (expected.shape[1], expected.shape[0])
    assert result.getexif().get(0x0112, 1) == 1
    assert result.getexif()[0x010F] == "Camera"
    if file_format != "WEBP":
        across, down = (round(value) for value in result.info["dpi"])
        assert (across, down) == ((72, 144) if orientation < 5 else (144, 72))


@pytest.mark.parametrize("file_format", FORMATS)
def test_profile_resolution_and_exif_are_kept(file_format: str) -> None:
    available(file_format)
    exif = Image.Exif()
    exif[0x013B] = "A. Photographer"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    exif.get_ifd(0x8769)[0xA002] = 999
    exif.get_ifd(0x8769)[0x927C] = b"maker's note"
    exif.get_ifd(0x8825)[1] = "N"
    picture = read(encoded(pixels(8, 9), "JPEG", icc_profile=SRGB, dpi=(300, 300), exif=exif))
    result = reopened(encode_image(picture, file_format))
    if file_format == "BMP":  # which holds the resolution alone
        assert round(result.info["dpi"][0]) == 300
        return
    assert result.info["icc_profile"] == SRGB
    kept = result.getexif()
    assert kept[0x013B] == "A. Photographer"
    assert kept.get_ifd(0x8769) == {0x9003: "2024:05:06 07:08:09", 0xA002: 9}
    assert kept.get_ifd(0x8825) == {1: "N"}
    if file_format in ("JPEG", "PNG", "TIFF"):
        assert [round(value) for value in result.info["dpi"]] == [300, 300]


def test_values_in_a_kept_profile_are_not_converted() -> None:
    image = pixels(5, 6)
    picture = read(encoded(image, icc_profile=SRGB))
    np.testing.assert_array_equal(picture.pixels, image)
    assert picture.icc_profile == SRGB


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_a_greyscale_profile_is_dropped(mode: str) -> None:
    assert read(encoded(Image.new(mode, (3, 3)), icc_profile=SRGB)).icc_profile is None


def test_a_profile_of_another_space_is_dropped() -> None:
    assert read(encoded(pixels(3, 3), icc_profile=LAB)).icc_profile is None


@pytest.mark.parametrize("profile", [None, b"damaged profile", SRGB])
def test_cmyk_becomes_srgb_without_its_profile(profile: bytes | None) -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    picture = read(encoded(image, "JPEG", **({"icc_profile": profile} if profile else {})))
    assert picture.icc_profile is None
    red, green, blue = picture.pixels.reshape(-1, 3).mean(axis=0)
    assert red > 200 > 60 > max(green, blue)


def test_lab_becomes_srgb() -> None:
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (4, 4), (200, 60, 30)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    result = read(encoded(lab, "TIFF")).pixels.reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(result, (200, 60, 30), atol=4)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_is_scaled_not_clipped(channels: int) -> None:
    """Pillow reads the high bytes of 16-bit RGB alone, which is right within one level."""
    values = np.random.default_rng(0).integers(0, 65_536, (5, 7, channels), dtype=np.uint16)
    values[0, 0], values[0, 1] = 65_535, 0
    values[..., -1] |= 0 if channels in (1, 3) else 0x8000  # no hidden colours
    picture = read(png16(values))
    colours = values[..., :-1] if channels in (2, 4) else values
    expected = np.broadcast_to(colours / 257, (5, 7, 3))
    assert np.abs(picture.pixels - expected).max() <= 1
    assert (picture.alpha is not None) == (channels in (2, 4))


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_16_bit_tiff_is_scaled_not_clipped(dtype: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 65_536, shape).astype(dtype)
    buffer = io.BytesIO()
    kind = "rgb" if len(shape) == 3 else "minisblack"
    tifffile.imwrite(buffer, values, photometric=kind, byteorder=dtype[0])
    expected = values.reshape(5, 7, -1) / 257
    assert np.abs(read(buffer.getvalue()).pixels - expected).max() <= 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 1000, 65_535]], np.int32), [0, 4, 255]),
        (np.array([[0, 3.5]], np.float32), None),
        (np.array([[0, np.nan]], np.float32), None),
        (np.array([[-1, 70_000]], np.int32), None),
    ],
)
def test_more_than_16_bits_are_scaled_where_the_scale_is_known(
    values: np.ndarray, expected: list[int] | None
) -> None:
    data = encoded(Image.fromarray(values), "TIFF")
    if expected is None:
        with pytest.raises(FastnstError, match=r"standard input has .* black and white are unknown"):
            read(data)
    else:
        assert read(data).pixels[0, :, 0].tolist() == expected


def test_hidden_colours_take_the_mean_of_the_visible() -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[...] = (255, 0, 255, 0)  # a glaring colour that nobody sees
    rgba[0, 0], rgba[0, 1], rgba[0, 2] = (10, 20, 30, 255), (30, 40, 50, 255), (0, 0, 0, 1)
    picture = read(encoded(rgba))
    assert picture.pixels[0, :3].tolist() == [[10, 20, 30], [30, 40, 50], [0, 0, 0]]
    np.testing.assert_allclose(picture.pixels[1:].reshape(-1, 3), np.full((12, 3), (20, 30, 40)), atol=1)
    np.testing.assert_array_equal(picture.alpha, rgba[..., 3])


def test_an_image_that_is_all_transparent() -> None:
    picture = read(encoded(np.zeros((2, 3, 4), np.uint8)))
    assert picture.pixels.max() == 0
    assert picture.alpha is not None
    assert picture.alpha.max() == 0


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_a_transparent_colour_becomes_alpha(mode: str) -> None:
    image = Image.new(mode, (2, 1), 0)
    image.putpixel((1, 0), 200 if mode != "RGB" else (200, 200, 200))
    key: Any = (0, 0, 0) if mode == "RGB" else 0
    picture = read(encoded(image, transparency=key))
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[0, 255]]


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_transparency_is_kept(file_format: str) -> None:
    available(file_format)
    alpha = np.tile(np.array([0, 128, 255, 255], np.uint8), (4, 1))
    picture = Picture(np.full((4, 4, 3), 100, np.uint8), alpha)
    result = reopened(encode_image(picture, file_format))
    assert result.mode == "RGBA"
    np.testing.assert_allclose(np.asarray(result)[..., 3], alpha, atol=4)


@pytest.mark.parametrize("file_format", ["JPEG", "BMP"])
def test_transparency_is_laid_on_white(file_format: str) -> None:
    alpha = np.repeat(np.array([[0, 102, 255]], np.uint8), 16, axis=1).repeat(16, axis=0)
    picture = Picture(np.zeros((16, 48, 3), np.uint8), alpha)
    result = reopened(encode_image(picture, file_format, quality=100))
    assert result.mode == "RGB"
    assert [result.getpixel((x, 8))[0] for x in (4, 24, 44)] == pytest.approx([255, 153, 0], abs=3)


def test_quality() -> None:
    picture = Picture(pixels(64, 64))
    sizes = [len(encode_image(picture, "JPEG", quality=quality)) for quality in (10, 95, 100)]
    assert sizes == sorted(sizes)
    assert encode_image(picture, "JPEG") == encode_image(picture, "JPEG", quality=95)
    image = reopened(encode_image(picture, "JPEG"))
    assert image.layer[0][1:3] == image.layer[1][1:3]  # chroma at full resolution
    with pytest.raises(FastnstError, match="quality must be 1 to 100"):
        encode_image(picture, "JPEG", quality=0)


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_and_pages_are_refused_or_read_first(file_format: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
    with pytest.raises(FastnstError, match=r"has several frames.*--first-frame"):
        read(data)
    first = read(data, first_frame=True).pixels[0, 0]
    np.testing.assert_allclose(first, (255, 0, 0), atol=5)


def test_a_photo_with_another_behind_it_is_a_photo() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    picture = read(encoded(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert picture.format == "JPEG"
    assert picture.pixels[0, 0, 0] > 200


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_pixel_limit_is_told_from_the_header(file_format: str) -> None:
    data = png_header(30_000, 20_000) if file_format == "PNG" else encoded(Image.new("L", (100, 11)), "GIF")
    limit = 400_000_000 if file_format == "PNG" else 1099
    with pytest.raises(FastnstError, match=r"pixels.*resize it"):
        read(data, max_pixels=limit)
    assert read(encoded(Image.new("L", (100, 11))), max_pixels=1100).pixels.shape == (11, 100, 3)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"hello", "is no image"),
        (b"\x89PNG\r\n\x1a\n", "is damaged|is no image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no image"),
    ],
)
def test_files_that_are_no_images(data: bytes, says: str) -> None:
    with pytest.raises(FastnstError, match=says):
        read(data)


@pytest.mark.parametrize("file_format", FORMATS)
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_damaged_files_are_read_or_refused(file_format: str, data: st.DataObject) -> None:
    """Cut and changed anywhere, a file gives a picture or a FastnstError of one line."""
    available(file_format)
    whole = encode_image(Picture(pixels(16, 16), icc_profile=SRGB), file_format)
    cut = data.draw(st.integers(0, len(whole)))
    start = data.draw(st.integers(0, len(whole) - 4))
    broken = bytearray(whole[:cut] if data.draw(st.booleans()) else whole)
    broken[start : start + 4] = data.draw(st.binary(min_size=4, max_size=4))
    message = ""
    try:
        assert read(bytes(broken), max_pixels=10_000).pixels.ndim == 3
    except FastnstError as error:
        message = str(error)
    assert "\n" not in message


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_half_a_file_is_refused(file_format: str) -> None:
    whole = encoded(pixels(64, 64), file_format)
    with pytest.raises(FastnstError, match=r"damaged|cut short|no image"):
        read(whole[: len(whole) // 2])


def test_damaged_exif_does_not_cost_the_picture() -> None:
    data = encoded(pixels(8, 8), "JPEG", exif=DAMAGED_EXIF)
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        assert read(data).pixels.shape == (8, 8, 3)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_reading_in_threads_is_right_and_leaves_warnings_alone() -> None:
    before = list(warnings.filters)
    images = [pixels(40 + index, 30, seed=index) for index in range(12)]
    files = [encoded(image, exif=DAMAGED_EXIF) for image in images]
    together = threading.Barrier(8)

    def read_often(worker: int) -> bool:
        together.wait(60)
        return all(
            np.array_equal(read(files[index % 12]).pixels, images[index % 12])
            for index in range(worker, worker + 60)
        )

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(read_often, worker) for worker in range(8)]
        while not all(future.done() for future in running):
            with pytest.warns(FastnstWarning, match="slower"):
                warnings.warn("slower", FastnstWarning, stacklevel=1)
            wait(running, 0.001)
        assert all(future.result() for future in running)
    assert warnings.filters == before


def test_a_file_too_large_for_any_image_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(3 * 2**31)  # which takes no room on the disk
    with pytest.raises(FastnstError, match=r"huge.jpg has 6.4 GB, more than an image of 400,000,000 pixels"):
        read_image(path)


def test_what_never_ends_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastnst.image.file.free_memory", lambda: 100_000_000)
    endless = SimpleNamespace(read=bytes)
    with pytest.raises(
        FastnstError, match=r"standard input has more than 0\.1 GB, which is no image that fits"
    ):
        read_image(cast("BinaryIO", endless))
    if Path("/dev/zero").exists():
        with pytest.raises(FastnstError, match="/dev/zero is a device, not an image"):
            read_image(Path("/dev/zero"))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FastnstError, match="does not exist"):
        read_image(tmp_path / "missing.jpg")
    with pytest.raises(FastnstError, match="is a folder"):
        read_image(tmp_path)


def test_formats_by_suffix() -> None:
    assert [output_format(suffix) for suffix in (".jpg", ".JPEG", ".png", ".tif", ".webp", ".bmp")] == [
        "JPEG",
        "JPEG",
        "PNG",
        "TIFF",
        "WEBP",
        "BMP",
    ]
    for suffix in (".gif", ".xyz", ""):
        with pytest.raises(FastnstError, match=r"cannot write .*: choose one of .*\.png"):
            output_format(suffix)


def test_a_format_that_cannot_hold_the_picture() -> None:
    with pytest.raises(FastnstError, match="cannot write 20000x1 pixels as WEBP"):
        encode_image(Picture(np.zeros((1, 20_000, 3), np.uint8)), "WEBP")


def tiff_of_pages(count: int) -> bytes:
    """A TIFF whose pages all show the file's first byte as one pixel."""
    tags = ((256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 0), (278, 1), (279, 1))
    page = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in tags)
    starts = [8 + (len(page) + 4) * number for number in range(count)]
    return b"II*\0\x08\0\0\0" + b"".join(page + struct.pack("<I", n) for n in [*starts[1:], 0])


def gif_of_frames(count: int) -> bytes:
    gif = encoded(Image.new("P", (1, 1)), "GIF")
    start = gif.index(b",")
    return gif[:start] + gif[start:-1] * count + b";"


# Each of them took seconds to minutes: what is read first decides.
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (tiff_of_pages(40_000), "has several frames"),
        (gif_of_frames(100_000), "has several frames"),
        (b"P6\n#" + b"x" * 10_000_000 + b"\n1 1\n255\nabc", "its header has more than 65,536 bytes"),
        (b"P5\n" + b"#x\n" * 3_000_000 + b"1 1\n255\na", "its header has more than 65,536 bytes"),
        (b"P2\n1 1\n255\n" + b"#x\n" * 1_000_000 + b"65\n", None),
        (b"P6 # one\n1 # two\n#three\n 1 255\nAAA", None),
        (b"P6\n1", "is damaged or cut short"),
    ],
    ids=["TIFF", "GIF", "PPM", "PGM", "plain PGM", "comments", "cut short"],
)
@pytest.mark.timeout(20)
def test_files_that_are_long_for_no_good_reason(data: bytes, says: str | None) -> None:
    if says is None:
        np.testing.assert_array_equal(read_image(io.BytesIO(data)).pixels, np.full((1, 1, 3), 65))
    else:
        with pytest.raises(FastnstError, match=says):
            read_image(io.BytesIO(data))


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "AVIF", "ICO"])
def test_pillows_own_limit_counts_for_nothing(monkeypatch: pytest.MonkeyPatch, file_format: str) -> None:
    data = encoded(Image.new("RGB", (100, 50)), available(file_format), sizes=[(100, 50)])
    for limit in (100 * 50 - 1, 50):  # above either Pillow warns, and above twice of it, raises
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert read(data, max_pixels=5000).pixels.shape == (50, 100, 3)
        with pytest.raises(FastnstError, match=r"100x50 = 5,000 pixels, more than 4,999: resize it$"):
            read(data, max_pixels=4999)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_pillows_limit_is_back_after_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    files = [encoded(Image.new("L", (100, 50)), "TIFF"), b"no image"] * 20

    def size(data: bytes) -> tuple[int, ...]:
        try:
            return read(data).pixels.shape
        except FastnstError:
            return ()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(size, files)) == [(50, 100, 3), ()] * 20
    assert Image.MAX_IMAGE_PIXELS == 50


def test_a_small_file_of_many_pixels_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("1", (300, 400)))
    monkeypatch.setattr(file, "_MANY_PIXELS", 300 * 400 - 1)
    with pytest.warns(FastnstWarning, match="has 120,000 pixels, which take minutes: --max-pixels refuses"):
        read_image(io.BytesIO(data), has_option=True)
    with pytest.raises(FastnstError, match="300x400 = 120,000 pixels, more than 100,000"):
        read_image(io.BytesIO(data), max_pixels=100_000)
