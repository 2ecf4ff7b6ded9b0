"""The network of a style file, with pre- and post-processing: bytes of an image in, bytes out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.network.build import StyleNetwork


class DeployableNetwork(nn.Module):
    """Stylise images as they lie in memory: programs that run the file need no pre- or post-processing.

    The steps have the order of the ONNX graph. ONNX Runtime's GPU kernels for browsers do not support bytes:
    these come first and last, and the rest stays on the GPU. They do not support Round either, which would
    move the whole picture to the CPU and back, but they do support Floor.

    Args:
        network: The trained network.
    """

    def __init__(self, network: StyleNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Return the stylised images.

        Args:
            image: RGB images of shape (N, H, W, 3), uint8, of any size from 1x1.

        Returns:
            RGB images of the same shape, uint8, rounded to the nearest level, ties up.
        """
        return as_bytes(self.network(as_numbers(image)))


def as_numbers(image: Tensor) -> Tensor:
    """Return images of shape (N, H, W, 3), uint8, as float32 of shape (N, 3, H, W) in [0, 1]."""
    return image.to(torch.float32).permute(0, 3, 1, 2) / 255


def as_bytes(stylized: Tensor) -> Tensor:
    """Return images of shape (N, 3, H, W) in [0, 1] as uint8 of shape (N, H, W, 3)."""
    levels = (stylized * 255).clamp(0, 255).permute(0, 2, 3, 1)  # (N, H, W, 3) in [0, 255]
    return (levels + 0.5).floor().to(torch.uint8)
