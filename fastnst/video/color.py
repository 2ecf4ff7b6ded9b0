"""Converting a video's colours to sRGB and back, and the tags by which players do the same."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnst.color.space import (
    DCI,
    HLG,
    LINEAR,
    LOG,
    LOG_SQRT,
    PQ,
    PRIMARIES,
    SRGB,
    ColorSpace,
    FromSrgb,
    ToSrgb,
)

# H.273's numbers of matrices and ranges, which FFmpeg uses too.
_RGB, _BT709, _UNSPECIFIED, _BT601 = 0, 1, 2, 6
_LIMITED, _FULL = 1, 2

# The curves that no screen of SDR expects: their videos become BT.709.
_CONVERTED = (LINEAR, LOG, LOG_SQRT, PQ, DCI, HLG)

# Matrices that swscale does not know, and would take for others.
_IPT_C2 = 15
_UNKNOWN = {8: "YCgCo", 11: "Y'D'zD'x", 12: "derived YCbCr", 13: "derived YCbCr", 14: "ICtCp"}
_UNKNOWN |= {_IPT_C2: "IPT-C2 (Dolby Vision, profile 5)", 16: "YCgCo-Re", 17: "YCgCo-Ro"}

# swscale's numbers for the matrices of H.273. 2, unspecified, depends on the size.
_SWSCALE = {_RGB: 1, _BT709: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_SWSCALE_709, _SWSCALE_601 = 1, 5

# swscale's flags: interpolation, then full chroma on both ways and accurate rounding, without which colours
# come out up to two levels off.
_BICUBIC, _LANCZOS, _EXACT = 0x4, 0x200, 0x2000 | 0x4000 | 0x40000


class ColorTags(NamedTuple):
    """What is said of a video's colours, in the numbers of H.273; by default nothing."""

    matrix: int = _UNSPECIFIED
    range: int = 0
    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED

    @classmethod
    def of(cls, decoder: Any) -> ColorTags:
        """Return those of a PyAV codec context: before it decodes, what the container says."""
        return cls(decoder.colorspace, decoder.color_range, decoder.color_primaries, decoder.color_trc)

    def filled(self, others: ColorTags) -> ColorTags:
        """Return these tags, with the others' where these say nothing."""
        pairs = zip(self, others, ColorTags(), strict=True)
        return ColorTags(*(other if tag == nothing else tag for tag, other, nothing in pairs))


