import numpy as np
import torch

from tests.train.make_photos import make_pixels
from train.image_tensor import image_to_tensor, tensor_to_image


def test_images_and_tensors_convert_without_loss():
    pixels = make_pixels(13, 7)
    tensor = image_to_tensor(pixels)
    assert tensor.shape == (1, 3, 7, 13)
    assert (tensor.min() >= 0) & (tensor.max() <= 1)
    np.testing.assert_array_equal(tensor_to_image(tensor), pixels)
    assert tensor_to_image(torch.tensor([-1.0, 0.5, 2.0]).view(1, 3, 1, 1)).tolist() == [[[0, 128, 255]]]
