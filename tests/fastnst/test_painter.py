"""Painter: what each control does, exactly at its ends, and in which order."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fastnst import FastnstError, Painter, Stylizer
from fastnst.color.oklab import with_colours_of
from fastnst.image.blend import blend_pictures
from fastnst.image.detail import restore_detail
from fastnst.image.mask import mix
from tests.fastnst import tiny_models
from tests.fastnst.flat_style import flat
from tests.fastnst.make_images import pixels

pytestmark = pytest.mark.filterwarnings("ignore:.*painted a picture in one colour")

GREY, RED = (90, 90, 90), (200, 40, 30)


class Watched(Stylizer):
    """A Stylizer that remembers what it was given and what it gave."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, device="cpu", threads=1)
        self.calls: list[np.ndarray] = []
        self.result: np.ndarray | None = None

    def __call__(self, image: Any, *, out: Any = None) -> Any:
        self.calls.append(image)
        self.result = super().__call__(image, out=out)
        return self.result


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, models: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("styles")
    return {
        "invert": models / "invert.onnx",
        "strided": models / "strided.onnx",
        "grey": flat(folder / "grey.onnx", *GREY),
        "red": flat(folder / "red.onnx", *RED),
    }


@pytest.fixture(scope="module")
def style(files: dict[str, Path]) -> Callable[[str], Watched]:
    opened = {name: Watched(path) for name, path in files.items()}

    def fresh(name: str) -> Watched:
        opened[name].calls = []
        return opened[name]

    return fresh


