from itertools import pairwise

import numpy as np
import pytest

from train.evaluate.artefacts import checkerboard, dots, frame, measure_artefacts, repetition
from train.evaluate.cielab import colour_distance

SIZE = 160
SEEDS = range(3)


def as_levels(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def make_noise(seed, exponent=1.0, deviation=40.0):
    """Noise with the spectrum of photos (power 1/f^2), float of shape (SIZE, SIZE, 3) around 128."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.rfftfreq(SIZE), indexing="ij"))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.normal(size=(3, SIZE, SIZE))) / frequency**exponent
    noise = np.fft.irfft2(spectrum, s=(SIZE, SIZE))
    noise *= deviation / noise.std()
    return 128 + noise.transpose(1, 2, 0)


def make_photo(seed):
    """A shaded sky above a landscape."""
    photo = make_noise(seed)
    sky = 140 + 40 * np.mgrid[0:SIZE, 0:SIZE].sum(0)[..., None] / (2 * SIZE) + 0 * photo
    return as_levels(np.where(np.arange(SIZE)[:, None, None] < 112, sky, photo))


def grain(seed, deviation):
    """What a clean stylisation adds: some texture without a pattern."""
    return make_noise(seed + 100, exponent=0.5, deviation=deviation) - 128


def draw_dots(count, seed, contrast=90, radius=1.5, elongation=1):
    """Dots at random places, in the sky alone; dashes where they are longer than wide."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    plane = np.zeros((SIZE, SIZE))
    for _ in range(count):
        top, left = rng.uniform(8, 100), rng.uniform(8, SIZE - 8)
        plane += contrast * np.exp(-((y - top) ** 2 + ((x - left) / elongation) ** 2) / (2 * radius**2))
    return plane[..., None]


def draw_hatch(period, contrast=25, angle=0.9):
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    return contrast * np.sin((np.cos(angle) * x + np.sin(angle) * y) * 2 * np.pi / period)[..., None]


class TestCheckerboard:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_clean_picture_has_no_peaks(self, seed):
        assert 0.6 < checkerboard(as_levels(make_noise(seed))) < 1.3

    @pytest.mark.parametrize(("down", "right"), [(0, 2), (2, 0), (2, 2), (0, 4), (4, 0), (4, 4), (2, 4)])
    def test_every_period_of_an_upsampling_is_seen(self, down, right):
        y, x = np.mgrid[0:SIZE, 0:SIZE]
        pattern = np.ones((SIZE, SIZE))
        for position, period in ((y, down), (x, right)):
            if period:
                pattern = pattern * np.where(position % period < period / 2, 1, -1)
        clean = make_noise(0)
        printed = as_levels(clean + 6 * pattern[..., None])
        assert checkerboard(printed) > 2 * checkerboard(as_levels(clean))
        # Wherever it starts, and in a picture of an odd size.
        assert checkerboard(printed[1:, 3:]) > 2 * checkerboard(as_levels(clean))

    def test_the_stronger_the_pattern_the_higher(self):
        pattern = np.where(np.mgrid[0:SIZE, 0:SIZE].sum(0) % 4 < 2, 1, -1)[..., None]
        values = [checkerboard(as_levels(make_noise(0) + contrast * pattern)) for contrast in (0, 4, 8, 16)]
        assert all(lower < 0.7 * higher for lower, higher in pairwise(values))

    def test_other_periods_are_no_checkerboard(self):
        assert checkerboard(as_levels(make_noise(0) + draw_hatch(7))) < 1.5

    def test_nearest_neighbours_leave_one(self):
        """Enlarged by repeating pixels against enlarged by interpolation."""
        small = make_noise(0)[::4, ::4]
        assert (
            checkerboard(as_levels(np.kron(small, np.ones((4, 4, 1))))) < 0.7
        )  # holes in the place of peaks
        jagged = make_noise(1) + 0.3 * np.kron(make_noise(2)[::4, ::4] - 128, np.ones((4, 4, 1)))
        assert checkerboard(as_levels(jagged)) < 1.5

    def test_a_picture_of_one_colour_has_none(self):
        assert checkerboard(np.full((70, 70, 3), 90, np.uint8)) == pytest.approx(1)


class TestDots:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_they_are_counted_in_flat_regions(self, seed):
        photo = make_photo(seed)
        clean = as_levels(photo + grain(seed, 8))
        strewn = as_levels(photo + grain(seed, 8) + draw_dots(80, seed))
        assert dots(photo, photo) == 0
        assert dots(clean, photo) < 300
        # The flat region is some 100 by 160 pixels: 80 dots are 5,000 in a megapixel.
        assert 3000 < dots(strewn, photo) < 7000

    def test_dark_ones_count_as_bright_ones(self):
        photo = make_photo(0)
        bright, dark = (dots(as_levels(photo + sign * draw_dots(60, 0, 70)), photo) for sign in (1, -1))
        assert dark == pytest.approx(bright, rel=0.2)

    @pytest.mark.parametrize("radius", [0.8, 1.2, 2.0])
    def test_those_of_a_few_pixels_count(self, radius):
        photo = make_photo(0)
        assert dots(as_levels(photo + draw_dots(60, 0, 110, radius)), photo) > 2500

    @pytest.mark.parametrize("contrast", [3, 10])
    def test_faint_ones_do_not(self, contrast):
        photo = make_photo(0)
        assert dots(as_levels(photo + draw_dots(60, 0, contrast)), photo) == 0

    def test_lines_are_no_dots(self):
        photo = make_photo(0)
        assert dots(as_levels(photo + draw_hatch(6, contrast=60)), photo) < 100

    def test_dashes_are_no_dots(self):
        photo = make_photo(0)
        dashes, spots = (draw_dots(30, 0, 110, elongation=long) for long in (3, 1))
        assert dots(as_levels(photo + dashes), photo) < dots(as_levels(photo + spots), photo) / 8

    def test_those_in_the_busy_part_of_a_photo_are_brushwork(self):
        photo = make_photo(0)
        below = np.roll(draw_dots(80, 0), 116, axis=0) * (np.arange(SIZE) > 124)[:, None, None]
        assert dots(as_levels(photo + below), photo) < 100

    def test_without_a_flat_region_there_is_nothing_to_count(self):
        busy = as_levels(make_noise(0, exponent=0.5))
        assert dots(busy, busy) is None


class TestRepetition:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_texture_is_none(self, seed):
        photo = make_photo(seed)
        assert repetition(photo, photo) < 0.1
        assert repetition(as_levels(photo + grain(seed, 12)), photo) < 0.2

    @pytest.mark.parametrize("seed", SEEDS)
    def test_long_strokes_at_random_distances_are_none(self, seed):
        photo = make_photo(seed)
        strokes = 12 * np.random.default_rng(seed).normal(size=SIZE)
        assert repetition(as_levels(photo + strokes[None, :, None]), photo) < 0.4

    @pytest.mark.parametrize("period", [4, 6, 11, 20])
    @pytest.mark.parametrize("angle", [0.0, 0.7, 2.3])
    def test_a_hatch_repeats(self, period, angle):
        photo = make_photo(0)
        hatched = as_levels(photo + grain(0, 8) + draw_hatch(period, angle=angle))
        assert repetition(hatched, photo) > 0.6

    def test_a_lattice_of_dots_repeats(self):
        photo = make_photo(0)
        y, x = np.mgrid[0:SIZE, 0:SIZE]
        lattice = 80.0 * ((y % 8 < 2) & ((x + 3 * (y // 8)) % 8 < 2))[..., None]
        assert repetition(as_levels(photo + grain(0, 8) + lattice), photo) > 0.6

    def test_one_that_nobody_sees_is_none(self):
        photo = make_photo(0)
        assert repetition(as_levels(photo + draw_hatch(6, contrast=0.6)), photo) < 0.3

    def test_without_a_flat_region_there_is_nothing_to_measure(self):
        busy = as_levels(make_noise(0, exponent=0.5))
        assert repetition(busy, busy) is None


def make_pictures():
    """Of several sizes, not all multiples of 8."""
    return [make_noise(seed, deviation=30.0)[:, seed:] for seed in range(6)]


def border_of(image):
    ring = np.ones((*image.shape[:2], 1))
    ring[8:-8, 8:-8] = 0
    return ring


def frame_of(images):
    return frame([as_levels(image) for image in images])


class TestFrame:
    def test_clean_pictures_have_none(self):
        colour, contrast = frame_of(make_pictures())
        assert 0.3 < colour < 1.8
        assert 0.3 < contrast < 1.8

    @pytest.mark.parametrize("shift", [(-15, -15, -15), (15, 15, 15), (12, 0, -25)])
    def test_a_border_of_another_colour_is_one(self, shift):
        colour, contrast = frame_of([image + border_of(image) * shift for image in make_pictures()])
        assert colour > 2 * frame_of(make_pictures())[0]
        assert contrast < 1.8

    @pytest.mark.parametrize("factor", [0, 3])
    def test_a_border_of_another_contrast_is_one(self, factor):
        textures = [grain(seed, 10)[:, seed:] for seed in range(6)]
        textured, framed = (
            [
                image + (1 + (kept - 1) * border_of(image)) * texture
                for image, texture in zip(make_pictures(), textures, strict=True)
            ]
            for kept in (1, factor)
        )
        colour, contrast = frame_of(framed)
        assert contrast > 2 * frame_of(textured)[1]
        assert colour < 1.8

    @pytest.mark.parametrize("side", range(4))
    def test_each_side_counts(self, side):
        framed = []
        for image in make_pictures():
            turned = np.rot90(image, -side).copy()
            turned[:8] -= 60
            framed.append(np.rot90(turned, side))
        assert frame_of(framed)[0] > 2 * frame_of(make_pictures())[0]

    def test_pictures_of_one_colour_have_none(self):
        assert frame([np.full((60, 80, 3), 90, np.uint8)]) == pytest.approx((1, 1))

    def test_a_sky_above_a_meadow_is_none(self):
        shaded = [as_levels(make_noise(0) + np.linspace(80, -80, SIZE)[:, None, None])]
        assert frame(shaded)[0] < 1.8


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (2, 3), (17, 31), (33, 40), (47, 300), (64, 65)])
def test_any_size_is_measured(size):
    rng = np.random.default_rng(0)
    photo = rng.integers(100, 104, (*size, 3), dtype=np.uint8)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    found = measure_artefacts([image], [photo], photo)
    numbers = [value for value in vars(found).values() if value is not None]
    assert np.isfinite(numbers).all()
    assert min(numbers) >= 0
    if min(size) < 32:
        assert (found.checkerboard, found.frame_colour, found.frame_contrast) == (1, 1, 1)
        assert found.repetition is None


@pytest.mark.parametrize("period", [56, 80])
def test_a_lattice_of_large_period_repeats_in_the_reduced_picture(period):
    flat = np.full((320, 320, 3), 128, np.uint8)
    noise = np.random.default_rng(0).normal(0, 6, flat.shape)
    y, x = np.mgrid[:320, :320]
    wave = 25 * np.cos(2 * np.pi * x / period) * np.cos(2 * np.pi * y / period)
    lattice, plain = (as_levels(flat + noise + pattern) for pattern in (wave[..., None], 0))
    found = measure_artefacts([lattice], [flat], flat)
    assert found.repetition < 0.5 < found.coarse_repetition
    assert measure_artefacts([plain], [flat], flat).coarse_repetition < 0.3


def test_means_leave_out_photos_without_a_flat_region():
    flat, busy = make_photo(0), as_levels(make_noise(0, exponent=0.5))
    strewn = as_levels(flat + draw_dots(80, 0))
    found = measure_artefacts([strewn, busy], [flat, busy], flat)
    assert found.dots == dots(strewn, flat)
    assert found.repetition == repetition(strewn, flat)
    assert found.coarse_repetition is None  # too few pixels are left
    assert found.checkerboard == pytest.approx((checkerboard(strewn) + checkerboard(busy)) / 2)
    assert found.colour_distance == pytest.approx(
        (colour_distance(strewn, flat) + colour_distance(busy, flat)) / 2
    )
    assert (found.frame_colour, found.frame_contrast) == frame([strewn, busy])
    assert measure_artefacts([busy], [busy], flat).dots is None


def test_photos_come_in_pairs_of_one_shape():
    photo = make_photo(0)
    with pytest.raises(ValueError, match="in pairs"):
        measure_artefacts([photo], [], photo)
    with pytest.raises(ValueError, match="in pairs"):
        measure_artefacts([], [], photo)
    for measure in (dots, repetition):
        with pytest.raises(ValueError, match="photo is"):
            measure(photo[1:], photo)
