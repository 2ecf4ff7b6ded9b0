"""The preview of a run: the painting, some photos, and the stylised photos."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.fabric.loggers import Logger
from numpy.typing import NDArray

from fastnst.errors import FastnstError
from train.evaluate.grid import compose_grid
from train.image_tensor import image_to_tensor, tensor_to_image
from train.machine.precision import computing_in
from train.report.first_look import FirstLook
from train.report.metrics import loss_metrics
from train.report.renewed_picture import RenewedPicture
from train.step.style_transfer import StyleTransfer
from train.terminal import tell

log = logging.getLogger(__name__)

PREVIEW_PHOTOS = 4
"""How many photos the picture shows."""
PREVIEW_SIZE = 320
"""Longer side of the photos in pixels, while training goes on."""


class PreviewGrid(RenewedPicture):
    """Stylise the same photos through training, and write and log the grid.

    Args:
        path: The picture, renewed in place.
        photos: RGB photos that training never sees, uint8 of shape (H, W, 3).
        every_seconds: Time between two pictures.

    Attributes:
        photos: The photos; they may be exchanged.
    """

    def __init__(self, path: Path, photos: Sequence[NDArray[np.uint8]], every_seconds: float) -> None:
        super().__init__(path, "val/preview", every_seconds)
        self.photos = photos

    def renew_in_training(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Renew the picture, and log the losses on its photos."""
        assert isinstance(pl_module, StyleTransfer)
        metrics = self.renew(pl_module, trainer.global_step)
        for logger in trainer.loggers:
            logger.log_metrics(metrics, trainer.global_step)
        if not tell("preview", path=str(self._path), step=trainer.global_step, photos=len(self.photos)):
            pl_module.print(f"preview: {self._path} (step {trainer.global_step})")

    @torch.no_grad()
    def renew(self, module: StyleTransfer, step: int) -> dict[str, float]:
        """Write and log the picture.

        Args:
            module: Whose network paints.
            step: The optimizer step, for the logger.

        Returns:
            The loss on these photos, its terms as means over them, by their names on the dashboard.
        """
        stylized = []
        metrics: dict[str, float] = {}
        for photo in self.photos:
            content = image_to_tensor(photo).to(module.device)
            # In float32, as the exported style paints it.
            found = module(content)
            with computing_in(module.precision, module.device.type):
                losses = module.loss(found, content)
            for key, value in loss_metrics(losses, "val").items():
                metrics[key] = metrics.get(key, 0.0) + value / len(self.photos)
            stylized.append(tensor_to_image(found))
        self.show(compose_grid(module.style.pixels, self.photos, stylized), module.logger, step)
        return metrics

    def show_first_look(self, module: StyleTransfer, look: FirstLook, logger: Logger | None) -> None:
        """Write and log what the network for any painting gives at once, before training has begun.

        Args:
            module: The run.
            look: Paints the photos of this preview.
            logger: Gets the picture, as step 0.
        """
        try:
            painted = look.pictures()
        except FastnstError as error:  # no reason to end a run
            log.warning("no first look: %s", error)
            return
        self.show(compose_grid(module.style.pixels, self.photos, painted), logger, 0)
        if not tell("preview", path=str(self._path), step=0, photos=len(self.photos)):
            log.info("first look, before any training: %s", self._path)
