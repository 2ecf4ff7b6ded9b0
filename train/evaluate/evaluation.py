"""Judging a style file: C and S3, artefacts, and how long direct optimisation takes to be as good."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fastnst.model import keys
from fastnst.stylizer import Stylizer
from train.config import DEFAULT_STYLE_WEIGHT, LEAST_SIZE, MOST_SIZE, TrainingConfig
from train.evaluate.artefacts import Artefacts, measure_artefacts
from train.evaluate.grid import compose_grid
from train.evaluate.quality import (
    CONTENT_LAYERS,
    STYLE_LAYERS,
    load_quality_features,
    measure_quality,
)
from train.image_tensor import image_to_tensor, tensor_to_image
from train.loss.loss_network import LossNetwork
from train.loss.painting import load_painting
from train.loss.perceptual_loss import PerceptualLoss
from train.machine.out_of_memory import advise_on_memory
from train.machine.precision import resolve_accelerator
from train.network.record import Quality
from train.optimize.pixels import steps_to_reach
from train.photos.photo import whole_images
from train.photos.sources import photos_to_judge
from train.terminal import say_once

DIRECT_SIZE = 256

# The greatest weight that a foreign model may state: with larger ones float32 loses the smaller terms.
_MOST_WEIGHT = 1e6
_MOST_PHOTOS = 10_000

_PHOTOS_IN_A_ROW = 4
_MOST_ROWS = 4  # JPEG and the memory hold so many at the largest size


@dataclass(frozen=True)
class Request:
    """A style to judge, and the photos to judge it on.

    Attributes:
        model: The style: a file or a name.
        style: The painting: an image file.
        data: Photos: a folder, or a data set of the hub.
        photos: How many of them.
        size: Their longer side in pixels.
        style_size: Longer side of the painting in pixels; None for the size that the style was trained at.
        quality_weights: A VGG-19 file to use instead of the download.
        direct_steps: Most steps of direct optimisation; 0 for none.
        direct_photos: Number of photos for direct optimisation.
        device: Device of the loss network: `auto`, `cpu`, `cuda` or `mps`. The style runs on the CPU with
            `cpu`, otherwise on a GPU if ONNX Runtime finds one.
    """

    model: str
    style: Path
    data: str
    photos: int = 8
    size: int = 512
    style_size: int | None = None
    quality_weights: Path | None = None
    direct_steps: int = 0
    direct_photos: int = 2
    device: str = "auto"


@dataclass(frozen=True)
class DirectOptimization:
    """A style compared with optimising the pixels of each photo for the same loss.

    Attributes:
        size: Longer side of the photos in pixels.
        most: Most steps tried.
        losses: The style's loss on each photo.
        steps: Steps that direct optimisation took to reach that loss on each photo; None if it did not.
    """

    size: int
    most: int
    losses: list[float]
    steps: list[int | None]


@dataclass(frozen=True)
class Evaluation:
    """The result of judging a style.

    Attributes:
        model: The style file.
        megabytes: Its size.
        style_size: Longer side of the painting in pixels.
        quality: C and S3.
        photo_quality: C and S3 of the photos themselves, for reference: C is 0.
        artefacts: What spoils the stylised photos.
        photo_artefacts: The same measures of the photos themselves, for reference.
        direct: The comparison with direct optimisation, if asked for.
        picture: The painting, the photos and what the style makes of them.
    """

    model: Path
    megabytes: float
    style_size: int
    quality: Quality
    photo_quality: Quality
    artefacts: Artefacts
    photo_artefacts: Artefacts
    direct: DirectOptimization | None
    picture: Image.Image

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the picture as plain Python values."""
        return {
            "model": str(self.model),
            "megabytes": self.megabytes,
            "style_size": self.style_size,
            **{
                name: dataclasses.asdict(getattr(self, name))
                for name in ("quality", "photo_quality", "artefacts", "photo_artefacts")
            },
            "direct": None if self.direct is None else dataclasses.asdict(self.direct),
        }


def evaluate(request: Request) -> Evaluation:
    """Judge a style.

    Args:
        request: The style and the photos.

    Returns:
        The numbers and the picture; nothing is written.

    Raises:
        FastnstError: If anything that the request names is missing or damaged, or does not work.
    """
    stylizer = Stylizer(request.model, device="cpu" if request.device == "cpu" else "auto")
    style_size = request.style_size or _trained_style_size(stylizer.metadata)
    with advise_on_memory(("--size", request.size), ("--style-size", style_size)):
        return _evaluate(request, stylizer, style_size)


