import pytest
import torch
import torch.nn.functional as F

from train.subpixel_conv import strided_conv, upsampled_conv


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def check(ours, theirs, inputs):
    """Compare the values and the gradients of two functions."""
    inputs = [given.requires_grad_() for given in inputs]
    out, expected = ours(*inputs), theirs(*inputs)
    torch.testing.assert_close(out, expected)
    weights = random(*out.shape, seed=9)
    for our, their in zip(
        torch.autograd.grad(out, inputs, weights), torch.autograd.grad(expected, inputs, weights), strict=True
    ):
        torch.testing.assert_close(our, their)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 7), (8, 8)])
def test_an_upsampled_convolution_is_resize_pad_and_convolution(size):
    def plain(x, weight):
        enlarged = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return F.conv2d(F.pad(enlarged, (1, 1, 1, 1), mode="replicate"), weight)

    check(upsampled_conv, plain, [random(2, 3, *size), random(4, 3, 3, 3, seed=1)])


@pytest.mark.parametrize("kernel", [3, 9])
@pytest.mark.parametrize("size", [(2, 2), (4, 6), (10, 8)])
def test_a_strided_convolution_is_the_convolution(size, kernel):
    height, width = (side + kernel - 1 for side in size)
    inputs = [random(2, 5, height, width), random(3, 5, kernel, kernel, seed=1), random(3, seed=2)]
    check(strided_conv, F.conv2d, inputs)


def test_the_results_are_channels_last():
    x = random(1, 4, 6, 6).contiguous(memory_format=torch.channels_last)
    for result in (upsampled_conv(x, random(3, 4, 3, 3)), strided_conv(x, random(3, 4, 3, 3), random(3))):
        assert result.is_contiguous(memory_format=torch.channels_last)
