"""A picture that a run renews while it trains: when it is due, written whole, and sent to the dashboard."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.fabric.loggers import Logger
from lightning.pytorch.callbacks import Callback
from PIL import Image

from fastnst.atomic_write import atomic_write
from train.report.tracking import log_picture

log = logging.getLogger(__name__)


class RenewedPicture(Callback):
    """Renew a picture every so many seconds, in the first process.

    Args:
        path: The picture, renewed in place.
        key: Its name on the dashboard.
        every_seconds: Time between two pictures.
    """

    def __init__(self, path: Path, key: str, every_seconds: float) -> None:
        self._path, self._key, self._every = path, key, every_seconds
        self._last = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._last = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Renew the picture when it is time."""
        if trainer.is_global_zero and time.monotonic() - self._last >= self._every:
            self.renew_in_training(trainer, pl_module)
            self._last = time.monotonic()

    @abstractmethod
    def renew_in_training(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the picture, and show it."""

    def show(self, picture: Image.Image, logger: Logger | None, step: int) -> None:
        """Write the picture and log it; a picture that cannot be written is no reason to end a run.

        Args:
            picture: RGB.
            logger: The run's logger.
            step: The optimizer step.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self._path) as temporary:
                picture.save(temporary)
        except OSError as error:
            log.warning("cannot write the preview %s: %s", self._path, error.strerror or error)
        log_picture(logger, self._key, picture, step)
