import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnst.tiling.tiles import (
    Tile,
    cut_into_tiles,
    receptive_field,
    sample_tiles,
    side_of_tiles,
    tile_alignment,
)
from train.network.build import build_network
from train.network.instance_norm import InstanceNorm2d
from train.network.shape import NETWORKS


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 900),
    width=st.integers(1, 900),
    side=st.integers(1, 500),
    margin=st.sampled_from([0, 32, 64, 128]),
    grain=st.sampled_from([32, 96, 256]),
)
def test_every_pixel_is_in_one_part_and_every_margin_is_whole(height, width, side, margin, grain):
    covered = np.zeros((height, width), int)
    for row in cut_into_tiles(height, width, side, margin, grain):
        for tile in row:
            covered[tile.top : tile.bottom, tile.left : tile.right] += 1
            assert tile.outer_top == max(tile.top - margin, 0)
            assert tile.outer_bottom == min(tile.bottom + margin, height)
            assert tile.outer_left == max(tile.left - margin, 0)
            assert tile.outer_right == min(tile.right + margin, width)
            assert tile.outer_top % grain == tile.outer_left % grain == 0
            assert max(tile.height, tile.width) <= max(side, 2 * margin + grain)
    assert (covered == 1).all()


def test_the_last_tile_is_no_sliver():
    heights = [row[0].bottom - row[0].top for row in cut_into_tiles(1010, 100, 640, 64)]
    assert heights == [512, 498]
    # The last tile has no margin below: this picture needs no third one.
    assert len(cut_into_tiles(1152, 100, 640, 64)) == 2


def test_the_inner_activations_are_those_of_the_part():
    tile = Tile(32, 96, 64, 80, 0, 128, 32, 80)  # the right side is the picture's border
    assert (tile.height, tile.width, tile.pixels) == (128, 48, 6144)
    y, x = np.mgrid[0:128:4, 32:80:4]
    inner = tile.inner(np.stack([y, x])[np.newaxis])
    assert inner.shape == (1, 2, 16, 4)
    assert (inner[0, 0].min(), inner[0, 0].max()) == (32, 92)
    assert (inner[0, 1].min(), inner[0, 1].max()) == (64, 76)


def test_what_the_network_pads_to_its_stride_belongs_to_the_border():
    tile = Tile(32, 101, 0, 10, 0, 101, 0, 10)
    assert tile.inner(np.zeros((1, 1, 26, 3))).shape == (1, 1, 18, 3)


@pytest.mark.parametrize("margin", [32, 64, 128, 160])
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_a_last_part_of_few_pixels_is_not_taken_for_padding(margin, stride):
    for part in range(1, 33):
        height = margin + part
        padded = -(-height // 8) * 8  # as the network pads the picture's border
        y = np.arange(0, padded, stride)[None, None, :, None]
        inner = Tile(margin, height, 0, 8, 0, height, 0, 8).inner(y.repeat(8 // stride, 3))
        assert inner[0, 0, :, 0].tolist() == list(range(margin, padded, stride))


@pytest.mark.parametrize("name", NETWORKS)
def test_margins_are_as_wide_as_the_networks_see(name, monkeypatch):
    """With fixed norms, a pixel at a tile's border is made of no pixel beyond the margin."""
    margin = receptive_field({f"network.{key}": str(each) for key, each in NETWORKS[name]._asdict().items()})
    torch.manual_seed(0)
    network = build_network(NETWORKS[name]).double().eval()
    for module in network.modules():
        if isinstance(module, InstanceNorm2d):
            monkeypatch.setattr(module, "forward", lambda x: x)
    image = torch.rand(1, 3, 32, 640, dtype=torch.float64, requires_grad=True)
    stylized = network(image)
    for column, side in ((320, -1), (319, 1)):
        (gradient,) = torch.autograd.grad(stylized[0, :, 16, column].sum(), image, retain_graph=True)
        seen = gradient.abs().amax((0, 1, 2)).nonzero()
        farthest = 320 - seen.min() if side < 0 else seen.max() - 319
        assert farthest <= margin < farthest + 64


def test_tiles_are_larger_where_margins_are_wide():
    assert [side_of_tiles(margin) for margin in (32, 64, 128, 160)] == [768, 768, 768, 960]
    assert [side_of_tiles(margin, wanted=256) for margin in (32, 64, 128, 160)] == [256, 256, 384, 480]
    assert side_of_tiles(160, wanted=700) == 700
    assert side_of_tiles(160, 512, wanted=700) == 832


@pytest.mark.parametrize(
    ("said", "pixels"), [({}, 32), ("512", 512), ("0", 32), ("500", 32), ("1000000", 32), ("x", 32)]
)
def test_tiles_begin_where_the_grain_of_the_canvas_does(said, pixels):
    assert tile_alignment({"network.grain": said} if said else {}) == pixels


@pytest.mark.parametrize(("rows", "columns", "most"), [(10, 10, 20), (3, 40, 12), (40, 3, 12), (30, 30, 1)])
def test_a_sample_is_spread_over_the_picture(rows, columns, most):
    tiles = cut_into_tiles(32 * rows, 32 * columns, 32, 0)
    sample = sample_tiles(tiles, most)
    assert most / 2 <= len(sample) <= most
    assert len(set(sample)) == len(sample)
    assert sample == sample_tiles(tiles, most)
    if most > 1:
        middle = np.mean([((tile.top + 16) / rows, (tile.left + 16) / columns) for tile in sample], 0) / 32
        assert np.all(np.abs(middle - 0.5) < 0.2)


def test_a_small_picture_is_sampled_whole():
    tiles = cut_into_tiles(100, 100, 96, 32)
    assert sample_tiles(tiles, 16) == [tile for row in tiles for tile in row]
