"""The preview of a run: a row for each painting, a column for each photo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from train.arbitrary.transfer import AnyPaintingTransfer
from train.image_tensor import image_to_tensor, tensor_to_image
from train.loss.painting import Painting
from train.report.renewed_picture import RenewedPicture
from train.terminal import tell

_GAP = 8


class PaintingsSheet(RenewedPicture):
    """Paint the same photos in the same paintings through training, and write and log the sheet.

    Args:
        path: The picture, renewed in place.
        photos: RGB photos that training never sees, uint8 of shape (H, W, 3).
        paintings: The paintings.
        every_seconds: Time between two pictures.
    """

    def __init__(
        self,
        path: Path,
        photos: Sequence[NDArray[np.uint8]],
        paintings: Sequence[Painting],
        every_seconds: float,
    ) -> None:
        super().__init__(path, "val/paintings", every_seconds)
        self._photos, self._paintings = photos, paintings

    def renew_in_training(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Renew the picture."""
        assert isinstance(pl_module, AnyPaintingTransfer)
        self.renew(pl_module, trainer.global_step)

    @torch.no_grad()
    def renew(self, module: AnyPaintingTransfer, step: int) -> None:
        """Write and log the picture.

        Args:
            module: Whose network paints.
            step: The optimizer step, for the logger.
        """
        width = max(photo.shape[1] for photo in self._photos)
        height = max(photo.shape[0] for photo in self._photos)
        size = ((len(self._photos) + 1) * (width + _GAP), len(self._paintings) * (height + _GAP))
        sheet = Image.new("RGB", size, "white")
        for row, painting in enumerate(self._paintings):
            statistics = module.encoder(image_to_tensor(painting.at_measured_size).to(module.device))
            cells = [ImageOps.contain(Image.fromarray(painting.pixels), (width, height))]
            for photo in self._photos:
                painted = module(image_to_tensor(photo).to(module.device), statistics)
                cells.append(Image.fromarray(tensor_to_image(painted)))
            for column, cell in enumerate(cells):
                sheet.paste(cell, (column * (width + _GAP), row * (height + _GAP)))
        self.show(sheet, module.logger, step)
        tell("preview", path=str(self._path), step=step, photos=len(self._photos))