def _evaluate(request: Request, stylizer: Stylizer, style_size: int) -> Evaluation:
    style = load_painting(request.style, style_size)
    if stylizer.metadata.get(keys.STYLE_SHA256, style.sha256) != style.sha256:
        say_once(f"{request.style} is not the file that {stylizer.name} was trained on")
    device = torch.device(resolve_accelerator(request.device))
    photos = photos_to_judge(request.data, request.photos, _held_out_photos(stylizer.metadata))
    say_once("reading the weights of the loss network")
    features = load_quality_features(request.quality_weights).to(device)
    images = whole_images(photos, request.size)
    painted = [stylizer(image) for image in images]

    def paint(photo: Tensor) -> Tensor:
        return image_to_tensor(stylizer(tensor_to_image(photo))).to(device)

    def tell(done: int) -> None:
        say_once(f"measuring photo {done + 1} of {len(images)}")

    quality = measure_quality(paint, images, style, features, tell)
    say_once("measuring the photos themselves, for reference")
    photo_quality = measure_quality(lambda photo: photo, images, style, features)
    direct = None
    if request.direct_steps:
        painting = style.to_tensor().to(device)
        loss = _trained_loss(stylizer.metadata, painting, features).to(device)
        small = whole_images(photos[: request.direct_photos], DIRECT_SIZE)
        direct = _optimize(stylizer, loss, small, request.direct_steps, device)
    return Evaluation(
        model=stylizer.path,
        megabytes=stylizer.path.stat().st_size / 1e6,
        style_size=max(style.pixels.shape[:2]),
        quality=quality,
        photo_quality=photo_quality,
        artefacts=measure_artefacts(painted, images, style.pixels),
        photo_artefacts=measure_artefacts(images, images, style.pixels),
        direct=direct,
        picture=_picture(style.pixels, images, painted),
    )


def _optimize(
    stylizer: Stylizer,
    loss: PerceptualLoss,
    images: Sequence[NDArray[np.uint8]],
    most: int,
    device: torch.device,
) -> DirectOptimization:
    losses, steps = [], []
    for number, image in enumerate(images, start=1):
        say_once(f"optimising the pixels of photo {number} of {len(images)}, at most {most} steps")
        content = image_to_tensor(image).to(device)
        with torch.no_grad():
            target = loss(image_to_tensor(stylizer(image)).to(device), content).total.item()
        losses.append(target)
        steps.append(steps_to_reach(loss, content, target, most=most))
    return DirectOptimization(DIRECT_SIZE, most, losses, steps)


def _trained_loss(metadata: Mapping[str, str], painting: Tensor, features: LossNetwork) -> PerceptualLoss:
    """Return the loss with the weights that trained the style, on the layers of the measure.

    These layers are the same for every style, whatever loss network trained it, and weigh the same.
    """
    defaults = {
        "content_weight": TrainingConfig.content_weight,
        "style_weight": DEFAULT_STYLE_WEIGHT,
        "tv_weight": TrainingConfig.tv_weight,
        "repetition_weight": 0.0,  # styles that do not state it were trained without this term
    }
    weights: dict[str, Any] = {
        name: _stated_number(metadata, f"training.{name}", default, least=0.0, most=_MOST_WEIGHT)
        for name, default in defaults.items()
    }
    return PerceptualLoss(
        features, painting, content_layers=CONTENT_LAYERS, style_layers=STYLE_LAYERS, **weights
    )


def _held_out_photos(metadata: Mapping[str, str]) -> int:
    """Return how many photos training held out: as many as it measured the style on, if the model says."""
    default = TrainingConfig.validation_photos
    return int(_stated_number(metadata, keys.MEASURED_PHOTOS, default, least=1, most=_MOST_PHOTOS))


def _trained_style_size(metadata: Mapping[str, str]) -> int:
    default = TrainingConfig.style_size
    return int(_stated_number(metadata, keys.TRAINING_STYLE_SIZE, default, least=LEAST_SIZE, most=MOST_SIZE))


def _stated_number(
    metadata: Mapping[str, str], key: str, default: float, *, least: float, most: float
) -> float:
    """Return a number of a model's metadata, or the default if it states none within the limits.

    Models made elsewhere may state anything.
    """
    try:
        value = float(metadata[key])
    except (KeyError, ValueError):
        return default
    return value if least <= value <= most else default


def _picture(
    painting: NDArray[np.uint8], images: Sequence[NDArray[np.uint8]], painted: Sequence[NDArray[np.uint8]]
) -> Image.Image:
    """Lay out rows of a few photos each, at the photos' full size."""
    starts = range(0, min(len(images), _MOST_ROWS * _PHOTOS_IN_A_ROW), _PHOTOS_IN_A_ROW)
    rows = [
        compose_grid(painting, *(some[start : start + _PHOTOS_IN_A_ROW] for some in (images, painted)))
        for start in starts
    ]
    picture = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        picture.paste(row, (0, top))
        top += row.height
    return picture