def half_mask(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), np.float32)
    mask[:, width // 2 :] = 1
    return mask


def test_by_default_it_is_the_stylizer_without_a_copy(style: Callable[[str], Watched]) -> None:
    invert, photo = style("invert"), pixels(20, 30)
    painted = Painter(invert)(photo)
    assert painted is invert.result
    assert invert.calls[0] is photo
    np.testing.assert_array_equal(painted, 255 - photo)
    for spelled_out in (
        Painter(invert, strength=1, size=30),
        Painter({invert: 3}),
        Painter(invert, mask=np.ones((4, 6))),
        Painter(None, regions=[(invert, np.ones((4, 6)))]),
    ):
        np.testing.assert_array_equal(spelled_out(photo), 255 - photo)


def test_strength_ends_steps_and_what_is_beyond(style: Callable[[str], Watched]) -> None:
    invert, photo = style("invert"), pixels(20, 30)
    nothing = Painter(invert, strength=0)(photo)
    np.testing.assert_array_equal(nothing, photo)
    assert nothing is not photo
    assert not invert.calls
    pictures = [Painter(invert, strength=value)(photo) for value in (0, 0.25, 0.5, 1, 1.5, 2)]
    away = [np.abs(picture.astype(int) - photo) for picture in pictures]
    for less, more in itertools.pairwise(away):
        assert (more >= less).all()
        assert (more > less).mean() > 0.2
    expected = np.clip(np.rint(photo + 1.5 * (255 - 2.0 * photo)), 0, 255)
    np.testing.assert_array_equal(pictures[4], expected)


def test_preserve_color_takes_lightness_alone(style: Callable[[str], Watched]) -> None:
    photo = pixels(20, 30)
    kept = Painter(style("invert"), preserve_color=True)(photo)
    np.testing.assert_array_equal(kept, with_colours_of(255 - photo, photo))
    grey_photo = np.repeat(pixels(20, 30, channels=1), 3, axis=2)
    of_grey = Painter(style("red"), preserve_color=True)(grey_photo)
    assert np.ptp(of_grey.astype(int), axis=2).max() == 0


def test_mask_paints_where_it_is_white(style: Callable[[str], Watched], tmp_path: Path) -> None:
    photo = pixels(20, 30)
    mask = half_mask(20, 30)
    path = tmp_path / "mask.png"
    Image.fromarray((255 * mask).astype(np.uint8)).save(path)
    for source in (mask, mask.astype(bool), path, str(path)):
        painted = Painter(style("invert"), mask=source)(photo)
        np.testing.assert_array_equal(painted[:, :15], photo[:, :15])
        np.testing.assert_array_equal(painted[:, 15:], 255 - photo[:, 15:])
    half = Painter(style("invert"), mask=mask / 2)(photo)
    np.testing.assert_array_equal(half[:, 15:], Painter(style("invert"), strength=0.5)(photo)[:, 15:])
    both = Painter(style("invert"), mask=mask / 2, strength=2)(photo)
    np.testing.assert_array_equal(both[:, 15:], 255 - photo[:, 15:])
    black = style("invert")
    np.testing.assert_array_equal(Painter(black, mask=np.zeros((1, 1)))(photo), photo)
    assert not black.calls


def test_a_mask_of_another_size_is_soft(style: Callable[[str], Watched]) -> None:
    white = np.zeros((40, 60, 3), np.uint8)
    row = Painter(style("invert"), mask=half_mask(4, 6))(white)[20, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 255
    assert (np.diff(row) >= 0).all()
    assert ((row > 0) & (row < 255)).sum() >= 6


def test_regions_share_overlaps_and_leave_the_rest(style: Callable[[str], Watched]) -> None:
    photo = pixels(10, 40)
    left, wide = np.zeros((10, 40), np.float32), np.zeros((10, 40), np.float32)
    left[:, :20], wide[:, 10:30] = 1, 1
    regions = [(style("grey"), left), (style("red"), wide)]
    on_photo = Painter(None, regions=regions)(photo)
    on_style = Painter(style("invert"), regions=regions)(photo)
    for painted, rest in ((on_photo, photo), (on_style, 255 - photo)):
        assert (painted[:, :10] == GREY).all()
        assert (painted[:, 10:20] == np.rint(np.mean([GREY, RED], axis=0))).all()
        assert (painted[:, 20:30] == RED).all()
        np.testing.assert_array_equal(painted[:, 30:], rest[:, 30:])
    faint = Painter(None, regions=[(style("grey"), left * 0.25), (style("red"), wide * 0.25)])(photo)
    quarter = np.rint(photo[:, 12] * 0.5 + 0.25 * (np.array(GREY) + RED))
    np.testing.assert_array_equal(faint[:, 12], quarter)


def test_only_the_styles_that_show_are_run_and_each_once(style: Callable[[str], Watched]) -> None:
    photo = pixels(10, 40)
    invert, grey, red = style("invert"), style("grey"), style("red")
    right = half_mask(10, 40)
    Painter(invert, regions=[(grey, right), (grey, 1 - right), (red, right * 0)])(photo)
    assert (len(invert.calls), len(grey.calls), len(red.calls)) == (0, 1, 0)
    Painter({invert: 1, grey: 1}, regions=[({grey: 2, red: 1}, right)])(photo)
    assert (len(invert.calls), len(grey.calls), len(red.calls)) == (1, 2, 1)


def test_size_is_the_brush(style: Callable[[str], Watched]) -> None:
    photo = pixels(60, 80)
    strided = style("strided")  # whose strokes are blocks of 4 pixels
    for size, inner in ((40, (30, 40)), (80, (60, 80)), (160, (120, 160)), (31, (23, 31))):
        assert Painter(strided, size=size)(photo).shape == photo.shape
        assert strided.calls[-1].shape == (*inner, 3)
    even = [
        np.abs(np.diff(Painter(strided, size=size)(photo).astype(int), axis=1)).mean()
        for size in (20, 40, 80)
    ]
    assert even[0] < even[1] < even[2]
    np.testing.assert_array_equal(Painter(strided, size=80)(photo), strided(photo))
    with pytest.raises(FastnstError, match=r"at size 30000 .* 30000x22500 pixels, more than 400,000,000"):
        Painter(strided, size=30000)(photo)


def test_detail_comes_back_by_amount(style: Callable[[str], Watched]) -> None:
    photo = pixels(60, 80) // 2 + 60
    sharp = [
        np.abs(np.diff(Painter(style("grey"), size=20, detail=value)(photo).astype(int), axis=1)).mean()
        for value in (0, 0.4, 1)
    ]
    assert sharp[0] == 0
    assert 0 < sharp[1] < sharp[2]
    larger = Painter(style("invert"), size=160)(photo)
    np.testing.assert_array_equal(Painter(style("invert"), size=160, detail=1)(photo), larger)


def test_blend_is_of_the_styles_results(style: Callable[[str], Watched]) -> None:
    photo, invert, red = pixels(20, 30), style("invert"), style("red")
    painted = Painter({invert: 0.7, red: 0.3})(photo)
    np.testing.assert_array_equal(painted, blend_pictures([255 - photo, red(photo)], [0.7, 0.3]))
    np.testing.assert_array_equal(Painter({invert: 1, red: 0})(photo), 255 - photo)
    np.testing.assert_array_equal(Painter({invert: 1, "not at hand": 0})(photo), 255 - photo)


def test_the_order_is_the_documented_one(style: Callable[[str], Watched]) -> None:
    photo = pixels(60, 80)
    invert, strided, red = style("invert"), style("strided"), style("red")
    where, part = half_mask(60, 80), half_mask(60, 80)[:, ::-1] * 0.8
    painted = Painter(
        {invert: 2, strided: 1},
        regions=[(red, where)],
        strength=1.2,
        preserve_color=True,
        mask=part,
        size=40,
        detail=0.6,
    )(photo)
    small = np.asarray(Image.fromarray(photo).resize((40, 30), Image.Resampling.LANCZOS))
    everywhere, region = (
        restore_detail(
            np.asarray(Image.fromarray(picture).resize((80, 60), Image.Resampling.BICUBIC)), photo, 2, 0.6
        )
        for picture in (blend_pictures([invert(small), strided(small)], [2, 1]), red(small))
    )
    coloured = with_colours_of(mix(everywhere, [(region, where)]), photo)
    np.testing.assert_array_equal(painted, mix(photo, [(coloured, np.float32(1.2) * part)]))


ALL = {"strength": 1.3, "preserve_color": True, "mask": half_mask(8, 8), "size": 24, "detail": 0.5}


@pytest.mark.filterwarnings("ignore::fastnst.FastnstWarning")
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 7), (2, 2), (33, 50)])
def test_all_controls_at_every_size(style: Callable[[str], Watched], size: tuple[int, int]) -> None:
    photo = pixels(*size)
    before = photo.copy()
    painted = Painter(
        {style("invert"): 1, style("strided"): 2}, regions=[(style("red"), half_mask(6, 6))], **ALL
    )(photo)
    assert painted.shape == photo.shape
    assert painted.dtype == np.uint8
    np.testing.assert_array_equal(photo, before)


