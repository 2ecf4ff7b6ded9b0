"""What spoils a stylised picture: checkerboards, dots, hatches, frames, and colours of another painting.

All measures work in CIELAB, where a unit is about the least visible difference. The value of the photo itself
tells how much was there before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from train.evaluate.cielab import colour_distance, rgb_to_lab

Image = NDArray[np.uint8]
_Plane = NDArray[np.float64]

# A region of a photo is flat where the standard deviation of L* within a square of this side is below this.
# The square is large enough to exclude strokes along a contour.
_FLAT_DEVIATION = 3.0
_FLAT_SIDE = 17
# In a smaller region the density would depend on a few dots.
_LEAST_FLAT_PIXELS = 1024

# A standard deviation of L* below this is invisible. It is added to both sides of every quotient, which then
# says "no artefact" for a flat picture.
_INVISIBLE = 0.5

_SPECTRUM_TILES = (64, 32)  # pixels
_NEAREST_BIN, _FARTHEST_BIN = 3, 6  # a Hann window spreads a frequency over two bins to each side

_BLOB_SCALES = (1.0, 1.5, 2.0)  # pixels: dots of about 2 to 6
_BLOB_RESPONSE = 5.0  # a Gaussian dot 20 L* brighter or darker than its surroundings
_BLOB_ELONGATION = 2.0  # longer ones are pieces of lines

_REPETITION_TILE = 64
_LEAST_LAG, _GREATEST_LAG = 3, 24  # pixels; what repeats at larger distances is a texture
_DIRECTIONS = 48
_COARSE_SCALES = (2, 4)
_SHADING = 6.0  # pixels: what varies more slowly is shading

_BAND, _RINGS = 8, 6  # pixels, and how many such rings are compared


@dataclass(frozen=True)
class Artefacts:
    """What spoils some pictures.

    Attributes:
        checkerboard: See `checkerboard`, mean over the pictures; 1 is none.
        dots: See `dots`, mean over the photos that have flat regions; 0 is none, None no such photo.
        repetition: See `repetition`, mean over the photos that have flat tiles; None if none has.
        coarse_repetition: The greater of the same measures with pictures reduced 2 and 4 times: lattices with
            periods of up to 96 pixels.
        frame_colour: See `frame`; 1 is none.
        frame_contrast: See `frame`; 1 is none.
        colour_distance: See `train.evaluate.cielab.colour_distance`, mean over the pictures; 0 is the
            painting's own colours.
    """

    checkerboard: float
    dots: float | None
    repetition: float | None
    coarse_repetition: float | None
    frame_colour: float
    frame_contrast: float
    colour_distance: float


def measure_artefacts(images: Sequence[Image], photos: Sequence[Image], painting: Image) -> Artefacts:
    """Measure what spoils stylised photos.

    Args:
        images: Stylised photos: RGB, uint8 of shape (H, W, 3) each. Given the photos themselves, the
            measures tell how much was there before.
        photos: The photos, as many and of the same shapes.
        painting: RGB, uint8 of any shape (H, W, 3).

    Returns:
        The measures.

    Raises:
        ValueError: If there are no photos, or not as many images, or shapes differ.
    """
    if not images or len(images) != len(photos):
        raise ValueError(f"artefacts are measured on photos in pairs, got {len(images)} and {len(photos)}")
    frame_colour, frame_contrast = frame(images)
    repetitions = {
        scale: _mean_of_known(
            repetition(_reduced(image, scale), _reduced(photo, scale))
            for image, photo in zip(images, photos, strict=True)
        )
        for scale in (1, *_COARSE_SCALES)
    }
    return Artefacts(
        checkerboard=fmean(checkerboard(image) for image in images),
        dots=_mean_of_known(dots(image, photo) for image, photo in zip(images, photos, strict=True)),
        repetition=repetitions[1],
        coarse_repetition=max(
            (found for scale in _COARSE_SCALES if (found := repetitions[scale]) is not None), default=None
        ),
        frame_colour=frame_colour,
        frame_contrast=frame_contrast,
        colour_distance=fmean(colour_distance(image, painting) for image in images),
    )


def checkerboard(image: Image) -> float:
    """Measure the pattern that upsampling leaves: peaks of the spectrum at periods of 2 and 4 pixels.

    Strided transposed convolutions and nearest neighbours print their stride on the picture (Odena et al.
    2016, https://distill.pub/2016/deconv-checkerboard). Two upsamplings by 2 leave peaks at the eight
    frequencies with 0, 1/4 or 1/2 cycles per pixel in each direction. The measure takes the spectrum of L*,
    averaged over overlapping windowed tiles (Welch 1967), and divides the power at these frequencies by the
    geometric mean of the power 3 to 6 bins away along the axes.

    Args:
        image: RGB, uint8 of shape (H, W, 3).

    Returns:
        The mean of the quotients, above 0. 1 means no peak, and is returned for images with a side below 32
        pixels, which are too small to tell. Photos have about 1, and up to 2 after coarse JPEG compression,
        whose blocks of 8 have harmonics there.
    """
    lightness = rgb_to_lab(image)[..., 0]
    tile = next((tile for tile in _SPECTRUM_TILES if min(lightness.shape) >= tile), None)
    if tile is None:
        return 1.0
    power = _welch(lightness, tile) + _INVISIBLE**2
    quotients = []
    for row, column in product((0, tile // 4, tile // 2), repeat=2):
        if row == column == 0:
            continue
        distances = [sign * bins for bins in range(_NEAREST_BIN, _FARTHEST_BIN + 1) for sign in (1, -1)]
        # Contours put more power on the axes of the spectrum than beside them: a frequency on an axis is
        # compared with others on that axis.
        along = [power[row, (column + step) % tile] for step in distances] if column else []
        across = [power[(row + step) % tile, column] for step in distances] if row else []
        quotients.append(power[row, column] / math.exp(np.log(along + across).mean()))
    return float(np.mean(quotients))


def dots(image: Image, photo: Image) -> float | None:
    """Count the dots in the regions that are flat in the photo.

    A dot is a local maximum of the determinant of the Hessian of L*, over three scales (Lindeberg 1998,
    doi:10.1023/A:1008045108935): a blob of about 2 to 6 pixels, round rather than long, some 20 L*
    brighter or darker than what is around it.

    Args:
        image: The stylised photo: RGB, uint8 of shape (H, W, 3).
        photo: The photo, of the same shape.

    Returns:
        Dots per megapixel of flat region, from 0; None if the photo has no such region. Photos have about 0,
        a picture strewn with dots has thousands.

    Raises:
        ValueError: If the shapes differ.
    """
    flat = _flat_regions(image, photo)
    # At the border a line meets its mirror image, and the corner looks like a dot.
    for axis in (0, 1):
        positions = np.arange(flat.shape[axis])
        inside = np.minimum(positions, positions[::-1]) >= _FLAT_SIDE // 2
        flat &= np.expand_dims(inside, 1 - axis)
    pixels = int(flat.sum())
    if pixels < _LEAST_FLAT_PIXELS:
        return None
    lightness = rgb_to_lab(image)[..., 0]
    response = np.max([_blob_response(lightness, scale) for scale in _BLOB_SCALES], axis=0)
    found = flat & (response > _BLOB_RESPONSE) & (response >= _greatest_around(response, 2))
    return float(found.sum() / pixels * 1e6)


def repetition(image: Image, photo: Image) -> float | None:
    """Measure how much a pattern, such as a hatch, repeats in regions that are flat in the photo.

    Shading is removed first. Then the measure is the autocorrelation's highest peak 3 to 24 pixels from the
    origin, less the lowest point before it, mean over the flat tiles of 64 pixels. Long strokes alone have no
    such peak.

    Args:
        image: The stylised photo: RGB, uint8 of shape (H, W, 3).
        photo: The photo, of the same shape.

    Returns:
        From 0, nothing repeats, to 1, a perfect lattice; about 0.1 for noise; None if the photo has no flat
        tile.

    Raises:
        ValueError: If the shapes differ.
    """
    flat = _flat_regions(image, photo)
    lightness = rgb_to_lab(image)[..., 0]
    detail = lightness - _smoothed(lightness, _gaussian(_SHADING))
    peaks = [
        _autocorrelation_peak(detail[rows, columns])
        for rows, columns in _tiles(detail.shape, _REPETITION_TILE)
        if flat[rows, columns].mean() > 0.9
    ]
    return float(np.mean(peaks)) if peaks else None


def frame(images: Sequence[Image]) -> tuple[float, float]:
    """Measure the frame that padding leaves along the borders.

    A picture is divided into rings of 8 pixels, from the border inwards. From each ring to the next there is
    a step in mean CIELAB colour, and one in contrast (the standard deviation of L* within cells of 8x8
    pixels). A picture's content gives steps of any direction, a frame always the same one: the steps are
    averaged over the pictures before their lengths are taken. The outermost step is then divided by the root
    mean square of those between 16 and 48 pixels from the border.

    Args:
        images: RGB, uint8 of shape (H, W, 3) each, of any sizes. With a single image the measure is noisy:
            about half of all photos exceed 1 a little.

    Returns:
        The quotients of colour and of contrast, above 0. About 1 means no frame, and 1 is returned for images
        with a side below 48 pixels, which are too small to tell.
    """
    large = [image for image in images if min(image.shape[:2]) >= _RINGS * _BAND]
    if not large:
        return 1.0, 1.0
    steps = np.mean([np.diff(_rings(image), axis=0) for image in large], axis=0)  # (5, 4)
    lengths = np.stack([np.linalg.norm(steps[:, :3], axis=1), np.abs(steps[:, 3])])  # (2, 5)
    inside = np.sqrt((lengths[:, 2:] ** 2).mean(axis=1))
    colour, contrast = (lengths[:, 0] + _INVISIBLE) / (inside + _INVISIBLE)
    return float(colour), float(contrast)


def _reduced(image: Image, scale: int) -> Image:
    return np.asarray(PIL.Image.fromarray(image).reduce(scale))


def _mean_of_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _welch(plane: _Plane, tile: int) -> _Plane:
    """Return the mean power spectrum of a plane's tiles; that of white noise is its variance everywhere."""
    window = np.outer(*2 * [np.hanning(tile + 1)[:-1]])
    power = np.zeros((tile, tile))
    tiles = _tiles(plane.shape, tile)
    for rows, columns in tiles:
        part = plane[rows, columns]
        part = part - (part * window).sum() / window.sum()
        power += np.abs(np.fft.fft2(part * window)) ** 2
    scaled: _Plane = power / (len(tiles) * (window**2).sum())
    return scaled


def _tiles(shape: tuple[int, ...], tile: int) -> list[tuple[slice, slice]]:
    """Return tiles that overlap by half, starting at the top left; none if the shape is too small."""
    starts = [range(0, side - tile + 1, tile // 2) for side in shape[:2]]
    return [(slice(y, y + tile), slice(x, x + tile)) for y, x in product(*starts)]


def _flat_regions(image: Image, photo: Image) -> NDArray[np.bool_]:
    if image.shape != photo.shape:
        raise ValueError(f"image is {image.shape} but photo is {photo.shape}")
    lightness = rgb_to_lab(photo)[..., 0]
    box = np.full(_FLAT_SIDE, 1 / _FLAT_SIDE)
    variance = _smoothed(lightness**2, box) - _smoothed(lightness, box) ** 2
    flat: NDArray[np.bool_] = variance < _FLAT_DEVIATION**2
    return flat


def _gaussian(scale: float) -> _Plane:
    positions = np.arange(-math.ceil(3 * scale), math.ceil(3 * scale) + 1)
    kernel = np.exp(-(positions**2) / (2 * scale**2))
    normalised: _Plane = kernel / kernel.sum()
    return normalised


def _smoothed(plane: _Plane, kernel: _Plane) -> _Plane:
    """Convolve with a kernel of odd length along both axes, the plane mirrored at its borders."""
    radius = len(kernel) // 2
    for axis in (0, 1):
        width = [(radius, radius) if axis == direction else (0, 0) for direction in (0, 1)]
        padded = np.pad(plane, width, mode="symmetric")
        side = plane.shape[axis]
        plane = sum(
            (
                weight * padded.take(range(start, start + side), axis)
                for start, weight in enumerate(kernel.tolist())
            ),
            start=np.zeros_like(plane),
        )
    return plane


def _greatest_around(plane: _Plane, radius: int) -> _Plane:
    for axis in (0, 1):
        width = [(radius, radius) if axis == direction else (0, 0) for direction in (0, 1)]
        padded, side = np.pad(plane, width, mode="edge"), plane.shape[axis]
        plane = np.max(
            [padded.take(range(start, start + side), axis) for start in range(2 * radius + 1)], axis=0
        )
    return plane


def _blob_response(plane: _Plane, scale: float) -> _Plane:
    """Return the root of the Hessian's determinant where it is that of a round blob, 0 elsewhere.

    It is normalised by the scale: for a Gaussian blob of that scale it is a quarter of the contrast.
    """
    padded = np.pad(_smoothed(plane, _gaussian(scale)), 1, mode="symmetric")
    centre = padded[1:-1, 1:-1]
    yy = padded[2:, 1:-1] + padded[:-2, 1:-1] - 2 * centre
    xx = padded[1:-1, 2:] + padded[1:-1, :-2] - 2 * centre
    xy = (padded[2:, 2:] + padded[:-2, :-2] - padded[2:, :-2] - padded[:-2, 2:]) / 4
    determinant = xx * yy - xy**2
    # Lowe 2004 (section 4.1): trace^2 / determinant is (r + 1)^2 / r for an elongation of r.
    is_round = (xx + yy) ** 2 * _BLOB_ELONGATION < determinant * (_BLOB_ELONGATION + 1) ** 2
    return np.sqrt(np.where(is_round, np.maximum(determinant, 0), 0)) * scale**2


def _autocorrelation_peak(tile: _Plane) -> float:
    side = len(tile)
    window = np.outer(*2 * [np.hanning(side + 2)[1:-1]])
    tile = tile - (tile * window).sum() / window.sum()
    correlation, overlap = (
        np.fft.irfft2(np.abs(np.fft.rfft2(part, (2 * side, 2 * side))) ** 2)
        for part in (tile * window, window)
    )
    correlation = correlation / np.maximum(overlap, 1e-9)
    correlation /= correlation[0, 0] + _INVISIBLE**2
    rays = _along_rays(correlation)  # (directions, lags)
    above_valley = rays - np.minimum.accumulate(rays, axis=1)
    return float(np.minimum(rays, above_valley)[:, _LEAST_LAG:].max())


def _along_rays(correlation: _Plane) -> _Plane:
    """Sample an autocorrelation, its origin at [0, 0], at lags of 0, 1, ... pixels in all directions."""
    angles = np.arange(_DIRECTIONS)[:, np.newaxis] * math.pi / _DIRECTIONS  # the other half is the same
    lags = np.arange(_GREATEST_LAG + 1)
    y, x = np.sin(angles) * lags, np.cos(angles) * lags
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    down, right = y - top, x - left
    # Negative lags are at the end of each axis, where negative indices find them.
    upper = correlation[top, left] * (1 - right) + correlation[top, left + 1] * right
    lower = correlation[top + 1, left] * (1 - right) + correlation[top + 1, left + 1] * right
    sampled: _Plane = upper * (1 - down) + lower * down
    return sampled


def _rings(image: Image) -> _Plane:
    """Return mean L*, a*, b* and the mean contrast of the rings, outermost first, of shape (6, 4)."""
    lab = rgb_to_lab(image)
    total, cells = np.zeros((_RINGS, 4)), 0
    for turns in range(4):
        side = np.rot90(lab, turns)
        columns = side.shape[1] // _BAND
        parts = side[: _RINGS * _BAND, : columns * _BAND].reshape(_RINGS, _BAND, columns, _BAND, 3)
        total[:, :3] += parts.mean(axis=(1, 3)).sum(axis=1)
        total[:, 3] += parts[..., 0].std(axis=(1, 3)).sum(axis=1)
        cells += columns
    return total / cells
