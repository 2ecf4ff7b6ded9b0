"""Colour spaces by their primaries and their curve, and their way to sRGB; HDR is tone-mapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastnst.color.oklab import linear_light, srgb_bytes
from fastnst.row_strips import row_strips

Plane = NDArray[np.float32]

# The curves by their numbers in ITU-T H.273.
GAMMA_22, GAMMA_28, LINEAR, LOG, LOG_SQRT, SRGB, PQ, DCI, HLG = 4, 5, 8, 9, 10, 13, 16, 17, 18

_D65 = (0.3127, 0.3290)
BT709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *_D65)
ADOBE_RGB = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, *_D65)
# x and y of red, green, blue and white, by H.273's numbers of primaries.
PRIMARIES = {
    1: BT709,
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.310, 0.316),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),  # BT.2020
    10: (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1 / 3, 1 / 3),  # XYZ
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),  # DCI-P3
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),  # Display P3
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *_D65),
}

_WHITE = 203.0  # nits of SDR's white in HDR, ITU-R BT.2408
_HLG_PEAK = 1000.0  # nits of HLG's nominal display
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_GAINS = 4096
# Profiles that are called sRGB differ from each other by up to this many levels of 255.
_SRGB_TOLERANCE = 3


@dataclass(frozen=True)
class ColorSpace:
    """An RGB colour space.

    Attributes:
        chromaticities: CIE x and y of red, green, blue and white.
        curve: From values to light: a number of H.273, or an exponent as a float. Numbers that are not among
            this module's constants are curves of SDR video, which screens show as sRGB.
        peak: The brightest light of a picture in PQ, in nits.
    """

    chromaticities: tuple[float, ...] = BT709
    curve: int | float = SRGB
    peak: float = 1000.0

    @property
    def is_hdr(self) -> bool:
        """Whether the curve is PQ or HLG."""
        return not isinstance(self.curve, float) and self.curve in (PQ, HLG)


class ToSrgb:
    """The conversion of a colour space to sRGB; calls are thread-safe.

    Colours that sRGB does not have are clipped. HDR is tone-mapped: its diffuse white of 203 nits is SDR's,
    up to about half of that nothing changes, and brighter light rolls off by ITU-R BT.2390, section 5.4.1,
    with the same factor for the three channels, which holds the hue.

    Args:
        space: The colour space.

    Raises:
        ValueError: If its chromaticities are no colours.
    """

    def __init__(self, space: ColorSpace) -> None:
        self._is_hlg = space.is_hdr and space.curve == HLG
        self._light = _curve(space.curve)(np.arange(65_536) / 65_535).astype(np.float32)
        self._luminance = _to_xyz(space.chromaticities)[1].astype(np.float32)
        self._matrix = _to_bt709(space.chromaticities).T.astype(np.float32)
        self._peak = (_HLG_PEAK if self._is_hlg else max(space.peak, _WHITE)) / _WHITE
        self._gains = _gains(self._peak) if space.is_hdr else None

    def __call__(self, rgb: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
        """Return a picture of shape (H, W, 3), of 8 or 16 bits over their whole range, as sRGB, uint8."""
        result = np.empty(rgb.shape, np.uint8)
        light = self._light[::257] if rgb.dtype == np.uint8 else self._light
        for rows in row_strips(*rgb.shape[:2]):
            result[rows] = srgb_bytes(self._in_range(light.take(rgb[rows])))
        return result

    def _in_range(self, light: Plane) -> Plane:
        """Return linear light in sRGB's primaries, HDR's tone-mapped."""
        if self._is_hlg:  # the scene's light becomes the display's: ITU-R BT.2100, table 5
            scene = light @ self._luminance
            light *= np.float32(_HLG_PEAK / _WHITE) * np.power(scene, np.float32(0.2))[..., np.newaxis]
        light = light @ self._matrix
        if self._gains is not None:
            most = np.maximum(np.maximum(light[..., 0], light[..., 1]), light[..., 2])
            steps = np.sqrt(np.clip(most / np.float32(self._peak), 0, 1)) * np.float32(_GAINS - 1)
            light *= self._gains.take(np.rint(steps).astype(np.uint16))[..., np.newaxis]
        return light


class FromSrgb:
    """The conversion of sRGB to the primaries of a colour space, with sRGB's curve; calls are thread-safe."""

    def __init__(self, space: ColorSpace) -> None:
        self._matrix = np.linalg.inv(_to_bt709(space.chromaticities)).T.astype(np.float32)

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a picture of shape (H, W, 3), uint8, in the colour space."""
        result = np.empty_like(rgb)
        for rows in row_strips(*rgb.shape[:2]):
            result[rows] = srgb_bytes(linear_light(rgb[rows]) @ self._matrix)
        return result


def is_srgb(convert: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> bool:
    """Return whether a conversion to sRGB changes no colour by more than what sRGB's profiles differ by."""
    # Converting sRGB to sRGB would only add rounding errors.
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    lattice = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, levels.size, 3)
    return bool(np.abs(convert(lattice).astype(int) - lattice).max() <= _SRGB_TOLERANCE)


