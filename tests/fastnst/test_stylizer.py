"""Stylizer on models of fastnst's own contract."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fastnst import FastnstError, Stylizer
from fastnst import stylizer as module
from fastnst.model.values import UNIT
from tests.fastnst import tiny_models
from tests.fastnst.make_images import pixels

STYLES = Path(__file__).parents[2] / "checkpoints"


@pytest.fixture(scope="module")
def invert(models: Path) -> Stylizer:
    return Stylizer(models / "invert.onnx")


@given(height=st.integers(1, 70), width=st.integers(1, 70), batch=st.none() | st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_result_is_exact_at_every_size(invert: Stylizer, height: int, width: int, batch: int | None) -> None:
    image = (
        pixels(height, width)
        if batch is None
        else np.stack([pixels(height, width, i) for i in range(3)])[:batch]
    )
    original = image.copy()
    result = invert(image)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, 255 - image)
    np.testing.assert_array_equal(image, original)


def test_attributes(invert: Stylizer, models: Path) -> None:
    assert invert.name == "invert"
    assert invert.path == models / "invert.onnx"
    assert invert.metadata == tiny_models.CONTRACT
    assert invert.providers[-1] == "CPUExecutionProvider"
    assert "invert.onnx" in repr(invert)


def test_takes_views_and_pillow_images(invert: Stylizer) -> None:
    image = pixels(9, 14)
    np.testing.assert_array_equal(invert(image[::2, ::-1]), 255 - image[::2, ::-1])
    np.testing.assert_array_equal(invert(Image.fromarray(image)), 255 - image)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 4), np.uint8),
        np.zeros((4, 5, 3), np.float32),
        np.zeros((1, 1, 4, 5, 3), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((2, 4, 0, 3), np.uint8),
    ],
    ids=lambda image: f"{image.dtype}{image.shape}",
)
def test_other_arrays_are_value_errors(invert: Stylizer, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="image"):
        invert(image)


@pytest.mark.parametrize("model", ["invert", "strided", "doubling", "fixed"])
@pytest.mark.filterwarnings("ignore:fixed only works")
def test_threads_share_one_stylizer(models: Path, model: str) -> None:
    stylizer = Stylizer(models / f"{model}.onnx", threads=2)
    images = [pixels(20 + 9 * i, 31 + 7 * i, i) for i in range(10)]
    alone = [stylizer(image) for image in images]
    together = threading.Barrier(10)

    def paint_all(first: int) -> list[np.ndarray]:
        together.wait(60)
        return [stylizer(images[(first + i) % 10]) for i in range(20)]

    with ThreadPoolExecutor(10) as pool:
        for first, results in enumerate(pool.map(paint_all, range(10))):
            for i, result in enumerate(results):
                np.testing.assert_array_equal(result, alone[(first + i) % 10])


def test_fixed_batch_of_the_contract(tmp_path: Path) -> None:
    stylizer = Stylizer(tiny_models.pairs(tmp_path / "pairs.onnx"))
    for count in (1, 2, 3):
        images = np.stack([pixels(8, 6, i) for i in range(count)])
        np.testing.assert_array_equal(stylizer(images), 255 - images)


def test_found_by_name(styles: Path) -> None:
    tiny_models.invert(styles / "negative.onnx")
    assert Stylizer("negative").path == styles / "negative.onnx"


def test_newer_format_is_refused(tmp_path: Path) -> None:
    path = tiny_models.invert(tmp_path / "new.onnx", {**tiny_models.CONTRACT, "fastnst.format": "2"})
    with pytest.raises(FastnstError, match=r"format 2.*up to 1.*upgrade"):
        Stylizer(path)


@pytest.mark.parametrize("number", ["9" * 5000, "99999", "-1", "\u0663", "\u00b2", "1.5", ""])
def test_numbers_in_a_foreign_files_metadata_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    monkeypatch.setattr(module, "_SURELY_WHOLE", 0)
    path = tiny_models.invert(
        tmp_path / "m.onnx",
        {**tiny_models.CONTRACT, "network.width": number, "network.residual_blocks": number},
    )
    image = pixels(40, 300)
    for tile in (None, 256):
        np.testing.assert_array_equal(Stylizer(path, device="cpu", tile=tile)(image), 255 - image)
    if number.startswith("9"):
        newer = tiny_models.invert(tmp_path / "n.onnx", {**tiny_models.CONTRACT, "fastnst.format": number})
        with pytest.raises(FastnstError, match=r"format 9+(\.\.\.)?, but") as error:
            Stylizer(newer)
        assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"hello, I am no model at all", "no ONNX model"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\x08\x08" * 20, "no ONNX model"),
        (b"\x3a\x02\x0a\x7f", "cannot be loaded"),
    ],
)
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(FastnstError, match=says) as error:
        Stylizer(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_cut_short_anywhere_is_refused(models: Path, tmp_path: Path) -> None:
    whole = (models / "invert_float.onnx").read_bytes()  # it has no metadata: every byte is needed
    path = tmp_path / "cut.onnx"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(FastnstError):
            Stylizer(path)


def test_missing_external_weights(models: Path) -> None:
    with pytest.raises(FastnstError, match=r"weights in another file, .weights\.bin., which is missing"):
        Stylizer(models / "external_weights.onnx")


@pytest.mark.parametrize("again", [copy.deepcopy, copy.copy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_opens_the_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: Any) -> None:
    path = tiny_models.coded(tmp_path / "m.onnx", UNIT, UNIT)
    monkeypatch.chdir(tmp_path)
    stylizer = Stylizer("m.onnx", device="cpu", threads=1, tile=300, input_range="0..1", bgr=True)
    monkeypatch.chdir(tmp_path.parent)  # a process of Ray or Dask starts elsewhere
    other = again(stylizer)
    assert other.model.session is not stylizer.model.session
    assert (other.path, other.name) == (path, "m")
    assert (other.model.input_range, other.model.input_bgr) == (UNIT, True)
    assert other.model.session.get_session_options().intra_op_num_threads == 1
    np.testing.assert_array_equal(other(pixels(8, 9)), stylizer(pixels(8, 9)))
    path.unlink()
    with pytest.raises(FastnstError, match="does not exist"):
        again(stylizer)


def test_processes_share_a_style(models: Path) -> None:
    stylizer = Stylizer(models / "invert.onnx", device="cpu", threads=1)
    images = [pixels(8, 9, i) for i in range(4)]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for image, painted in zip(images, pool.map(stylizer, images), strict=True):
            np.testing.assert_array_equal(painted, 255 - image)


class _Limited:
    """A session whose memory holds so many pixels at once; notes how many pictures each run has."""

    def __init__(self, session: Any, limit: int) -> None:
        self._session, self._limit = session, limit
        self.counts: list[int] = []

    def run(self, names: Sequence[str], feed: Mapping[str, NDArray[Any]], options: Any = None) -> Any:
        (tensor,) = feed.values()
        if tensor.size > 3 * self._limit:
            raise RuntimeError(
                "[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer of size 9"
            )
        self.counts.append(len(tensor))
        return self._session.run(names, feed, options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def _limited(path: Path, limit: int) -> tuple[Stylizer, _Limited]:
    stylizer = Stylizer(path, threads=1)
    session = _Limited(stylizer.model.session, limit)
    stylizer.model = replace(stylizer.model, session=session)
    return stylizer, session


def test_out_of_memory_is_one_line(models: Path) -> None:
    full, _ = _limited(models / "fixed.onnx", 0)
    with pytest.raises(FastnstError, match="not enough memory to stylise an image of 64x48 pixels"):
        full(pixels(48, 64))


def test_what_proves_too_large_for_the_memory_is_painted_in_tiles(tmp_path: Path) -> None:
    path = tiny_models.network(tmp_path / "network.onnx")
    full, session = _limited(path, 40 * 50 - 1)
    difference = np.abs(full(pixels(40, 50)).astype(int) - Stylizer(path, threads=1)(pixels(40, 50)))
    assert difference.max() <= 1
    assert not session.counts


def test_a_batch_that_proves_too_large_for_the_memory_is_painted_one_by_one(models: Path) -> None:
    images = np.stack([pixels(8, 6, i) for i in range(3)])
    full, session = _limited(models / "invert.onnx", 8 * 6)
    np.testing.assert_array_equal(full(images), 255 - images)
    assert session.counts == [1, 1, 1]


def test_a_batch_is_run_in_parts_that_the_memory_holds(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.stack([pixels(8, 6, i) for i in range(5)])
    stylizer, session = _limited(models / "invert.onnx", 10**9)
    monkeypatch.setattr(module, "_SURELY_WHOLE", 0)
    bytes_per_pixel = 32 * module._BYTES_PER_CHANNEL
    monkeypatch.setattr(
        module, "free_memory", lambda: int(2.5 * 8 * 6 * bytes_per_pixel / module._MEMORY_PART)
    )
    np.testing.assert_array_equal(stylizer(images), 255 - images)
    assert session.counts == [2, 2, 1]
    monkeypatch.setattr(module, "free_memory", lambda: 10**9)
    np.testing.assert_array_equal(stylizer(images), 255 - images)
    assert session.counts[3:] == [5]


def test_one_thread_gives_the_same_bytes_in_several_threads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stylizer = Stylizer(STYLES / "wave.onnx", device="cpu", threads=3)
    single = stylizer.with_one_thread()
    assert single is not None
    assert single.model.session.get_session_options().intra_op_num_threads == 1
    pictures = [pixels(height, width) for height, width in ((160, 200), (96, 128), (160, 200), (61, 47))]
    with ThreadPoolExecutor(4) as threads:
        painted = list(threads.map(single, pictures))
    for picture, result in zip(pictures, painted, strict=True):
        np.testing.assert_array_equal(result, stylizer(picture))
    # What is held once fits again; what is larger is asked of the memory.
    monkeypatch.setattr("fastnst.stylizer.free_memory", lambda: 10**9)
    assert single.fit_together(500, 500, 4)
    assert not single.fit_together(4000, 3000, 4)
    assert single.fit_together(1000, 1000, 2.7)
    monkeypatch.setattr("fastnst.stylizer.free_memory", lambda: 0)
    assert single.fit_together(1000, 1000, 2.7)
    assert not single.fit_together(1000, 1000, 2.8)
    tiled = Stylizer(STYLES / "wave.onnx", device="cpu", threads=3, tile=512).with_one_thread()
    assert tiled is not None
    assert not tiled.fit_together(600, 20, 1)
    assert tiled.fit_together(500, 20, 1)
