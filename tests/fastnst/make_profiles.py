"""One scene in several colour spaces, with the ICC profiles that say so, all computed without Little CMS."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageCms

_D50 = (0.9642, 1.0, 0.8249)

# Each primary's XYZ under D50 in a column (http://www.brucelindbloom.com, RGB/XYZ matrices).
_SRGB = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7142]])
_ADOBE_RGB = np.array([[0.6097, 0.2053, 0.1492], [0.3111, 0.6257, 0.0632], [0.0195, 0.0609, 0.7446]])
_DISPLAY_P3 = np.array([[0.5151, 0.2920, 0.1571], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]])
_PROPHOTO = np.array([[0.7977, 0.1352, 0.0313], [0.2880, 0.7119, 0.0001], [0.0, 0.0, 0.8249]])

# And 256 times the gamma; None is sRGB's curve.
_SPACES = {"Adobe RGB": (_ADOBE_RGB, 563), "Display P3": (_DISPLAY_P3, None), "ProPhoto": (_PROPHOTO, 461)}

# Linear BT.709 to BT.2020, ITU-R BT.2087.
_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])

_GRID = 17


def in_space(scene: np.ndarray, space: str) -> tuple[Image.Image, bytes]:
    """Return an sRGB scene, uint8 (H, W, 3), as an image in another space, and the profile of that."""
    if space == "sRGB":
        return Image.fromarray(scene), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if space == "CMYK":
        # A press that prints magenta from the first plate and cyan from the second.
        red, green, blue = np.moveaxis(scene, -1, 0)
        inks = [255 - green, 255 - red, 255 - blue, np.zeros_like(red)]
        return Image.merge("CMYK", [Image.fromarray(ink) for ink in inks]), _press()
    matrix, gamma = _SPACES[space]
    linear = (_linear(scene / 255) @ _SRGB.T @ np.linalg.inv(matrix).T).clip(0, 1)
    encoded = _encoded(linear) if gamma is None else linear ** (256 / gamma)
    values = np.rint(255 * encoded).astype(np.uint8)
    tags = {f"{name}XYZ": _xyz(primary) for name, primary in zip("rgb", matrix.T, strict=True)}
    srgb = [round(65536 * value) for value in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)]
    curve = _curve(gamma) if gamma else b"para" + struct.pack(">IHH5i", 0, 3, 0, *srgb)
    tags |= {f"{name}TRC": curve for name in "rgb"}
    return Image.fromarray(values), _profile(b"mntrRGB XYZ ", tags)


def grey_profile(gamma: int) -> bytes:
    """Return the profile of greyscale whose curve is a power, given 256 times its exponent."""
    return _profile(b"mntrGRAYXYZ ", {"kTRC": _curve(gamma)})


def in_hdr(scene: np.ndarray, transfer: str) -> np.ndarray:
    """Return an sRGB scene, whose white is 203 nits, as BT.2020 in PQ or HLG, float from 0 to 1."""
    nits = 203 * _linear(scene / 255) @ _BT2020.T
    if transfer == "PQ":  # SMPTE ST 2084
        power = (nits.clip(0) / 10_000) ** 0.1593017578125
        return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    # ITU-R BT.2100: the display's light by the system gamma of 1.2 from the scene's.
    luminance = (nits / 1000) @ [0.2627, 0.6780, 0.0593]
    light = nits / 1000 * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1)
    root = np.sqrt(3 * light.clip(0))
    return np.where(
        root <= 0.5, root, 0.17883277 * np.log(np.maximum(12 * light, 1) - 0.28466892) + 0.55991073
    )


def _curve(gamma: int) -> bytes:
    return b"curv" + struct.pack(">IIHH", 0, 1, gamma, 0)


def _press() -> bytes:
    steps = np.linspace(0, 1, _GRID)
    first, second, third, black = np.meshgrid(steps, steps, steps, steps, indexing="ij")
    rgb = (1 - np.stack([second, first, third], axis=-1)) * (1 - black[..., None])
    scaled = _linear(rgb) @ _SRGB.T / _D50
    root = np.where(scaled > (6 / 29) ** 3, np.cbrt(scaled), scaled * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    lightness, a, b = 116 * y - 16, 500 * (x - y), 200 * (y - z)
    lab = np.stack([lightness * 652.8, (a + 128) * 256, (b + 128) * 256], axis=-1)
    ramp = np.array([0, 65535], ">u2").tobytes()
    identity = struct.pack(">9i", *(65536 * np.eye(3, dtype=int)).ravel())
    table = np.rint(lab).clip(0, 65535).astype(">u2").tobytes()
    head = b"mft2" + struct.pack(">IBBBB", 0, 4, 3, _GRID, 0) + identity + struct.pack(">HH", 2, 2)
    return _profile(b"prtrCMYKLab ", {"A2B0": head + 4 * ramp + table + 3 * ramp})


def _linear(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _encoded(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _xyz(values: np.ndarray | tuple[float, float, float]) -> bytes:
    return b"XYZ " + struct.pack(">I3i", 0, *(round(65536 * float(value)) for value in values))


def _profile(kind: bytes, tags: Mapping[str, bytes]) -> bytes:
    name = b"test\0"
    description = b"desc" + struct.pack(">II", 0, len(name)) + name + bytes(78)
    tags = {**tags, "wtpt": _xyz(_D50), "cprt": b"text" + bytes(4) + name, "desc": description}
    tags = {tag: data + bytes(-len(data) % 4) for tag, data in tags.items()}
    offset = 128 + 4 + 12 * len(tags)
    index = b""
    for tag, data in tags.items():
        index += tag.encode() + struct.pack(">II", offset, len(data))
        offset += len(data)
    header = struct.pack(">I4xI", offset, 0x02400000) + kind + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + _xyz(_D50)[8:]
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + b"".join(tags.values())