def _curve(curve: int | float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the function from values in [0, 1] to linear light, in which 1 is SDR's white."""
    if isinstance(curve, float):
        return lambda values: values**curve
    curves: dict[int, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
        GAMMA_22: lambda values: values**2.2,
        GAMMA_28: lambda values: values**2.8,
        LINEAR: lambda values: values,
        LOG: lambda values: np.where(values > 0, 10 ** (2 * (values - 1)), 0),
        LOG_SQRT: lambda values: np.where(values > 0, 10 ** (2.5 * (values - 1)), 0),
        DCI: lambda values: values**2.6 * (52.37 / 48),
        PQ: lambda values: _nits(values) / _WHITE,
        HLG: _hlg,
    }
    return curves.get(curve, _srgb)


def _srgb(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _hlg(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scene's light in [0, 1]: ITU-R BT.2100, table 5."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)


# ITU-R BT.2100, table 4.
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128


def _nits(values: NDArray[np.float64]) -> NDArray[np.float64]:
    root = values ** (1 / _M2)
    return 10_000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)


def _pq(nits: NDArray[np.float64] | float) -> NDArray[np.float64]:
    root = (np.asarray(nits, np.float64) / 10_000) ** _M1
    return ((_C1 + _C2 * root) / (1 + _C3 * root)) ** _M2


def _gains(peak: float) -> Plane:
    """Return the tone mapping's factors for light from 0 to `peak`, in steps of its square root."""
    light = peak * np.linspace(0, 1, _GAINS) ** 2
    brightest = float(_pq(peak * _WHITE))
    white = float(_pq(_WHITE)) / brightest
    knee = 1.5 * white - 0.5
    values: NDArray[np.float64] = _pq(light * _WHITE) / brightest
    t = np.maximum(values - knee, 0) / (1 - knee or 1.0)
    rolled = (
        (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * white
    )
    mapped = np.where(values < knee, light, _nits(rolled * brightest) / _WHITE)
    return np.divide(mapped, light, out=np.ones(_GAINS), where=light > 0).astype(np.float32)


def _to_bt709(chromaticities: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to BT.709's, whose white it adapts to (Bradford)."""
    with np.errstate(all="ignore"):  # what a damaged file says may be anything
        white, bt709_white = (_BRADFORD @ _xyz(*xy) for xy in (chromaticities[6:], _D65))
        adapted = np.linalg.inv(_BRADFORD) @ np.diag(bt709_white / white) @ _BRADFORD
        matrix: NDArray[np.float64] = np.linalg.inv(_to_xyz(BT709)) @ adapted @ _to_xyz(chromaticities)
        if not np.isfinite(matrix.astype(np.float32)).all():
            raise ValueError("these chromaticities are no colours")
    return matrix


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    if not y > 0:
        raise ValueError("these chromaticities are no colours")
    return np.array([x / y, 1, (1 - x - y) / y])


def _to_xyz(chromaticities: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to XYZ, in which white has a Y of 1."""
    x, y = np.array(chromaticities[:6]).reshape(3, 2).T
    columns = np.stack([x, y, 1 - x - y])
    try:
        shares = np.linalg.solve(columns, _xyz(*chromaticities[6:]))
    except np.linalg.LinAlgError:
        raise ValueError("these chromaticities are no colours") from None
    return columns * shares
