import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from train.network.layers import BorderedConv2d, WideBlock, pad_to_stride
from train.network.transformer_net import TransformerNet
from train.network.wide_net import WideNet


@pytest.mark.parametrize("stride", [4, 8])
@settings(deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_padding_goes_to_the_next_multiple_and_leaves_the_image_as_it_is(stride, height, width):
    image = torch.arange(height * width, dtype=torch.float32).view(1, 1, height, width)
    padded = pad_to_stride(image, stride)
    expected = [max(4 * stride, -(-side // stride) * stride) for side in (height, width)]
    assert list(padded.shape[-2:]) == expected
    assert torch.equal(padded[..., :height, :width], image)


def test_padding_reflects_large_images_and_repeats_the_edge_of_small_ones():
    large = torch.arange(18.0).view(1, 1, 1, 18).expand(1, 1, 16, 18)
    assert pad_to_stride(large, 4)[0, 0, 0, 16:].tolist() == [16, 17, 16, 15]
    wide = torch.arange(35.0).view(1, 1, 1, 35).expand(1, 1, 32, 35)
    assert pad_to_stride(wide, 8)[0, 0, 0, 33:].tolist() == [33, 34, 33, 32, 31, 30, 29]
    small = torch.arange(3.0).view(1, 1, 1, 3)
    assert pad_to_stride(small, 4)[0, 0, 5].tolist() == [0, 1, *14 * [2]]
    assert pad_to_stride(small, 8)[0, 0, 31].tolist() == [0, 1, *30 * [2]]


def test_a_convolution_repeats_or_mirrors_the_border():
    image = torch.rand(1, 2, 9, 8, generator=torch.Generator().manual_seed(0))
    repeated = torch.cat([*3 * [image[..., :1]], image, *3 * [image[..., -1:]]], 3)
    repeated = torch.cat([*3 * [repeated[:, :, :1]], repeated, *3 * [repeated[:, :, -1:]]], 2)
    mirrored = torch.cat([image[..., 1:4].flip(3), image, image[..., -4:-1].flip(3)], 3)
    mirrored = torch.cat([mirrored[:, :, 1:4].flip(2), mirrored, mirrored[:, :, -4:-1].flip(2)], 2)
    for border, extended in (("replicate", repeated), ("reflect", mirrored)):
        layer = BorderedConv2d(2, 4, kernel_size=7, border=border)
        expected = nn.functional.conv2d(extended, layer.weight, layer.bias)
        torch.testing.assert_close(layer(image), expected)


def test_the_wide_network_repeats_the_border_and_johnsons_mirrors_it():
    for network, border in ((WideNet(4, 1, 3, 1), "replicate"), (TransformerNet(4, 1, 3), "reflect")):
        layers = [layer for layer in network.modules() if isinstance(layer, BorderedConv2d)]
        assert {layer.border for layer in layers} == {border}


def test_a_wide_block_sees_three_positions_of_its_own_channel_and_mixes_all():
    torch.manual_seed(0)
    block = WideBlock(6)
    image = torch.zeros(1, 6, 15, 17)
    image[0, 2, 7, 8] = 1
    seen = block.depthwise(image).abs() > 0
    assert seen[0, 2, 4:11, 5:12].all()  # 7x7
    assert seen.sum() == 49
    mixed = (
        block.project(block.expand(image))[0, :, 7, 8] - block.project(block.expand(0 * image))[0, :, 7, 8]
    )
    assert (mixed != 0).all()


@torch.no_grad()
def test_a_wide_block_starts_near_the_identity_and_adds_to_its_input():
    torch.manual_seed(0)
    block, image = WideBlock(24), torch.randn(1, 24, 16, 16)
    assert (block(image) - image).std() < 0.3 * image.std()
    block.project.weight.zero_()
    assert torch.equal(block(image), image)
