"""The page's controls give Painter's bytes within one level; the network's paintings are given."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from fastnst import Painter
from fastnst.image.resize import fit
from fastnst.painter import _scaled
from fastnst.web.site import PAGE
from tests.fastnst.web.pictures import photo

HERE = Path(__file__).parent


class Given:
    """A style whose painting is what the test says, at any size."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.seed = name, seed

    def __call__(self, image, out=None):
        noise = np.random.default_rng(self.seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
        size = (image.shape[1], image.shape[0])
        strokes = np.asarray(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC))
        return ((3 * strokes.astype(int) + image[..., ::-1]) // 4).astype(np.uint8)


def in_javascript(node, folder, image, paintings, weights, controls, mask=None):
    (folder / "photo").write_bytes(image.tobytes())
    for number, painting in enumerate(paintings):
        (folder / f"painting{number}").write_bytes(painting.tobytes())
    if mask is not None:
        (folder / "mask").write_bytes(mask.tobytes())
    given = {
        "page": str(PAGE),
        "folder": str(folder),
        "photo": {"height": image.shape[0], "width": image.shape[1]},
        "paintings": [
            {"height": painting.shape[0], "width": painting.shape[1], "weight": weight}
            for painting, weight in zip(paintings, weights, strict=True)
        ],
        "controls": controls,
        "mask": None if mask is None else {"height": mask.shape[0], "width": mask.shape[1]},
    }
    subprocess.run([node, HERE / "controls.mjs", json.dumps(given)], check=True, timeout=60)
    results = [(folder / f"result{number}").read_bytes() for number in range(len(controls))]
    return [np.frombuffer(result, np.uint8).reshape(image.shape) for result in results]


@pytest.fixture
def painter_of(monkeypatch):
    """A Painter of given paintings."""

    def make(style, **controls) -> Painter:
        monkeypatch.setattr("fastnst.painter.Stylizer", Given)
        return Painter(style, **controls)

    return make


SETTINGS = [
    {"strength": strength, "keepColours": keep} for keep in (False, True) for strength in (0, 0.35, 1, 1.6, 2)
]


def check(expected, found, setting):
    apart = np.abs(expected.astype(int) - found)
    if setting["strength"] <= 1:
        assert apart.max() <= 1, setting
    else:  # which multiplies a level that the last of float32's bits decided
        assert apart.max() <= 2, setting
        assert np.count_nonzero(apart > 1) <= max(1, 1e-3 * apart.size), setting


# Which scales the columns first, as the page does.
TALL = pytest.param(
    (120, 47), marks=pytest.mark.skipif(int(PIL.__version__.split(".")[0]) < 13, reason="Pillow 13's")
)


@pytest.mark.parametrize("size", [(1, 1), (61, 83), TALL])
@pytest.mark.parametrize("brush", [None, 24, 200])
def test_strength_colours_and_brush(node, painter_of, tmp_path, size, brush):
    image = photo(*size)
    style = Given("given", 3)
    found = in_javascript(node, tmp_path, image, [style(_motif(image, brush))], [1], SETTINGS)
    for setting, result in zip(SETTINGS, found, strict=True):
        expected = painter_of(
            style, size=brush, strength=setting["strength"], preserve_color=setting["keepColours"]
        )(image)
        check(expected, result, setting)


@pytest.mark.parametrize("mask_size", [(61, 83), (30, 41), (150, 205)])
def test_masks(node, painter_of, tmp_path, mask_size):
    image = photo(61, 83)
    mask = photo(*mask_size, seed=5)[..., 1]
    style = Given("given", 3)
    found = in_javascript(node, tmp_path, image, [style(image)], [1], SETTINGS, np.ascontiguousarray(mask))
    for setting, result in zip(SETTINGS, found, strict=True):
        expected = painter_of(
            style, strength=setting["strength"], preserve_color=setting["keepColours"], mask=mask
        )(image)
        check(expected, result, setting)


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.9, 0.1)])
@pytest.mark.parametrize(("size", "brush"), [((1, 5), None), ((61, 83), None), ((90, 70), 40)])
def test_blends(node, painter_of, tmp_path, size, brush, weights):
    image = photo(*size)
    styles = [Given("one", 3), Given("other", 4)]
    motif = _motif(image, brush)
    found = in_javascript(node, tmp_path, image, [style(motif) for style in styles], weights, SETTINGS)
    for setting, result in zip(SETTINGS, found, strict=True):
        expected = painter_of(
            dict(zip(styles, weights, strict=True)),
            size=brush,
            strength=setting["strength"],
            preserve_color=setting["keepColours"],
        )(image)
        check(expected, result, setting)


def _motif(image, brush):
    return image if brush is None else _scaled(image, fit(image.shape[:2], brush))
