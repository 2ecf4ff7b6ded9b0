import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from PIL import Image

from fastnst import FastnstError, Stylizer, stylizer
from fastnst.cli.progress import TileProgress
from fastnst.model.session import open_changed
from fastnst.tiling import fixed_norms as norm_statistics
from fastnst.tiling import painting as tiled_painting
from fastnst.tiling.tiles import Tile
from tests.fastnst import tiny_models
from tests.fastnst.make_images import pixels


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return tiny_models.network(tmp_path_factory.mktemp("tiled") / "network.onnx")


def uneven(height, width):
    """A picture whose statistics differ from place to place."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(1).normal(0, 1, (height, width, 3))
    image = 128 + 100 * np.sin(x / 90)[..., None] * [1, 0.5, -1] + noise * (y[..., None] / height * 60)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(700, 900), (611, 513), (300, 2001), (257, 256)])
def test_tiles_make_the_same_picture_as_the_whole(network, size):
    image = uneven(*size)
    whole, tiled = Stylizer(network)(image), Stylizer(network, tile=256)(image)
    difference = np.abs(whole.astype(int) - tiled)
    # Folded into the convolutions, the norms round differently: a few values fall to the other side of .5.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.002


def test_tiles_with_their_own_statistics_would_not(network):
    image = uneven(700, 900)
    whole, paint = Stylizer(network)(image), Stylizer(network)
    assert np.abs(whole[:256, :256].astype(int) - paint(image[:256, :256])).mean() > 3


def test_a_picture_of_12_megapixels_is_measured_whole():
    sample = tiled_painting._sample(3000, 4000, 768, 64)
    assert sum((tile.bottom - tile.top) * (tile.right - tile.left) for tile in sample) == 12_000_000
    larger = tiled_painting._sample(15_000, 20_000, 768, 64)
    assert sum(tile.pixels for tile in larger) * 33 <= 640_000_000


def test_activations_beyond_float16_are_kept_as_they_are():
    values = np.array([1e-3, 70_000], np.float32)
    np.testing.assert_array_equal(norm_statistics._packed(values), values)
    assert norm_statistics._packed(values / 2).dtype == np.float16


def test_nothing_kept_between_layers_gives_the_same(network, monkeypatch):
    image = uneven(500, 600)
    expected = Stylizer(network, tile=256)(image)
    tiles = len(tiled_painting._sample(500, 600, 256, 32))
    monkeypatch.setattr(tiled_painting, "_SAMPLE_BYTES", 0)
    monkeypatch.setattr(tiled_painting, "sample_tiles", lambda rows, most: [t for row in rows for t in row])
    assert len(tiled_painting._sample(500, 600, 256, 32)) == tiles
    difference = np.abs(Stylizer(network, tile=256)(image).astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001


def test_a_sample_of_a_large_picture_is_near(network, monkeypatch):
    image = np.tile(uneven(300, 300), (6, 6, 1))
    whole = Stylizer(network)(image)
    tiles = len(tiled_painting._sample(1800, 1800, 256, 32))
    monkeypatch.setattr(tiled_painting, "_SAMPLE_BYTES", 30_000_000)
    assert len(tiled_painting._sample(1800, 1800, 256, 32)) < 0.2 * tiles
    difference = whole.astype(int) - Stylizer(network, tile=256)(image)
    assert 0 < np.abs(difference).mean() < 4


def test_a_picture_may_be_painted_over(network):
    image = uneven(600, 700)
    paint = Stylizer(network, tile=256)
    expected, before = paint(image), image.copy()
    np.testing.assert_array_equal(image, uneven(600, 700))
    assert paint(image, out=image) is image
    np.testing.assert_array_equal(image, expected)
    # And where it is painted as a whole.
    whole = Stylizer(network)
    expected = whole(before)
    assert whole(before, out=before) is before
    np.testing.assert_array_equal(before, expected)


def test_a_picture_may_be_painted_over_where_rows_of_tiles_are_lower_than_the_margin(tmp_path):
    # Nobody knows how far a model from elsewhere sees: the margin is 128 pixels, a row of tiles 32.
    paint = Stylizer(tiny_models.smear(tmp_path / "smear.onnx"), tile=256, threads=1)
    image = uneven(300, 40)
    expected = paint(image)
    np.testing.assert_array_equal(paint(image, out=image), expected)


def test_threads_that_paint_in_tiles_leave_warnings_and_stdout_alone(network):
    filters, shown, stdout = warnings.filters, warnings.showwarning, sys.stdout
    paint, together = Stylizer(network, tile=256, threads=1), threading.Barrier(4)
    image = uneven(257, 40)

    def paint_some(_):
        together.wait(60)
        return [paint(image) for _ in range(2)]

    expected = paint(image)
    with ThreadPoolExecutor(4) as pool:
        for results in pool.map(paint_some, range(4)):
            for result in results:
                np.testing.assert_array_equal(result, expected)
    assert warnings.filters is filters
    assert warnings.showwarning is shown
    assert sys.stdout is stdout


def test_a_batch_is_painted_picture_by_picture(network):
    images = np.stack([uneven(300, 400), uneven(300, 400)[::-1]])
    paint = Stylizer(network, tile=256)
    np.testing.assert_array_equal(paint(images), np.stack([paint(images[0]), paint(images[1])]))


def test_progress_rises_to_the_whole(network):
    found = []
    Stylizer(network, tile=256, on_progress=found.append)(uneven(700, 600))
    assert found == sorted(found)
    assert found[-1] == 1
    assert len(found) > 4


def test_only_what_the_memory_does_not_hold_is_painted_in_tiles(network, monkeypatch):
    image = uneven(1001, 1000)
    found = []
    monkeypatch.setattr(stylizer, "free_memory", lambda: 10**9)
    Stylizer(network, on_progress=found.append)(image)
    assert not found
    monkeypatch.setattr(stylizer, "free_memory", lambda: 5 * 10**8)
    Stylizer(network, on_progress=found.append)(image)
    assert found


def test_what_was_painted_whole_once_is_painted_whole_again(network, monkeypatch):
    monkeypatch.setattr(stylizer, "_SURELY_WHOLE", 0)
    found, free = [], iter([10**9, 0, 0])  # the runtime keeps what the first picture took
    monkeypatch.setattr(stylizer, "free_memory", lambda: next(free, 0))
    paint = Stylizer(network, threads=1, on_progress=found.append)
    for size in ((60, 50), (60, 50), (50, 60), (40, 40)):
        paint(uneven(*size))
    assert not found
    paint(uneven(60, 51))
    assert found


def test_models_from_elsewhere_are_painted_in_tiles_too(tmp_path):
    path = tiny_models.normalized(tmp_path / "normalized.onnx", output_scale=255, output_offset=0)
    image = uneven(500, 401)
    whole, tiled = Stylizer(path)(image), Stylizer(path, tile=320)(image)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_a_model_that_looks_at_the_whole_in_other_ways_is_refused(tmp_path, monkeypatch):
    path = tiny_models.network(tmp_path / "other.onnx", normalization="MeanVarianceNormalization")
    image = uneven(300, 400)
    with pytest.raises(
        FastnstError, match="other looks at the whole picture in ways that tiles do not allow"
    ):
        Stylizer(path, tile=256)(image)
    # Where nobody asked for tiles, the whole is tried.
    monkeypatch.setattr(stylizer, "free_memory", lambda: 0)
    assert Stylizer(path)(uneven(1001, 1000)).shape == (1001, 1000, 3)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (tiny_models.doubling, "doubling gives pictures of another size than it takes"),
        (tiny_models.pairs, "pairs takes 2 pictures at a time"),
    ],
)
def test_a_model_whose_pictures_tiles_are_not_is_refused(tmp_path, monkeypatch, make, says):
    path = make(tmp_path / f"{make.__name__}.onnx")
    image = np.full((8, 257, 3), 77, np.uint8)
    with pytest.raises(FastnstError, match=says):
        Stylizer(path, tile=256)(image)
    monkeypatch.setattr(stylizer, "free_memory", lambda: 0)
    monkeypatch.setattr(stylizer, "_SURELY_WHOLE", 0)
    assert len(np.unique(Stylizer(path)(image))) == 1


def test_a_model_that_fails_on_a_tile_is_told(network):
    paint = Stylizer(network)
    with pytest.raises(FastnstError, match="the model fails on a tile of 40x40 pixels"):
        norm_statistics.measure_statistics(
            network.read_bytes(),
            [Tile(0, 40, 0, 40, 0, 40, 0, 40)],
            lambda tile: np.zeros((1, 40, 40, 4), np.uint8),
            lambda data: open_changed(paint.model.session, data),
            memory=0,
        )


@pytest.mark.parametrize("constant_nodes", [False, True])
@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_norms_of_other_types_are_fixed(tmp_path, dtype, constant_nodes):
    path = tiny_models.normalized(
        tmp_path / "m.onnx", output_scale=255, output_offset=0, dtype=dtype, constant_nodes=constant_nodes
    )
    tile = Tile(0, 40, 0, 50, 0, 40, 0, 50)
    image = uneven(40, 50)[np.newaxis].transpose(0, 3, 1, 2).astype(helper.tensor_dtype_to_np_dtype(dtype))
    data = path.read_bytes()
    statistics = norm_statistics.measure_statistics(data, [tile], lambda _: image, opened, memory=10**6)
    (painted,) = opened(norm_statistics.fix_statistics(data, statistics)).run(None, {"image": image})
    assert painted.dtype == image.dtype
    x = image.astype(float)
    expected = (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(painted, 255 / (1 + np.exp(-expected)), atol=0.5)


def opened(data):
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def test_weights_in_another_file_are_found(tmp_path, monkeypatch):
    path = tiny_models.normalized(tmp_path / "normalized.onnx", output_scale=255, output_offset=0)
    image = uneven(70, 300)
    expected = Stylizer(path)(image)
    tiny_models.with_external_weights(path)
    assert np.abs(Stylizer(path, tile=256)(image).astype(int) - expected).max() <= 1
    monkeypatch.chdir(tmp_path)
    assert np.abs(Stylizer("normalized.onnx").for_video()(image).astype(int) - expected).max() <= 1


def test_mistakes_are_told(network):
    with pytest.raises(FastnstError, match="tiles must be at least 256 pixels, not 255"):
        Stylizer(network, tile=255)
    paint, image = Stylizer(network), pixels(8, 9)
    for wrong in (np.empty((8, 8, 3), np.uint8), np.empty((8, 9, 3), np.float32)):
        with pytest.raises(ValueError, match="out must be uint8 of shape"):
            paint(image, out=wrong)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (3, 7), (5000, 1)])
def test_thin_pictures_are_painted(network, size):
    image = uneven(*size)
    whole, tiled = Stylizer(network)(image), Stylizer(network, tile=256)(image)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_the_command_paints_in_tiles(network, tmp_path, run, fails):
    image = uneven(300, 400)
    Image.fromarray(image).save(tmp_path / "photo.png")
    assert run("stylize", "-m", network, tmp_path / "photo.png", "--tile", 256).exit_code == 0
    result = np.asarray(Image.open(tmp_path / "photo.network.png"))
    np.testing.assert_array_equal(result, Stylizer(network, tile=256)(image))
    assert "tiles must be at least 256" in fails(
        "stylize", "-m", network, tmp_path / "photo.png", "--tile", 9, "--overwrite"
    )


def test_the_bar_of_the_tiles_is_for_terminals(monkeypatch, capsys):
    bar = TileProgress()
    bar(0.5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for part in (0.25, 0.5, 1, 0.5, 1):  # two pictures
        bar(part)
    shown = capsys.readouterr().err
    assert "painting in tiles" in shown
    assert "50%" in shown
    assert shown.count("100%") == 2
