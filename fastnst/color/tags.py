"""The colour space that an image file states by other means than Pillow's ICC profile."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from PIL import Image

from fastnst.color.space import ADOBE_RGB, BT709, PRIMARIES, SRGB, ColorSpace

_SRGB_GAMMA = 0.45455  # PNG's way to say sRGB's curve without its name
_EXIF_IFD, _INTEROP_IFD = 0x8769, 0xA005
COLOR_SPACE, GAMMA = 0xA001, 0xA500
"""EXIF's entries on colours, which do not hold for a converted picture."""
_WHITE_POINT, _PRIMARY_CHROMATICITIES = 0x013E, 0x013F


def stated_color(image: Image.Image, data: bytes, exif: Image.Exif | None) -> ColorSpace | bytes | None:
    """Return what a file says about its colours beside the profile that Pillow found.

    It may be: PNG's cICP, sRGB, gAMA and cHRM; the `colr` box of AVIF, HEIC and JPEG 2000; BMP's profile;
    EXIF's Adobe RGB; TIFF's primaries.

    Args:
        image: The opened image.
        data: The file's bytes.
        exif: Its EXIF, if it has any.

    Returns:
        A colour space, an ICC profile, or None where nothing is said, or sRGB. PNG's cICP goes before a
        profile; all else holds only without one.
    """
    has_profile = bool(image.info.get("icc_profile"))
    if image.format == "PNG":
        return _of_png(data, has_profile) or (None if has_profile else _of_exif(exif))
    if has_profile:
        return None
    if image.format in ("AVIF", "HEIF", "JPEG2000"):
        return _of_boxes(data) or _of_exif(exif)
    if image.format == "BMP" and data[70:74] == b"DEBM":  # version 5, with a profile
        start, length = struct.unpack_from("<II", data, 126) if len(data) >= 134 else (0, 0)
        return data[14 + start :][:length] or None
    if image.format == "TIFF" and (space := _of_tiff(image)):
        return space
    return _of_exif(exif)


def _of_png(data: bytes, has_profile: bool) -> ColorSpace | None:
    chunks = dict(_png_chunks(data))
    if space := _of_numbers(chunks.get(b"cICP", b"")[:2]):
        return space
    if has_profile or not chunks.keys() & {b"sRGB", b"gAMA", b"cHRM"}:
        return None
    if b"sRGB" in chunks:
        return ColorSpace()
    gamma = int.from_bytes(chunks.get(b"gAMA", b"")[:4], "big") / 100_000
    numbers = chunks.get(b"cHRM", b"")
    chromaticities: tuple[float, ...] = BT709  # a file that says one of the two says nothing of the other
    if len(numbers) == 32:
        white_x, white_y, *others = (value / 100_000 for value in struct.unpack(">8I", numbers))
        chromaticities = (*others, white_x, white_y)
    is_srgb = abs(gamma - _SRGB_GAMMA) < 0.005 and all(
        abs(value - srgb) < 0.002 for value, srgb in zip(chromaticities, BT709, strict=True)
    )
    return ColorSpace(chromaticities, 1 / gamma if 0.1 < gamma < 10 and not is_srgb else SRGB)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and contents of the chunks before the pixels."""
    position = 8
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        if name == b"IDAT":
            return
        yield name, data[position + 8 : position + 8 + length]
        position += length + 12


def _of_boxes(data: bytes) -> ColorSpace | bytes | None:
    """Read the first colr box that says a colour: ISO/IEC 14496-12, 12.1.5, and 15444-1, I.5.3.3."""
    try:
        contents = _color_boxes(data)
    except (struct.error, KeyError, IndexError):  # damaged
        return None
    for content in contents:
        kind = content[:4]
        if kind == b"nclx" and len(content) >= 8:
            primaries, curve = struct.unpack_from(">HH", content, 4)
            return _of_numbers(bytes([min(primaries, 255), min(curve, 255)]))
        if kind in (b"prof", b"rICC"):
            return content[4:]
        if kind[:1] in (b"\2", b"\3"):  # JPEG 2000
            return content[3:]
    return None


def _color_boxes(data: bytes) -> list[bytes]:
    """Return the colr boxes of a JPEG 2000 file, or of the main picture in an AVIF or HEIC file."""
    top = dict(_boxes(data))
    if b"jp2h" in top:
        return [content for name, content in _boxes(top[b"jp2h"]) if name == b"colr"]
    # A file may hold other pictures too, such as a gain map: ISO/IEC 23008-12, 9.3.
    meta = dict(_boxes(top[b"meta"][4:]))
    main = int.from_bytes(meta[b"pitm"][4 : 6 if meta[b"pitm"][0] == 0 else 8], "big")
    parts = dict(_boxes(meta[b"iprp"]))
    properties = list(_boxes(parts[b"ipco"]))
    indices = _property_indices(parts[b"ipma"], main)
    used = [properties[index - 1] for index in indices if 0 < index <= len(properties)]
    return [content for name, content in used if name == b"colr"]


def _property_indices(ipma: bytes, item: int) -> list[int]:
    """Return the numbers of an item's properties, from 1 up: ISO/IEC 23008-12, 9.3.2."""
    has_long_ids, has_long_indices = ipma[0] > 0, ipma[3] & 1
    (count,) = struct.unpack_from(">I", ipma, 4)
    position = 8
    for _ in range(count):
        number, properties = struct.unpack_from(">IB" if has_long_ids else ">HB", ipma, position)
        position += 5 if has_long_ids else 3
        if number == item:
            values = struct.unpack_from(f">{properties}{'H' if has_long_indices else 'B'}", ipma, position)
            return [value & (0x7FFF if has_long_indices else 0x7F) for value in values]
        position += properties * (2 if has_long_indices else 1)
    return []


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and contents of the boxes of the ISO base media file format."""
    position = 0
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1:  # it takes 64 bits
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = len(data) if length == 0 else position + length
        if end < start:
            return
        yield name, data[start:end]
        position = end


def _of_numbers(numbers: bytes) -> ColorSpace | None:
    """Return the colour space of H.273's numbers of primaries and transfer."""
    if len(numbers) < 2 or (numbers[0] not in PRIMARIES and numbers[1] in (0, 2)):
        return None
    return ColorSpace(PRIMARIES.get(numbers[0], BT709), numbers[1])


def _of_exif(exif: Image.Exif | None) -> ColorSpace | None:
    """Read the two ways in which cameras say Adobe RGB: DCF's option file, and 2 for the colour space."""
    if not exif:
        return None
    try:
        stated = exif.get_ifd(_EXIF_IFD).get(COLOR_SPACE)
        index: Any = exif.get_ifd(_INTEROP_IFD).get(1, "")
    except Exception:  # noqa: BLE001 - damaged EXIF makes Pillow raise anything, and the picture is still good
        return None
    text = index.decode("latin-1") if isinstance(index, bytes) else str(index)
    if stated == 2 or (stated != 1 and text.startswith("R03")):
        return ColorSpace(ADOBE_RGB, 563 / 256)
    return None


def _of_tiff(image: Image.Image) -> ColorSpace | None:
    tags: Any = getattr(image, "tag_v2", {})
    try:
        primaries = [float(value) for value in tags[_PRIMARY_CHROMATICITIES]]
        white = [float(value) for value in tags.get(_WHITE_POINT, BT709[6:])]
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return ColorSpace((*primaries, *white)) if (len(primaries), len(white)) == (6, 2) else None
