"""One scene in many encodings through `fastnst stylize`: a colour-managed viewer shows one result."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image, ImageCms

from fastnst.image.mask import Mask
from tests.fastnst.make_images import encoded, png16, png_chunk
from tests.fastnst.make_profiles import grey_profile, in_hdr, in_space

SIDE = 48
PQ, HLG, BT2020, P3 = 16, 18, 9, 12


def scene() -> np.ndarray:
    """Patches of many colours, none of them brighter than what tone mapping keeps."""
    patches = np.random.default_rng(1).integers(20, 170, (SIDE // 8, SIDE // 8, 3))
    return patches.repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)


def shown(path: Path) -> np.ndarray:
    """What a colour-managed viewer shows, as sRGB of shape (H, W, 3)."""
    image: Image.Image = Image.open(path)
    image.load()
    if profile := image.info.get("icc_profile"):
        srgb = ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, io.BytesIO(profile), srgb, outputMode="RGB") or image
    return np.asarray(image.convert("RGB"))


def skip_without(file_format: str) -> None:
    Image.init()
    if file_format not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {file_format}")


def with_chunks(png: bytes, **chunks: bytes) -> bytes:
    """A PNG with other chunks behind its header."""
    return png[:33] + b"".join(png_chunk(name.encode(), data) for name, data in chunks.items()) + png[33:]


def by_profile(space: str, file_format: str, **options: object) -> bytes:
    image, profile = in_space(scene(), space)
    return encoded(image, file_format, icc_profile=profile, **options)


def png_gamma() -> bytes:
    """Adobe RGB's primaries, and its curve, said by gAMA and cHRM."""
    chromaticities = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    png = encoded(in_space(scene(), "Adobe RGB")[0])
    return with_chunks(png, gAMA=struct.pack(">I", round(100_000 / 563 * 256)), cHRM=chromaticities)


def png_p3() -> bytes:
    return with_chunks(encoded(in_space(scene(), "Display P3")[0]), cICP=bytes([P3, 13, 0, 1]))


def png_hdr(curve: int) -> bytes:
    values = np.rint(65_535 * in_hdr(scene(), "PQ" if curve == PQ else "HLG")).astype(np.uint16)
    return with_chunks(png16(values), cICP=bytes([BT2020, curve, 0, 1]))


def camera(color_space: int, index: str | None) -> bytes:
    """Adobe RGB as cameras say it: in EXIF, without a profile."""
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8769)[0xA001] = color_space
    if index is not None:
        exif.get_ifd(0x8769)[0xA005] = {1: index}
    image = in_space(scene(), "Adobe RGB")[0]
    return encoded(image, "JPEG", quality=100, subsampling="4:4:4", exif=exif)


def avif_p3() -> bytes:
    skip_without("AVIF")
    image = in_space(scene(), "Display P3")[0]
    avif = encoded(image, "AVIF", quality=100, subsampling="4:4:4")
    start = avif.index(b"colrnclx") + 8
    return avif[:start] + struct.pack(">H", P3) + avif[start + 2 :]


def jpeg_2000() -> bytes:
    """Adobe RGB by a profile in the box that Pillow does not read."""
    skip_without("JPEG2000")
    image, profile = in_space(scene(), "Adobe RGB")
    data = encoded(image, "JPEG2000")
    start = data.index(b"colr") - 4
    (length,) = struct.unpack_from(">I", data, start)
    box = struct.pack(">I", 11 + len(profile)) + b"colr\2\0\0" + profile
    header = data.index(b"jp2h") - 4
    grown = struct.unpack_from(">I", data, header)[0] + len(box) - length
    return data[:header] + struct.pack(">I", grown) + data[header + 4 : start] + box + data[start + length :]


def bmp() -> bytes:
    """Adobe RGB in a BMP of version 5, which holds a profile."""
    image, profile = in_space(scene(), "Adobe RGB")
    plain = encoded(image, "BMP")
    header = (struct.pack("<I", 124) + plain[18:54]).ljust(56, b"\0") + b"DEBM"
    header = header.ljust(112, b"\0") + struct.pack("<III", 124 + len(plain) - 54, len(profile), 0)
    return plain[:10] + struct.pack("<I", 138) + header + plain[54:] + profile


def tiff_primaries() -> bytes:
    image = in_space(scene(), "Display P3")[0]
    info = {318: (0.3127, 0.329), 319: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06)}
    return encoded(image, "TIFF", tiffinfo=info)


