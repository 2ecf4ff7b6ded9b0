import pytest
import torch
import torch.nn.functional as F

from tests.train.compare_functions import assert_same_function, random
from train.network.upsampled_conv import upsampled_conv


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 7), (8, 8)])
def test_it_is_resize_pad_and_convolution(size):
    def plain(x, weight):
        enlarged = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return F.conv2d(F.pad(enlarged, (1, 1, 1, 1), mode="replicate"), weight)

    assert_same_function(upsampled_conv, plain, [random(2, 3, *size), random(4, 3, 3, 3, seed=1)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_float32_and_bfloat16_are_near_it_and_channels_last(dtype):
    x, weight = random(1, 4, 6, 6).to(dtype), random(3, 4, 3, 3, seed=1).to(dtype)
    result = upsampled_conv(x.contiguous(memory_format=torch.channels_last), weight)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert result.dtype == dtype
    expected = upsampled_conv(x.double(), weight.double())
    step = torch.finfo(dtype).eps
    torch.testing.assert_close(result.double(), expected, rtol=0, atol=4 * step * float(expected.abs().max()))
