"""A training loop as tutorials write it, the baseline of `bench.train`.

It is eager float32 in PyTorch's default layout. Pillow opens, decodes and crops in the loop, the loss network
runs to its deepest layer for both images, and the style's Gram matrices are repeated for each image of the
batch. It shares no code with `train`: a change there cannot move the baseline.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import count

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

_STYLE_WEIGHT = 10.0


def plain_steps(
    paths: Sequence[str],
    style: Tensor,
    vgg_state: Mapping[str, Tensor],
    layers: Mapping[int, str],
    *,
    content_layer: str,
    style_layers: Sequence[str],
    image_size: int,
    batch_size: int,
    device: torch.device,
) -> Callable[[], None]:
    """Return a function that does one optimizer step.

    Args:
        paths: Files of photos.
        style: The painting, float32 (1, 3, H, W) in [0, 1].
        vgg_state: Weights by torchvision's names, such as `features.0.weight`.
        layers: The names of the loss's layers by the index of their convolution in `features`.
        content_layer: The layer whose activations are compared.
        style_layers: The layers whose Gram matrices are compared.
        image_size: Side of the crops in pixels.
        batch_size: Crops per step.
        device: Where to train.

    Returns:
        The function. It returns after the device has finished.
    """
    network = _network().to(device)
    vgg = _Vgg(vgg_state, layers).to(device)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    with torch.no_grad():
        painted = vgg(_normalize(style.to(device).repeat(batch_size, 1, 1, 1)))
        targets = {layer: _gram(painted[layer]) for layer in style_layers}
    order = (path for _ in count() for path in random.sample(paths, len(paths)))

    def step() -> None:
        batch = [_crop(next(order), image_size) for _ in range(batch_size)]
        content = torch.stack(batch).to(device)
        optimizer.zero_grad()
        stylized = network(content)
        found, wanted = vgg(_normalize(stylized)), vgg(_normalize(content))
        loss = F.mse_loss(found[content_layer], wanted[content_layer])
        for layer in style_layers:
            loss = loss + _STYLE_WEIGHT * F.mse_loss(_gram(found[layer]), targets[layer])
        torch.autograd.backward(loss)
        optimizer.step()
        loss.item()

    return step


def _crop(path: str, size: int) -> Tensor:
    image = Image.open(path).convert("RGB")
    side = random.randint(min(image.size) // 2, min(image.size))
    left, top = random.randint(0, image.width - side), random.randint(0, image.height - side)
    image = image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def _normalize(image: Tensor) -> Tensor:
    mean = image.new_tensor([0.485, 0.456, 0.406]).view(-1, 1, 1)
    std = image.new_tensor([0.229, 0.224, 0.225]).view(-1, 1, 1)
    return (image - mean) / std


def _gram(features: Tensor) -> Tensor:
    count, channels, height, width = features.shape
    flat = features.view(count, channels, height * width)
    return flat.bmm(flat.transpose(1, 2)) / (channels * height * width)


class _Vgg(nn.Module):
    def __init__(self, state: Mapping[str, Tensor], layers: Mapping[int, str]) -> None:
        super().__init__()
        self.names = layers
        self.convolutions = nn.ModuleDict()
        self.pooled = set()
        indices = [index for index in range(max(layers) + 1) if f"features.{index}.weight" in state]
        for before, index in zip([0, *indices], indices, strict=False):
            weight, bias = state[f"features.{index}.weight"], state[f"features.{index}.bias"]
            convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            convolution.load_state_dict({"weight": weight, "bias": bias})
            self.convolutions[str(index)] = convolution
            if index - before > 2:  # a ReLU and a pooling layer stand between them, not a ReLU alone
                self.pooled.add(str(index))
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found = {}
        for index, convolution in self.convolutions.items():
            if index in self.pooled:
                x = F.max_pool2d(x, 2)
            x = F.relu(convolution(x))
            if int(index) in self.names:
                found[self.names[int(index)]] = x
        return found


def _network() -> nn.Module:
    """Return Johnson's network with instance norm and resize-convolutions, built from PyTorch's modules."""

    def block(i: int, o: int, kernel: int, stride: int = 1) -> list[nn.Module]:
        pad = nn.ReflectionPad2d(kernel // 2)
        return [pad, nn.Conv2d(i, o, kernel, stride), nn.InstanceNorm2d(o, affine=True), nn.ReLU()]

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(*block(128, 128, 3), *block(128, 128, 3)[:-1])

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = x + self.layers(x)
            return result

    return nn.Sequential(
        *block(3, 32, 9),
        *block(32, 64, 3, 2),
        *block(64, 128, 3, 2),
        *(Residual() for _ in range(5)),
        nn.Upsample(scale_factor=2),
        *block(128, 64, 3),
        nn.Upsample(scale_factor=2),
        *block(64, 32, 3),
        nn.ReflectionPad2d(4),
        nn.Conv2d(32, 3, 9),
        nn.Sigmoid(),
    )