@dataclass(frozen=True)
class VideoColor:
    """The colour space of a video, in the numbers of ITU-T H.273.

    Attributes:
        matrix: Converts RGB to YUV: 1 is BT.709, 5 and 6 are BT.601, 9 is BT.2020, 2 is unspecified.
        full_range: Whether black to white is 0 to 255 instead of 16 to 235.
        range_tag: 1 limited, 2 full, 0 where the file says nothing (which means limited).
        primaries: The colour primaries.
        transfer: The transfer characteristic.
        swscale_matrix: FFmpeg's number of the matrix in use; if unspecified, guessed from the picture's size
            as players do.
        peak: The brightest light of a video in PQ, in nits.
    """

    matrix: int
    full_range: bool
    range_tag: int
    primaries: int
    transfer: int
    swscale_matrix: int
    peak: float = 1000.0

    @classmethod
    def of(cls, frame: Any, tags: ColorTags) -> VideoColor:
        """Return the colours of the encoded copy of a PyAV frame.

        A frame of RGB is encoded as BT.709 of limited range, which every player shows.

        Args:
            frame: The first frame.
            tags: What its decoder or else its container says.
        """
        if frame.format.is_rgb or tags.matrix == _RGB:
            return cls(_BT709, False, _LIMITED, tags.primaries, tags.transfer, _SWSCALE_709, _peak(frame))
        full = tags.range == _FULL or frame.format.name.startswith("yuvj")
        guess = _guessed_matrix(frame.width, frame.height)
        return cls(
            _IPT_C2 if _is_dolby_only(frame) else tags.matrix,
            full,
            _FULL if full else tags.range,
            tags.primaries,
            tags.transfer,
            _SWSCALE.get(tags.matrix, guess),
            _peak(frame),
        )

    def at_size(self, width: int, height: int) -> VideoColor:
        """Return the colours of a copy of another size, tagged where players would guess wrongly."""
        if self.matrix in _SWSCALE or _guessed_matrix(width, height) == self.swscale_matrix:
            return self
        return replace(self, matrix=_BT709 if self.swscale_matrix == _SWSCALE_709 else _BT601)

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer is PQ or HLG."""
        return self._space.is_hdr

    @property
    def unread(self) -> str | None:
        """The line for colours that cannot be converted, without the file's name; None for all others."""
        if self.matrix not in _UNKNOWN:
            return None
        rec709 = "libplacebo=colorspace=bt709:color_primaries=bt709:color_trc=bt709"
        by = rec709 if self.matrix == _IPT_C2 else "zscale=matrix=709"
        return (
            f"has colours in {_UNKNOWN[self.matrix]}, which are not read: convert it first, as with "
            f"ffmpeg -vf {by}"
        )

    @property
    def written(self) -> VideoColor:
        """The colours of the painted copy: BT.709 where the curve is none of SDR video, else the same."""
        if self.transfer not in _CONVERTED:
            return self
        return replace(self, matrix=_BT709, primaries=_BT709, transfer=_BT709, swscale_matrix=_SWSCALE_709)

    @property
    def _space(self) -> ColorSpace:
        curve = self.transfer if self.transfer in _CONVERTED else SRGB
        return ColorSpace(PRIMARIES.get(self.primaries, PRIMARIES[_BT709]), curve, self.peak)

    @cached_property
    def _to_srgb(self) -> ToSrgb | None:
        return None if self._space == ColorSpace(peak=self.peak) else ToSrgb(self._space)

    @cached_property
    def _from_srgb(self) -> FromSrgb | None:
        return None if self._to_srgb is None else FromSrgb(self._space)

    def to_rgb(self, frame: Any, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return a PyAV frame's colours as sRGB.

        Screens show the curve of SDR video as they show sRGB's, so its values stay; other primaries are
        converted, and HDR is tone-mapped.

        Args:
            frame: A frame of any pixel format.
            size: The width and height wanted.

        Returns:
            sRGB of shape (H, W, 3), uint8; of shape (H, W, 4), with the opacity, if the format has that.
        """
        has_alpha = any(component.is_alpha for component in frame.format.components)
        is_deep = max(component.bits for component in frame.format.components) > 8
        same_size = size == (frame.width, frame.height)
        formats = ("rgb48le", "rgba64le") if is_deep and self._to_srgb else ("rgb24", "rgba")
        rgb = frame.reformat(
            width=size[0],
            height=size[1],
            format=formats[has_alpha],
            src_colorspace=None if frame.format.is_rgb else self.swscale_matrix,
            src_color_range=_FULL if self.full_range or frame.format.is_rgb else _LIMITED,
            dst_color_range=_FULL,
            interpolation=(_BICUBIC if same_size else _LANCZOS) | _EXACT,
        )
        values: NDArray[Any] = rgb.to_ndarray()
        if self._to_srgb is None:
            return values
        pixels = self._to_srgb(values[..., :3])
        if not has_alpha:
            return pixels
        alpha = (values[..., 3:] >> (8 if values.dtype == np.uint16 else 0)).astype(np.uint8)
        return np.concatenate([pixels, alpha], axis=-1)

    def to_yuv(self, frame: Any) -> Any:
        """Return a PyAV frame of sRGB, rgb24, as yuv420p in these colours."""
        if self._from_srgb is not None:
            frame = type(frame).from_ndarray(self._from_srgb(frame.to_ndarray()), format="rgb24")
        yuv = frame.reformat(
            format="yuv420p",
            src_color_range=_FULL,
            dst_colorspace=self.swscale_matrix,
            dst_color_range=_FULL if self.full_range else _LIMITED,
            interpolation=_BICUBIC | _EXACT,
        )
        yuv.colorspace, yuv.color_range = self.matrix, self.range_tag
        return yuv

    def tag(self, encoder: Any) -> None:
        """Write the tags on a PyAV codec context, which writes them into the video."""
        encoder.colorspace = self.matrix
        encoder.color_range = self.range_tag
        encoder.color_primaries = self.primaries
        encoder.color_trc = self.transfer


def _guessed_matrix(width: int, height: int) -> int:
    # Without a tag, mpv and other players assume BT.709 for pictures larger than standard definition.
    return _SWSCALE_709 if width >= 1280 or height > 576 else _SWSCALE_601


def _peak(frame: Any) -> float:
    """Return the brightest light that a frame says its video has, in nits."""
    said = {data.type.name: bytes(data) for data in frame.side_data}
    level = said.get("CONTENT_LIGHT_LEVEL", b"")
    if len(level) >= 4 and (brightest := struct.unpack_from("=I", level)[0]):
        return float(brightest)
    screen = said.get("MASTERING_DISPLAY_METADATA", b"")
    if len(screen) >= 88:  # FFmpeg's AVMasteringDisplayMetadata: ten rational numbers, then two flags
        numerator, denominator, _, has_luminance = struct.unpack_from("=4i", screen, 72)
        if has_luminance and numerator > 0 and denominator > 0:
            return float(numerator / denominator)
    return 1000.0


def _is_dolby_only(frame: Any) -> bool:
    """Return whether a frame's colours are Dolby Vision's own, profile 5, which no tag says.

    The other profiles hold HDR10, HLG or SDR, and say so; what Dolby adds to it is left aside.
    """
    for data in frame.side_data:
        if data.type.name == "DOVI_METADATA":
            content = bytes(data)  # FFmpeg's AVDOVIMetadata, which begins with where AVDOVIRpuDataHeader is
            (header,) = struct.unpack_from("N", content)
            profile, has_full_range = content[header + 4], content[header + 10]
            return profile == 0 and bool(has_full_range)
    return False
