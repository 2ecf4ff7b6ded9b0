"""Damaged and hostile files, each made from a number, and what may become of them: success or a FastnstError.

`python -m tests.fastnst.fuzz --seconds 600` runs them in child processes and names every number after which
something else happened: another exception, a crash, a hang, or memory that does not suit the file.
"""

from __future__ import annotations

import argparse
import functools
import io
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from fastnst import FastnstError
from fastnst.image.encode import encode_image
from fastnst.image.file import read_image
from tests.fastnst.damage import damaged
from tests.fastnst.fuzz_models import (
    assert_one_line,
    check_metadata,
    check_model,
    graph_case,
    metadata_case,
    model_seeds,
)
from tests.fastnst.make_images import pixels, png16

MAX_PIXELS = 1_000_000
MOST_SECONDS = 10
MOST_MEGABYTES = 600


@functools.cache
def image_seeds() -> tuple[bytes, ...]:
    """Return small whole images in every format and mode that Pillow writes, with and without metadata."""
    Image.init()
    rgba = Image.fromarray(pixels(11, 13, channels=4), "RGBA")
    rgb = rgba.convert("RGB")
    grey = np.asarray(rgba.convert("L"))
    images = [
        rgb,
        rgba,
        *(rgb.convert(mode) for mode in ("1", "L", "P", "CMYK", "YCbCr", "HSV")),
        *(rgba.convert(mode) for mode in ("LA", "PA", "La", "RGBa")),
        Image.fromarray(grey.astype(np.int32) * 257),
        Image.fromarray(grey.astype(np.uint16) * 257),
        Image.fromarray((grey / 255).astype(np.float32)),
        ImageCms.profileToProfile(
            rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        ),
    ]
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0132] = 6, "Camera", "2024:05:06 07:08:09"
    exif.get_ifd(0x8769).update({0x9003: "2024:05:06 07:08:09", 0x829A: (1, 200), 0x927C: b"maker's note"})
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    seeds = [png16(pixels(5, 6).astype(np.uint16) * 257)]
    for file_format in sorted(Image.SAVE):
        if file_format in ("PDF", "EPS", "PALM", "GRIB", "HDF5", "BUFR", "WMF"):
            continue
        # An ICNS holds its picture at sizes up to 1024 pixels.
        for image in images if file_format != "ICNS" else images[:1]:
            for options in ({}, {"exif": exif.tobytes(), "icc_profile": profile, "dpi": (72, 144)}):
                buffer = io.BytesIO()
                try:
                    image.save(buffer, file_format, **options)
                except Exception:  # noqa: BLE001 - not every format holds every mode
                    continue
                seeds.append(buffer.getvalue())
    for compression in ("tiff_lzw", "packbits", "jpeg", "group3", "group4", "tiff_deflate", "zstd", "webp"):
        buffer = io.BytesIO()
        try:
            (rgb.convert("1") if compression.startswith("group") else rgb).save(
                buffer, "TIFF", compression=compression, tiffinfo=exif
            )
        except Exception:  # noqa: BLE001 - a Pillow built without this codec
            continue
        seeds.append(buffer.getvalue())
    for file_format in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        buffer = io.BytesIO()
        rgb.save(buffer, file_format, save_all=True, append_images=[rgb.rotate(180)])
        seeds.append(buffer.getvalue())
    for jpeg_options in (
        {"progressive": True},
        {"quality": 1, "subsampling": "4:2:0", "restart_marker_rows": 1},
    ):
        buffer = io.BytesIO()
        rgb.save(buffer, "JPEG", **jpeg_options, exif=exif.tobytes())
        seeds.append(buffer.getvalue())
    return tuple(dict.fromkeys(seeds))


def image_case(number: int) -> bytes:
    """Return the damaged image of a number."""
    chance = random.Random(number)
    data = damaged(chance.choice(image_seeds()), chance)
    return with_right_checksums(data) if chance.random() < 0.8 else data


def with_right_checksums(data: bytes) -> bytes:
    """Return a PNG with the checksum of each chunk put right, without which nothing damaged is looked at."""
    result = bytearray(data)
    at = 8
    while data.startswith(b"\x89PNG") and at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        result[end : end + 4] = struct.pack(">I", zlib.crc32(result[at + 4 : end]))
        at = end + 4
    return bytes(result)


