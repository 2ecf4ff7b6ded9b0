"""The formats of image files: which are read, and what the others are called."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

# Pillow's name of each format that is read. Left out are those that run other programs or hold no picture.
# fmt: off
READABLE_FORMATS = (
    "JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF", "BMP", "MPO", "JPEG2000", "PPM", "TGA", "DIB", "ICO",
    "ICNS", "PCX", "QOI", "SGI", "PSD", "DDS", "SUN", "MSP", "XBM", "HEIF",
)

_HEIC_SUFFIXES = (".heic", ".heif", ".hif")
_HAS_HEIC = importlib.util.find_spec("pillow_heif") is not None

READABLE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".tif", ".tiff", ".avif", ".avifs", ".gif",
    ".bmp", ".dib", ".mpo", ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico", ".icns",
    ".pcx", ".qoi", ".sgi", ".psd", ".dds", *(_HEIC_SUFFIXES if _HAS_HEIC else ()),
})
"""The suffixes of the files that a folder is searched for."""

_NOT_READ = {
    "HEIC": _HEIC_SUFFIXES,
    "JPEG XL": (".jxl",),
    "camera raw": (
        ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".orf", ".ori", ".rw2",
        ".raf", ".pef", ".srw", ".x3f", ".3fr", ".fff", ".iiq", ".erf", ".mef", ".mos", ".mrw", ".rwl",
        ".gpr", ".kdc", ".dcr",
    ),
    "JPEG XR": (".jxr", ".hdp", ".wdp"),
    "OpenEXR": (".exr",),
    "Radiance HDR": (".hdr",),
    "SVG": (".svg", ".svgz"),
    "PSB": (".psb",),
    "XCF": (".xcf",),
    "EPS": (".eps",),
}
# fmt: on
_FORMAT_OF = {
    suffix: name
    for name, suffixes in _NOT_READ.items()
    for suffix in suffixes
    if suffix not in READABLE_SUFFIXES
}
_RAW = "camera raw"
_HOW_TO_READ_HEIC = "pip install pillow-heif, with which fastnst reads HEIC"

# The brands by which a file in the ISO base media format says that it is HEIC; heim and hevm and their like
# hold sequences.
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")


def unread_format(path: Path) -> str | None:
    """Return the name of an image format that fastnst does not read, by a file's suffix, or None."""
    return _FORMAT_OF.get(path.suffix.lower())


def count_formats(paths: Iterable[Path]) -> str:
    """Return how many files are of which format, as `3 HEIC, 1 JPEG XL`, and how HEIC files can be read."""
    counts = Counter(unread_format(path) or "unknown" for path in paths)
    text = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return f"{text}: {_HOW_TO_READ_HEIC}" if "HEIC" in counts else text


def is_heic(data: bytes) -> bool:
    """Return whether a file's content says that it is HEIC; AVIF, which shares some brands, is not."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS and b"avif" not in data[16:64]


def register_heic() -> bool:
    """Have Pillow read HEIC by pillow-heif, and return whether that is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def is_raw(path: Path) -> bool:
    """Return whether a file's name says that it is a camera's raw file.

    Most of them are TIFF files to Pillow, which reads the small preview in them.
    """
    return unread_format(path) == _RAW


def why_unread(data: bytes, path: Path | None) -> str | None:
    """Return why Pillow does not read a file and what to do, if its content or its name tells, else None.

    Args:
        data: The file's content.
        path: The file, or None for standard input.
    """
    name = None if path is None else unread_format(path)
    if name == _RAW:
        return "is a camera's raw file, which fastnst does not read: develop it to TIFF or JPEG"
    if is_heic(data):
        return None if _HAS_HEIC else f"is HEIC: {_HOW_TO_READ_HEIC}"
    if data[:2] == b"\xff\x0a" or data[:12] == b"\0\0\0\x0cJXL \r\n\x87\n":
        name = "JPEG XL"
    elif data[:4] == b"v/1\x01":
        name = "OpenEXR"
    elif data[:8] == b"gimp xcf":
        name = "XCF"
    return (
        f"is {name}, which fastnst does not read: convert it to PNG" if name not in (None, "HEIC") else None
    )