# Each with the most levels that its own rounding to 8 bits and its compression cost.
ENCODINGS: dict[str, tuple[Callable[[], bytes], int]] = {
    "srgb.png": (lambda: by_profile("sRGB", "PNG"), 0),
    "p3.png": (lambda: by_profile("Display P3", "PNG"), 2),
    "p3.webp": (lambda: by_profile("Display P3", "WEBP", lossless=True), 2),
    "adobe.tiff": (lambda: by_profile("Adobe RGB", "TIFF"), 2),
    "adobe.jp2": (jpeg_2000, 2),
    "prophoto.tiff": (lambda: by_profile("ProPhoto", "TIFF"), 3),
    "cmyk.tiff": (lambda: by_profile("CMYK", "TIFF"), 2),
    "gamma.png": (png_gamma, 2),
    "cicp.png": (png_p3, 2),
    "pq.png": (lambda: png_hdr(PQ), 3),
    "hlg.png": (lambda: png_hdr(HLG), 2),
    "option.jpg": (lambda: camera(0xFFFF, "R03"), 2),
    "adobe.jpg": (lambda: camera(2, None), 2),
    "p3.avif": (avif_p3, 3),
    "adobe.bmp": (bmp, 2),
    "primaries.tiff": (tiff_primaries, 2),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_one_scene_in_every_encoding_gives_one_result(
    run: Callable[..., Result], invert: Path, tmp_path: Path, name: str
) -> None:
    make, tolerance = ENCODINGS[name]
    (tmp_path / name).write_bytes(make())
    raw = np.asarray(Image.open(tmp_path / name).convert("RGB")).astype(int)
    assert name == "srgb.png" or np.abs(raw - scene()).mean() > 3
    result = run("stylize", "-m", invert, tmp_path / name, "-o", tmp_path / "result.png")
    assert result.exit_code == 0, result.output
    difference = np.abs(shown(tmp_path / "result.png").astype(int) - (255 - scene()))
    assert difference.max() <= tolerance
    assert difference.mean() <= 0.4 * tolerance


@pytest.mark.parametrize("controls", [["--strength", "0.5"], ["--preserve-color"], ["--mask", "mask.png"]])
def test_what_is_kept_of_the_photo_is_shown_as_before(
    run: Callable[..., Result],
    invert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    controls: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[: SIDE // 2] = 255
    Image.fromarray(mask).save("mask.png")
    shown_as = []
    for name in ("srgb.png", "p3.png"):
        Path(name).write_bytes(ENCODINGS[name][0]())
        assert run("stylize", "-m", invert, name, "-o", f"painted-{name}", *controls).exit_code == 0
        shown_as.append(shown(Path(f"painted-{name}")).astype(int))
    assert np.abs(shown_as[0] - shown_as[1]).max() <= 2
    if controls[0] == "--mask":
        assert np.abs(shown_as[1][SIDE // 2 :] - scene()[SIDE // 2 :]).max() <= 2


# A photo, a curve of the greyscale's own as a power, and a mask in it.
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("power", [1.0, 1.8])
def test_greys_with_a_curve_of_their_own(
    run: Callable[..., Result], invert: Path, tmp_path: Path, bits: int, power: float
) -> None:
    ramp = np.arange(0, 256, 3, dtype=np.uint8).repeat(2).reshape(1, -1).repeat(4, axis=0)
    light = np.where(ramp <= 10.31475, ramp / 255 / 12.92, ((ramp / 255 + 0.055) / 1.055) ** 2.4)
    most = 2**bits - 1
    values = np.rint(most * light ** (1 / power)).astype(f"u{bits // 8}")
    profile = grey_profile(round(256 * power))
    for name, options in (
        ("profile.png", {"icc_profile": profile}),
        ("profile.tiff", {"icc_profile": profile}),
    ):
        Image.fromarray(values).save(tmp_path / name, **options)
    gamma = with_chunks(encoded(Image.fromarray(values)), gAMA=struct.pack(">I", round(100_000 / power)))
    (tmp_path / "gamma.png").write_bytes(gamma)
    (tmp_path / "result").mkdir()
    # One step of 8 bits of linear light is 13 levels of sRGB where it is darkest.
    tolerance = {(8, 1.0): 7, (8, 1.8): 2}.get((bits, power), 1)
    for name in ("profile.png", "profile.tiff", "gamma.png"):
        result = tmp_path / "result" / f"{name}.png"
        assert run("stylize", "-m", invert, tmp_path / name, "-o", result).exit_code == 0
        assert np.abs(shown(result).astype(int) - (255 - ramp[..., np.newaxis])).max() <= tolerance, name
        mask = Mask(tmp_path / name).fit(*ramp.shape)
        assert np.abs(255 * mask - ramp).max() <= tolerance, name


def test_the_result_says_that_it_is_srgb(run: Callable[..., Result], invert: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8769).update({0xA001: 0xFFFF, 0xA500: 2.2, 0x9003: "2024:05:06 07:08:09"})
    image, profile = in_space(scene(), "Display P3")
    clear = np.full((SIDE, SIDE), 255, np.uint8)
    clear[:8], clear[8:16] = 0, 128
    image.putalpha(Image.fromarray(clear))
    image.save(tmp_path / "iphone.png", icc_profile=profile, exif=exif)
    for index in range(2):
        result = run("stylize", "-m", invert, tmp_path / "iphone.png", "-o", tmp_path / f"{index}.png")
        assert result.exit_code == 0, result.output
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()
    with Image.open(tmp_path / "0.png") as painted:
        assert "sRGB" in ImageCms.getProfileName(io.BytesIO(painted.info["icc_profile"]))
        assert painted.getexif().get_ifd(0x8769) == {0xA001: 1, 0x9003: "2024:05:06 07:08:09"}
        np.testing.assert_array_equal(np.asarray(painted)[..., 3], clear)
        colours = np.asarray(painted)[8:, :, :3].astype(int)
    assert np.abs(colours - (255 - scene()[8:])).max() <= 2


# What ImageMagick, Photoshop and cameras write for sRGB changes neither a value nor a byte of the result.
@pytest.mark.parametrize("name", ["gamma", "chunk", "cicp", "exif", "uncalibrated", "damaged"])
def test_srgb_stays_as_it_is(run: Callable[..., Result], invert: Path, tmp_path: Path, name: str) -> None:
    png = encoded(scene())
    srgb = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8769)[0xA001] = 1 if name == "exif" else 0xFFFF
    data = {
        "gamma": with_chunks(png, gAMA=struct.pack(">I", 45455), cHRM=srgb),
        "chunk": with_chunks(png, sRGB=b"\0", gAMA=struct.pack(">I", 100_000)),
        "cicp": with_chunks(png, cICP=bytes([1, 13, 0, 1])),
        "damaged": with_chunks(png, gAMA=bytes(4), cHRM=bytes(32), cICP=b""),
    }.get(name) or encoded(scene(), exif=exif)
    (tmp_path / "photo.png").write_bytes(data)
    (tmp_path / "plain.png").write_bytes(png if "exif" not in name and name != "uncalibrated" else data)
    for photo in ("photo", "plain"):
        result = run(
            "stylize", "-m", invert, tmp_path / f"{photo}.png", "-o", tmp_path / f"{photo}-result.png"
        )
        assert result.exit_code == 0
    np.testing.assert_array_equal(shown(tmp_path / "photo-result.png"), 255 - scene())
    with Image.open(tmp_path / "photo-result.png") as painted:
        assert "icc_profile" not in painted.info
    assert (tmp_path / "photo-result.png").read_bytes() == (tmp_path / "plain-result.png").read_bytes()


def test_another_pictures_colours_in_the_file_do_not_count(
    run: Callable[..., Result], invert: Path, tmp_path: Path
) -> None:
    skip_without("AVIF")
    avif = encoded(scene(), "AVIF", quality=100, subsampling="4:4:4")
    start = avif.index(b"ipco") - 4
    (length,) = struct.unpack_from(">I", avif, start)
    names, position = [], start + 8
    while position < start + length:
        size, name = struct.unpack_from(">I4s", avif, position)
        names.append(name)
        position += size
    # The photo's own colour goes to the end, and its place takes one of HDR, as of a gain map.
    own = avif.index(b"colrnclx") - 4
    hdr = avif[own : own + 12] + struct.pack(">HH", BT2020, PQ) + avif[own + 16 : own + 19]
    data = bytearray(avif[:own] + hdr + avif[own + 19 : position] + avif[own : own + 19] + avif[position:])
    uses = data.index(b"ipma") + 15
    entry = data.index(bytes([names.index(b"colr") + 1]), uses)
    data[entry] = len(names) + 1
    for name in (b"ipco", b"iprp", b"meta"):
        box = data.index(name) - 4
        data[box : box + 4] = struct.pack(">I", struct.unpack_from(">I", data, box)[0] + 19)
    place = data.index(struct.pack(">I", avif.index(b"mdat") + 4), data.index(b"iloc"))
    data[place : place + 4] = struct.pack(">I", avif.index(b"mdat") + 23)
    (tmp_path / "photo.avif").write_bytes(data)
    result = run("stylize", "-m", invert, tmp_path / "photo.avif", "-o", tmp_path / "result.png")
    assert result.exit_code == 0, result.output
    assert np.abs(shown(tmp_path / "result.png").astype(int) - (255 - scene())).max() <= 4


def test_a_png_that_says_srgb_twice_keeps_its_profile(
    run: Callable[..., Result], invert: Path, tmp_path: Path
) -> None:
    image, profile = in_space(scene(), "sRGB")
    png = encoded(image, icc_profile=profile)
    (tmp_path / "photo.png").write_bytes(with_chunks(png, cICP=bytes([1, 13, 0, 1])))
    assert run("stylize", "-m", invert, tmp_path / "photo.png", "-o", tmp_path / "result.png").exit_code == 0
    with Image.open(tmp_path / "result.png") as result:
        assert result.info["icc_profile"] == profile
        np.testing.assert_array_equal(np.asarray(result), 255 - scene())
