import pytest
import torch
import torch.nn.functional as F

from tests.train.compare_functions import assert_same_function, random
from train.network.subpixel_conv import subpixel_conv


@pytest.mark.parametrize("kernel", [3, 9])
@pytest.mark.parametrize("size", [(2, 2), (4, 6), (10, 8)])
def test_it_is_the_convolution(size, kernel):
    height, width = (side + kernel - 1 for side in size)
    inputs = [random(2, 5, height, width), random(3, 5, kernel, kernel, seed=1), random(3, seed=2)]
    assert_same_function(subpixel_conv, F.conv2d, inputs)


def test_the_result_is_channels_last():
    x = random(1, 4, 6, 6).contiguous(memory_format=torch.channels_last)
    result = subpixel_conv(x, random(3, 4, 3, 3), random(3))
    assert result.is_contiguous(memory_format=torch.channels_last)
