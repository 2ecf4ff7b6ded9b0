import pytest
import torch
import torch.nn.functional as F

from tests.train.compare_functions import assert_same_function, random
from train.upsampled_conv import upsampled_conv


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 7), (8, 8)])
def test_it_is_resize_pad_and_convolution(size):
    def plain(x, weight):
        enlarged = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return F.conv2d(F.pad(enlarged, (1, 1, 1, 1), mode="replicate"), weight)

    assert_same_function(upsampled_conv, plain, [random(2, 3, *size), random(4, 3, 3, 3, seed=1)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_result_is_channels_last(dtype):
    x = random(1, 4, 6, 6).to(dtype).contiguous(memory_format=torch.channels_last)
    result = upsampled_conv(x, random(3, 4, 3, 3).to(dtype))
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert result.dtype == dtype
