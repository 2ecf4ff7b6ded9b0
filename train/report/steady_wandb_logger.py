"""A wandb logger that never ends a training: the run goes on where its dashboard is lost."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

from lightning.pytorch.loggers import WandbLogger

from fastnst.terminal import one_line

log = logging.getLogger(__name__)


class SteadyWandbLogger(WandbLogger):
    """Log to wandb until its process is gone, such as killed for memory or by a signal to the whole job.

    The first failure is a warning, and nothing is logged after it. Opening the run may still raise. It takes
    what Lightning's logger takes.
    """

    _is_lost = False

    def log_metrics(self, *arguments: Any, **options: Any) -> None:
        """Log numbers; see Lightning."""
        self._attempt(super().log_metrics, *arguments, **options)

    def log_hyperparams(self, *arguments: Any, **options: Any) -> None:
        """Log options; see Lightning."""
        self._attempt(super().log_hyperparams, *arguments, **options)

    def log_image(self, *arguments: Any, **options: Any) -> None:
        """Log pictures; see Lightning."""
        self._attempt(super().log_image, *arguments, **options)

    def finish(self) -> None:
        """End the run on the dashboard, after what was logged is written."""
        self._attempt(lambda: self.experiment.finish())

    def _attempt(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        if self._is_lost:
            return
        _ = self.experiment  # which opens the run the first time
        try:
            function(*arguments, **options)
        except Exception as error:  # noqa: BLE001 - whatever wandb raises, the training is worth more
            self._is_lost = True
            reason = one_line(error) or type(error).__name__
            log.warning("wandb is lost (%s): nothing more goes to the dashboard", reason)
            _forget_wandb()


def _forget_wandb() -> None:
    # It would fail once more at the end of this process, with a traceback.
    import wandb

    with contextlib.suppress(Exception):
        wandb.teardown()