@given(height=st.integers(1, 60), width=st.integers(1, 60), size=st.integers(16, 90))
@settings(deadline=None, max_examples=25)
def test_the_result_has_exactly_the_photos_size(
    style: Callable[[str], Watched], height: int, width: int, size: int
) -> None:
    assert Painter(style("strided"), size=size, detail=1)(pixels(height, width)).shape == (height, width, 3)


def test_takes_views_and_pillow_images(style: Callable[[str], Watched]) -> None:
    photo = pixels(18, 28)
    painter = Painter(style("invert"), strength=0.5)
    view = photo[::2, ::-1]
    np.testing.assert_array_equal(painter(view), painter(view.copy()))
    np.testing.assert_array_equal(painter(Image.fromarray(photo)), painter(photo))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 4), np.uint8),
        np.zeros((4, 5, 3), np.float32),
        np.zeros((2, 4, 5, 3), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
    ],
    ids=lambda image: f"{image.dtype}{image.shape}",
)
def test_other_arrays_are_value_errors(style: Callable[[str], Watched], image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"image must be uint8 RGB of shape \(H, W, 3\)"):
        Painter(style("invert"))(image)


@pytest.mark.filterwarnings("ignore::fastnst.FastnstWarning")
def test_threads_share_one_painter(files: dict[str, Path]) -> None:
    painter = Painter(
        {files["invert"]: 1, files["strided"]: 1}, regions=[(files["red"], half_mask(9, 9))], **ALL, threads=1
    )
    photos = [pixels(20 + i % 3, 31 + i % 4, i) for i in range(24)]
    alone = [painter(photo) for photo in photos]
    with ThreadPoolExecutor(8) as pool:
        for expected, painted in zip(alone, pool.map(painter, photos), strict=True):
            np.testing.assert_array_equal(painted, expected)


