import math

import numpy as np
import pytest

from train.generated.painting.brush import Canvas

WHITE, RED, INK = (1.0, 1.0, 1.0), (0.9, 0.1, 0.1), (0.1, 0.1, 0.1)


def canvas(size=100):
    return Canvas(size, WHITE, np.random.default_rng(0))


def painted(canvas):
    """Where there is red, of shape (H, W)."""
    picture = canvas.finish().astype(int)
    return picture[..., 0] - picture[..., 1] > 100


def test_a_canvas_without_paint_has_the_colour_of_its_priming():
    picture = canvas().finish()
    assert picture.shape == (80, 100, 3)
    assert picture.dtype == np.uint8
    assert picture.min() > 200


@pytest.mark.parametrize(
    ("angle", "curvature", "end"),
    [
        (0.0, 0.0, (800, 400)),
        (math.pi / 2, 0.0, (300, 900)),
        # Quarters of circles of radius 200, clockwise and counterclockwise, to the right and upwards.
        (0.0, 1 / 200, (500, 600)),
        (0.0, -1 / 200, (500, 200)),
        (-math.pi / 2, 1 / 200, (500, 200)),
    ],
)
def test_a_stroke_goes_from_its_start_along_its_arc(angle, curvature, end):
    page = canvas()
    length = 500 if curvature == 0 else 100 * math.pi
    page.stroke(300 + 400j, angle, length, 40, RED, RED, curvature=curvature, dryness=0, taper=0)
    row, column = np.nonzero(painted(page))
    assert len(row) > 60
    x, y = (column + 0.5) * 10, (row + 0.5) * 10
    for point in ((300, 400), end):
        if point[1] < 800:  # not below the border
            assert np.hypot(x - point[0], y - point[1]).min() < 30
    # Nothing but the stroke: all of the paint lies within half of its width of the arc.
    along = np.linspace(0, length, 200)
    heading = angle + curvature * along / 2
    chord = along * np.sinc(curvature * along / 2 / math.pi)
    on_x, on_y = 300 + chord * np.cos(heading), 400 + chord * np.sin(heading)
    away = np.hypot(x[:, None] - on_x, y[:, None] - on_y).min(axis=1)
    assert away.max() < 40 / 2 + 10


def test_a_stroke_beyond_the_border_leaves_the_canvas_as_it_is():
    page = canvas()
    page.stroke(1200 + 400j, 0.0, 300, 40, RED, RED)
    assert (page.finish() == canvas().finish()).all()


def test_a_dry_brush_leaves_gaps_towards_its_end():
    page = canvas(400)
    page.stroke(100 + 400j, 0.0, 800, 100, RED, RED, dryness=0.9, taper=0)
    row = painted(page)[145:175]
    assert row[:, 80:140].mean() > 0.9 > 0.8 > row[:, 280:340].mean()


def test_paint_stands_out_and_is_lit_from_the_upper_left():
    page = canvas(500)
    paint = (0.8, 0.8, 0.8)
    page.glaze(500 + 400j, 2000, paint, 1.0)  # the same colour: only the relief is seen
    page.stroke(200 + 400j, 0.0, 600, 12, paint, paint, dryness=0, taper=0)
    lightness = page.finish()[:, 150:350].mean(axis=(1, 2))
    flat, upper_rim, lower_rim = lightness[100:150].mean(), lightness[196:198], lightness[202:204]
    assert upper_rim.mean() > flat + 3
    assert lower_rim.mean() < flat - 3


def test_a_glaze_keeps_what_is_below_it_visible():
    page = canvas()
    page.stroke(100 + 400j, 0.0, 800, 100, INK, INK, dryness=0)
    page.glaze(500 + 400j, 2000, RED, 0.7)
    picture = page.finish().astype(int)
    assert painted(page)[5:20, 20:80].all()
    assert picture[38:42, 40:60].mean() < picture[5:20, 40:60].mean() - 40


def test_the_same_random_numbers_are_the_same_bytes():
    def stroke():
        page = canvas()
        page.stroke(100 + 300j, 0.3, 700, 90, RED, INK, curvature=0.001)
        return page.finish()

    assert (stroke() == stroke()).all()
