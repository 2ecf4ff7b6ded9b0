"""The base of all loss networks: frozen weights, named layers, images in [0, 1]."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from train.network.border_pad import border_pad


class LossNetwork(ABC):
    """Activations of a frozen network by which images are compared.

    It is deliberately not an `nn.Module`: as a submodule of the model it would add 500 MB to every
    checkpoint. It takes images in [0, 1] and normalises them itself.

    Args:
        architecture: The name that `--loss-network` takes.
        layers: The layers that will be asked for, such as `relu3_3`.
        licence: The licence of the weights.
        mean: Subtracted from the images, RGB.
        std: Then divides them, RGB.
        weights: Kernels and biases by their names.
        mirrored: Whether convolutions mirror what they see at the borders, instead of padding with zeros.
            Zeros look like grey, so a style that is trained against them paints a grey frame: at a quarter of
            the size, they reach 180 pixels into the picture. The measures pad with zeros, as all others do.

    Attributes:
        architecture: As given.
        layers: As given, each once.
        licence: As given.
        mirrored: As given.
    """

    def __init__(
        self,
        architecture: str,
        layers: Iterable[str],
        *,
        licence: str,
        mean: Sequence[float],
        std: Sequence[float],
        weights: Mapping[str, Tensor],
        mirrored: bool = False,
    ) -> None:
        self.architecture = architecture
        self.licence = licence
        self.mirrored = mirrored
        self.layers = tuple(dict.fromkeys(layers))
        self._mean = torch.tensor(mean).view(1, 3, 1, 1)
        self._std = torch.tensor(std).view(1, 3, 1, 1)
        self._weights = {name: _frozen(weight) for name, weight in weights.items()}
        self._rounded: dict[torch.dtype, dict[str, Tensor]] = {}

    @property
    def device(self) -> torch.device:
        """Where the weights are, and the images must be."""
        return self._mean.device

    def to(self, device: torch.device | str) -> LossNetwork:
        """Move the weights to `device`, in place.

        Args:
            device: Where the images will be.

        Returns:
            This object.
        """
        self._mean, self._std = self._mean.to(device), self._std.to(device)
        self._weights = {name: weight.to(device) for name, weight in self._weights.items()}
        self._rounded.clear()
        return self

    def __call__(self, image: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Return the activations of images at the named layers, running no layer past the deepest one.

        Args:
            image: RGB images of shape (N, 3, H, W), in [0, 1]. Any size from 1x1: an image too small to be
                pooled is not.
            layers: Some of the layers given at construction; all of them by default.

        Returns:
            Activations of shape (N, C, H', W') by layer.

        Raises:
            KeyError: If a layer was not named at construction.
        """
        wanted = set(self.layers if layers is None else layers)
        if not wanted <= set(self.layers):
            raise KeyError(f"{sorted(wanted - set(self.layers))} not among {self.layers}")
        # Normalised in float32: in half precision the Caffe range would lose its low bits.
        x = (image.float() - self._mean) / self._std
        weights = self._weights
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
            weights = self._weights_as(x.dtype)
        return self._activations(x, weights, wanted)

    @abstractmethod
    def _activations(
        self, x: Tensor, weights: Mapping[str, Tensor], wanted: Collection[str]
    ) -> dict[str, Tensor]:
        """Return the wanted layers' activations of normalised images, with weights of their precision."""

    def _weights_as(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """Return the weights in another precision, kept because autocast would convert them in each step."""
        if dtype not in self._rounded:
            self._rounded[dtype] = {name: weight.to(dtype) for name, weight in self._weights.items()}
        return self._rounded[dtype]


def same_convolution(x: Tensor, weight: Tensor, bias: Tensor, *, mirrored: bool) -> Tensor:
    """Convolve with 3x3 kernels, keeping the size.

    Args:
        x: Activations of shape (N, C, H, W).
        weight: Kernels of shape (C', C, 3, 3).
        bias: Shape (C',).
        mirrored: Whether the border is mirrored or, as where a side is 1, padded with zeros.

    Returns:
        Shape (N, C', H, W).
    """
    if mirrored and min(x.shape[-2:]) > 1:
        return F.conv2d(border_pad(x, 1, "reflect"), weight, bias)
    return F.conv2d(x, weight, bias, padding=1)


def _frozen(weight: Tensor) -> Tensor:
    weight = weight.detach().float()
    # Activations follow the channels-last layout of the kernels, which is fast on all devices with matrix
    # units.
    return weight.contiguous(memory_format=torch.channels_last) if weight.ndim == 4 else weight
