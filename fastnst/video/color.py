"""Converting a video's colours to RGB and back: matrix, range, and the tags that players read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

# H.273's numbers of matrices, transfers and ranges, which FFmpeg uses too.
_RGB, _BT709, _BT601 = 0, 1, 6
_LIMITED, _FULL = 1, 2
_PQ, _HLG = 16, 18

# swscale's numbers for the matrices of H.273. 2, unspecified, depends on the size. The others are rare, or
# unknown to swscale (such as ICtCp).
_SWSCALE = {_RGB: 1, _BT709: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_SWSCALE_709, _SWSCALE_601 = 1, 5

# swscale's flags: interpolation, then full chroma on both ways and accurate rounding, without which colours
# come out up to two levels off.
_BICUBIC, _LANCZOS, _EXACT = 0x4, 0x200, 0x2000 | 0x4000 | 0x40000


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
    """

    matrix: int
    full_range: bool
    range_tag: int
    primaries: int
    transfer: int
    swscale_matrix: int

    @classmethod
    def of(cls, frame: Any, decoder: Any) -> VideoColor:
        """Return the colours of the encoded copy of a PyAV frame, which `decoder`, a codec context, gave.

        A frame of RGB is encoded as BT.709 of limited range, which every player shows.
        """
        primaries, transfer = decoder.color_primaries, decoder.color_trc
        if frame.format.is_rgb or frame.colorspace == _RGB:
            return cls(_BT709, False, _LIMITED, primaries, transfer, _SWSCALE_709)
        full = frame.color_range == _FULL or frame.format.name.startswith("yuvj")
        guess = _guessed_matrix(frame.width, frame.height)
        return cls(
            frame.colorspace,
            full,
            _FULL if full else frame.color_range,
            primaries,
            transfer,
            _SWSCALE.get(frame.colorspace, guess),
        )

    def at_size(self, width: int, height: int) -> VideoColor:
        """Return the colours of a copy of another size, tagged where players would guess wrongly."""
        if self.matrix in _SWSCALE or _guessed_matrix(width, height) == self.swscale_matrix:
            return self
        return replace(self, matrix=_BT709 if self.swscale_matrix == _SWSCALE_709 else _BT601)

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer is PQ or HLG."""
        return self.transfer in (_PQ, _HLG)

    def to_rgb(self, frame: Any, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return a PyAV frame's colours; what is transparent is laid on white.

        Args:
            frame: A frame of any pixel format.
            size: The width and height wanted.

        Returns:
            RGB of shape (H, W, 3), uint8.
        """
        has_alpha = any(component.is_alpha for component in frame.format.components)
        same_size = size == (frame.width, frame.height)
        rgb = frame.reformat(
            width=size[0],
            height=size[1],
            format="rgba" if has_alpha else "rgb24",
            src_colorspace=None if frame.format.is_rgb else self.swscale_matrix,
            src_color_range=_FULL if self.full_range or frame.format.is_rgb else _LIMITED,
            dst_color_range=_FULL,
            interpolation=(_BICUBIC if same_size else _LANCZOS) | _EXACT,
        )
        pixels: NDArray[np.uint8] = rgb.to_ndarray()
        if not has_alpha:
            return pixels
        alpha = pixels[..., 3:].astype(np.uint16)
        return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)

    def to_yuv(self, frame: Any) -> Any:
        """Return a PyAV frame of RGB as yuv420p in these colours."""
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