def test_names_and_styles(files: dict[str, Path], styles: Path) -> None:
    flat(styles / "dull.onnx", *GREY)
    painter = Painter(
        {"dull": 1, files["red"]: 1},
        regions=[("dull.onnx", np.ones((2, 2))), (files["invert"], np.ones((2, 2)))],
        threads=1,
    )
    assert painter.name == "dull+red+invert"
    assert [stylizer.name for stylizer in painter.stylizers] == ["dull", "red", "invert"]
    assert repr(painter) == "Painter('dull+red+invert')"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"strength": -0.1}, "strength must be 0 to 2, not -0.1"),
        ({"strength": 2.1}, "strength must be 0 to 2, not 2.1"),
        ({"strength": float("nan")}, "strength must be 0 to 2, not nan"),
        ({"detail": 1.5, "size": 100}, "detail must be 0 to 1, not 1.5"),
        ({"detail": 0.5}, "give a size too"),
        ({"size": 15}, "size must be at least 16 pixels, not 15"),
        ({"mask": "missing.png"}, "missing.png does not exist"),
        ({"mask": np.zeros(4)}, "a mask must have the shape"),
        ({"regions": [("missing", np.ones((1, 1)))]}, "no style is called 'missing'"),
        ({"regions": [("missing", "missing.png")]}, "missing.png does not exist"),
        ({"style": {"wave": -1}}, "the weight of wave must be a number from 0 up, not -1"),
        ({"style": {"wave": float("inf")}}, "the weight of wave must be a number from 0 up, not inf"),
        ({"style": {"wave": 0}}, "must not all be 0"),
        ({"style": {}}, "must not all be 0"),
        ({"style": None}, "give a style, or regions with styles"),
        ({"device": "tpu"}, "unknown device"),
    ],
)
def test_controls_out_of_range(files: dict[str, Path], arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(FastnstError, match=says) as error:
        Painter(**{"style": files["invert"], **arguments})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "controls", [{}, {"strength": 0.5}, {"strength": 0}, {"preserve_color": True}, {"size": 16}]
)
def test_a_photo_may_be_painted_over(files: dict[str, Path], controls: dict[str, Any]) -> None:
    painter = Painter(files["invert"], **controls)
    photo = pixels(20, 30)
    expected, over = painter(photo), photo.copy()
    assert painter(over, out=over) is over
    np.testing.assert_array_equal(over, expected)


def test_large_photos_are_painted_in_tiles(tmp_path: Path) -> None:
    path = tiny_models.network(tmp_path / "network.onnx")
    photo, found = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8), []
    painter = Painter(path, strength=0.5, tile=256, on_progress=found.append)
    np.testing.assert_array_equal(painter(photo), Painter(Stylizer(path, tile=256), strength=0.5)(photo))
    assert found[-1] == 1


@pytest.mark.parametrize("again", [copy.deepcopy, lambda painter: pickle.loads(pickle.dumps(painter))])
def test_a_copy_paints_the_same(tmp_path: Path, files: dict[str, Path], again: Any) -> None:
    network = tiny_models.network(tmp_path / "network.onnx")
    painter = Painter(
        {network: 2, files["invert"]: 1},
        regions=[(network, np.eye(30, 40))],
        strength=0.7,
        size=24,
        detail=0.5,
        preserve_color=True,
        device="cpu",
        threads=1,
    )
    other = again(painter)
    assert other.name == painter.name
    assert len(other.stylizers) == 2
    assert set(other.stylizers).isdisjoint(painter.stylizers)
    np.testing.assert_array_equal(other(pixels(30, 40)), painter(pixels(30, 40)))


def test_a_copy_of_a_painter_for_a_video_begins_a_shot(tmp_path: Path) -> None:
    painter = Painter(tiny_models.network(tmp_path / "network.onnx"), device="cpu", threads=1).for_video(0.5)
    first = [painter(pixels(40, 50, seed)) for seed in range(2)]
    other = copy.deepcopy(painter)
    for seed, frame in enumerate(first):
        np.testing.assert_array_equal(other(pixels(40, 50, seed)), frame)