def model_case(number: int) -> bytes:
    """Return the damaged model of a number."""
    chance = random.Random(number)
    seeds = model_seeds()
    # A bundled style is slow to open, so that it comes seldom; its graph is in its first kilobytes.
    whole = chance.choice(seeds[:8]) if chance.random() < 0.97 or len(seeds) == 8 else seeds[-1]
    return damaged(whole, chance, header=20_000)


def check_image(data: bytes) -> None:
    """Read a file, and write it again where it could be read."""
    try:
        picture = read_image(io.BytesIO(data), max_pixels=MAX_PIXELS, first_frame=len(data) % 2 == 0)
    except FastnstError as error:
        assert_one_line(error)
        return
    height, width = picture.pixels.shape[:2]
    assert picture.pixels.shape == (height, width, 3)
    assert picture.pixels.dtype == np.uint8
    assert height * width <= MAX_PIXELS
    assert picture.alpha is None or picture.alpha.shape == (height, width)
    for file_format in ("JPEG", "PNG", "TIFF", "WEBP"):
        try:
            encoded = encode_image(picture, file_format)
        except FastnstError as error:
            assert_one_line(error)
            if max(height, width) <= 16_383:  # WebP's limit
                raise AssertionError(f"{height}x{width} as {file_format}") from error
            continue
        again = read_image(io.BytesIO(encoded), max_pixels=MAX_PIXELS)
        assert again.pixels.shape == (height, width, 3)


def video_case(number: int) -> Any:
    """Return the damaged video of a number."""
    from tests.fastnst import fuzz_videos  # PyAV needs Python 3.11

    return fuzz_videos.video_case(number)


def check_video(case: Any) -> None:
    """Paint a video."""
    from tests.fastnst import fuzz_videos

    fuzz_videos.check_video(case)


KINDS: dict[str, tuple[Callable[[int], Any], Callable[[Any], None]]] = {
    "image": (image_case, check_image),
    "model": (model_case, check_model),
    "graph": (graph_case, check_model),
    "metadata": (metadata_case, check_metadata),
    "video": (video_case, check_video),
}


def _run_cases(kind: str, first: int, seconds: float, report: Path) -> None:
    """Run cases from `first` on in this process; write the number of each before it begins."""
    import faulthandler

    faulthandler.enable()
    make, check = KINDS[kind]
    make(first)
    end = time.monotonic() + seconds
    number = first
    peak = _peak_megabytes()
    while time.monotonic() < end:
        report.write_text(str(number))
        signal.alarm(MOST_SECONDS)
        try:
            check(make(number))
        except Exception:  # noqa: BLE001 - what the fuzzer looks for
            print(f"{kind} {number}: {traceback.format_exc()}", flush=True)
        signal.alarm(0)
        grown = _peak_megabytes()
        if grown - peak > MOST_MEGABYTES:
            print(f"{kind} {number}: {grown - peak:.0f} MB", flush=True)
        peak = max(peak, grown)
        number += 1
    report.write_text(str(number))


def _peak_megabytes() -> float:
    import resource  # which Windows lacks

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run for a time, over again after each crash, and end with code 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, default="image")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--one", type=int, help="run the case of this number alone, in this process")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # Pillow's, of damage that it reads past
    make, check = KINDS[options.kind]
    if options.one is not None:
        check(make(options.one))
        return
    if options.child is not None:
        _run_cases(options.kind, options.first, options.seconds, options.child)
        return
    number, found = options.first, 0
    end = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "number"
        while (left := end - time.monotonic()) > 0:
            report.write_text(str(number))
            child = subprocess.run(
                [sys.executable, "-m", "tests.fastnst.fuzz", "--kind", options.kind, "--first", str(number),
                 "--seconds", str(left), "--child", str(report)],
                check=False, capture_output=True, text=True,
            )  # fmt: skip
            found += child.stdout.count(f"\n{options.kind} ") + child.stdout.startswith(f"{options.kind} ")
            print(child.stdout, end="", flush=True)
            number = int(report.read_text())
            if child.returncode:
                found += 1
                ended = "hung" if child.returncode == -signal.SIGALRM else f"ended by {-child.returncode}"
                print(f"{options.kind} {number}: {ended}\n{child.stderr[-3000:]}", flush=True)
                number += 1
    print(f"{number - options.first} {options.kind} cases, {found} findings")
    sys.exit(min(found, 1))


if __name__ == "__main__":
    main()
