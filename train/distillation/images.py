"""Images to distil the loss network on: photos, paintings, and stylised photos as training makes them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from train.generated.photo.image import GeneratedImage
from train.network.build import StyleNetwork, build_network
from train.network.shape import NETWORKS
from train.step.muon import Muon

_T = TypeVar("_T")

STYLE_SIDE = 160

# A group has crops of one size and one style: (side in pixels, number of crops).
_GROUP_SHAPES = ((128, 4), (128, 4), (192, 2))

# The longer side of the photos and paintings that crops are cut from; that of paintings varies in a range.
_PHOTO_SIZE = 400
_PAINTING_SIZES = (256, 576)

# A network in training is replaced after so many steps: training's optimizer takes some hundreds of steps to
# find what the student overlooks.
_LIFETIME = (100, 400)
_STEPS_A_ROUND = 10
_BATCH = 1

TrainingLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Takes stylised images, photos and the style, RGB in [0, 1], and returns the loss of each image."""


@dataclass(frozen=True)
class ImageGroup:
    """Images to compare, all RGB of shape (N, 3, H, W) in [0, 1].

    Attributes:
        stylized: The stylised images.
        content: The photos; N as well.
        style: The style; N is 1.
        style_weight: Weight of the style term.
    """

    stylized: Tensor
    content: Tensor
    style: Tensor
    style_weight: float


class DistillationImages:
    """An endless supply of images such as training shows to its loss network.

    Most are results of networks in training, with the student as their loss network: these networks find
    whatever the student overlooks, and the teacher corrects it.

    Args:
        photos: RGB, uint8 of shape (H, W, 3), each at least 200 px in both sides.
        paintings: Likewise.
        networks: Trained styles, which paint some of the images and start new networks.
        generated_share: Fraction of the crops that are cut from generated photos.
        usual_style_weight: The style weights vary around it.
        seed: Seed of all choices.
    """

    def __init__(
        self,
        photos: Sequence[NDArray[np.uint8]],
        paintings: Sequence[NDArray[np.uint8]],
        networks: Sequence[StyleNetwork],
        *,
        usual_style_weight: float,
        seed: int,
        generated_share: float = 0.0,
    ) -> None:
        self._photos = photos
        self._generated_share = generated_share
        self._generated = (GeneratedImage(seed, number) for number in itertools.count())
        self._paintings = paintings
        self._networks = [network.eval().requires_grad_(False) for network in networks]
        self._usual_style_weight = usual_style_weight
        self._random = np.random.default_rng(seed)
        self._live: StyleNetwork | None = None
        self._live_style = torch.empty(0)
        self._optimizer: torch.optim.Optimizer | None = None
        self._steps_left = 0

    def basis_images(self, count: int) -> list[Tensor]:
        """Return images, (1, 3, H, W), of the kinds that training compares: photos, styles, results."""
        kinds = (lambda: self._crops(1, 160), self.style, lambda: self._painted(self._crops(1, 160)))
        return [kinds[number % len(kinds)]() for number in range(count)]

    def solving_images(self, count: int) -> list[Tensor]:
        """Return images as `basis_images` does, but all of one size."""
        return [
            F.interpolate(image, size=(128, 128), mode="bilinear", antialias=True)
            for image in self.basis_images(count)
        ]

    def group(self, loss: TrainingLoss | None, recent: ImageGroup | None = None) -> ImageGroup:
        """Make a new group.

        Args:
            loss: The current student's loss, which trains networks and moves pixels; with None only images
                that need no training are made.
            recent: A group that the new one may start from.

        Returns:
            The images, without gradients, rounded to 256 levels.
        """
        side, count = _choose(self._random, _GROUP_SHAPES)
        kind = self._random.random()
        weight = self._usual_style_weight * 3 ** self._random.uniform(-1, 1)
        if loss is not None and kind < 0.1 and recent is not None:
            weight = recent.style_weight
            content, style = recent.content, recent.style
            stylized = self._descend(loss, recent)
        elif loss is not None and kind < 0.7:
            content = self._crops(count, side)
            stylized, style = self._from_live_network(loss, content)
        else:
            content, style = self._crops(count, side), self.style()
            stylized = self._still(content)
        return ImageGroup(_rounded(stylized), _rounded(content), _rounded(style), float(weight))

    def style(self) -> Tensor:
        """Return a style, (1, 3, 160, 160): usually a part of a painting, else a photo or a stylised one."""
        kind = self._random.random()
        if kind < 0.6:
            painting = _choose(self._random, self._paintings)
            size = int(self._random.integers(*_PAINTING_SIZES))
            style = self._crop(resize(painting, size), STYLE_SIDE)
        else:
            style = self._crops(1, STYLE_SIDE)
            if kind < 0.8:
                style = self._painted(style)
        # Other colours turn the few paintings into many.
        return self._recolored(style) if self._random.random() < 0.6 else style

    def _still(self, content: Tensor) -> Tensor:
        """Return images that need no training: photos painted by trained styles, paintings, noise, blends."""
        kind = self._random.random()
        if kind < 0.35:
            return self._painted(content)
        if kind < 0.6:
            share = float(self._random.uniform(0, 1))
            return content.lerp(self._painted(content), share)
        if kind < 0.75:
            styles = torch.cat([self.style() for _ in range(len(content))])
            side = content.shape[-1]
            return content.lerp(
                F.interpolate(styles, size=(side, side), mode="bilinear"), float(self._random.uniform(0.5, 1))
            )
        if kind < 0.85:
            return content
        # Noise of any coarseness, as networks make it in their first steps.
        coarse = max(2, content.shape[-1] >> int(self._random.integers(0, 5)))
        noise = torch.tensor(self._random.random((len(content), 3, coarse, coarse)), dtype=torch.float32)
        noise = F.interpolate(noise, size=content.shape[-2:], mode="bilinear")
        return content.lerp(noise, float(self._random.uniform(0.1, 1)))

    def _descend(self, loss: TrainingLoss, start: ImageGroup) -> Tensor:
        """Reduce the student's loss by moving the pixels, as direct optimisation does."""
        pixels = start.stylized.clone().requires_grad_()
        optimizer = torch.optim.Adam([pixels], lr=float(self._random.uniform(0.005, 0.03)))
        for _ in range(self._random.integers(4, 16)):
            optimizer.zero_grad()
            torch.autograd.backward(loss(pixels, start.content, start.style).sum())
            optimizer.step()
            with torch.no_grad():
                pixels.clamp_(0, 1)
        return pixels.detach()

    def _from_live_network(self, loss: TrainingLoss, content: Tensor) -> tuple[Tensor, Tensor]:
        """Train a network for some steps with the student; return photos that it paints, and its style."""
        if self._live is None or self._steps_left <= 0:
            # Half of them start from a trained style, as in the presets for CPUs, half from random weights.
            self._live = build_network(NETWORKS["wide"]).to(memory_format=torch.channels_last)
            if self._random.random() < 0.5:
                chosen = _choose(self._random, self._networks)
                self._live.load_state_dict(chosen.state_dict())
            self._optimizer = Muon(self._live.parameters(), 1e-3, by_adam=self._live.to_rgb.parameters())
            self._live_style = self.style()
            self._steps_left = int(self._random.integers(*_LIFETIME))
        assert self._optimizer is not None
        for _ in range(_STEPS_A_ROUND):
            photos = self._crops(_BATCH, 128)
            self._optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                painted = self._live(photos.contiguous(memory_format=torch.channels_last))
            torch.autograd.backward(loss(painted.float(), photos, self._live_style).mean())
            torch.nn.utils.clip_grad_norm_(self._live.parameters(), 10.0)
            self._optimizer.step()
        self._steps_left -= _STEPS_A_ROUND
        return _paint(self._live, content), self._live_style

    def _painted(self, content: Tensor) -> Tensor:
        return _paint(_choose(self._random, self._networks), content)

    def _crops(self, count: int, side: int) -> Tensor:
        crops = []
        for _ in range(count):
            photo = self._photo()
            size = max(side, int(min(photo.shape[:2]) * self._random.uniform(0.5, 1)))
            crop = self._crop(photo, size)
            crops.append(F.interpolate(crop, size=(side, side), mode="bilinear", antialias=True))
        batch = torch.cat(crops).clamp(0, 1)
        return self._recolored(batch) if self._random.random() < 0.2 else batch

    def _photo(self) -> NDArray[np.uint8]:
        if self._generated_share and self._random.random() < self._generated_share:
            return next(self._generated).pixels(_PHOTO_SIZE)
        return _choose(self._random, self._photos)

    def _crop(self, image: NDArray[np.uint8], side: int) -> Tensor:
        height, width = image.shape[:2]
        if min(height, width) < side:
            image = resize(image, -(-max(height, width) * side // min(height, width)))
            height, width = image.shape[:2]
        top, left = self._random.integers(height - side + 1), self._random.integers(width - side + 1)
        cut = image[top : top + side, left : left + side]
        if self._random.random() < 0.5:
            cut = cut[:, ::-1]
        return torch.tensor(cut.copy()).permute(2, 0, 1).unsqueeze(0).float() / 255

    def _recolored(self, image: Tensor) -> Tensor:
        """Mix the channels at random, and change brightness and contrast."""
        mix = torch.eye(3)[torch.tensor(self._random.permutation(3))]
        mix = mix.lerp(torch.tensor(self._random.dirichlet(np.ones(3), 3), dtype=torch.float32), 0.3)
        if self._random.random() < 0.2:
            image = 1 - image
        contrast, shift = self._random.uniform(0.6, 1.4), self._random.uniform(-0.15, 0.15)
        mixed = torch.einsum("ij,njhw->nihw", mix, image)
        return ((mixed - 0.5) * contrast + 0.5 + shift).clamp(0, 1)


def _choose(generator: np.random.Generator, among: Sequence[_T]) -> _T:
    return among[int(generator.integers(len(among)))]


def resize(image: NDArray[np.uint8], longer_side: int) -> NDArray[np.uint8]:
    """Resize an image, (H, W, 3), uint8, to the given longer side in pixels."""
    height, width = image.shape[:2]
    scale = longer_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


@torch.no_grad()
def _paint(network: StyleNetwork, content: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        painted: Tensor = network(content.contiguous(memory_format=torch.channels_last))
    return painted.float().clamp(0, 1)


def _rounded(image: Tensor) -> Tensor:
    return (image.detach() * 255).round() / 255
