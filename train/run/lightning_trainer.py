"""Lightning's Trainer as every training here uses it: made of the options, and run to its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from fastnst.errors import FastnstError
from train.config import TrainingConfig
from train.machine.free_cores import ThreadBalance
from train.machine.out_of_memory import advise_on_memory
from train.machine.stop_signal import StoppedWaiting
from train.photos.data_module import PhotoDataModule
from train.run.saving import AtomicCheckpointIO, RollingCheckpoint
from train.run.shared_processor import SharedProcessor
from train.step.network_training import NetworkTraining

# Arguments of Lightning's Trainer that a run's length, its clipping and its resuming depend on.
_OWNED_TRAINER_OPTIONS = {
    "accelerator",
    "callbacks",
    "devices",
    "enable_model_summary",
    "log_every_n_steps",
    "logger",
    "max_epochs",
    "num_nodes",
    "num_sanity_val_steps",
    "plugins",
    "precision",
    "strategy",
    "accumulate_grad_batches",
    "fast_dev_run",
    "gradient_clip_val",
    "limit_train_batches",
    "max_steps",
    "max_time",
    "min_epochs",
    "min_steps",
    "overfit_batches",
    "reload_dataloaders_every_n_epochs",
}


def check_trainer_options(config: TrainingConfig) -> None:
    """Raise FastnstError if `--trainer` has an option that fastnst sets itself."""
    for option in config.trainer:
        if option in _OWNED_TRAINER_OPTIONS:
            raise FastnstError(f"--trainer.{option} is set by fastnst's own options (see --help)")


def make_trainer(
    config: TrainingConfig, device: str, precision: str, callbacks: list[Callback]
) -> pl.Trainer:
    """Return the trainer that the options describe.

    Args:
        config: The run's options.
        device: Lightning's name of the accelerator.
        precision: Lightning's name of the arithmetic.
        callbacks: What watches the training.

    Raises:
        FastnstError: If Lightning refuses an option.
    """
    options: dict[str, Any] = {
        "accelerator": device,
        "devices": config.devices,
        "num_nodes": config.num_nodes,
        "strategy": config.strategy,
        "precision": precision,
        "max_epochs": -1,
        "logger": False,
        "callbacks": callbacks,
        "plugins": [AtomicCheckpointIO()],
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "log_every_n_steps": config.log_every,
        # Crops keep their size for many steps, so cuDNN's search for the fastest kernels pays.
        "benchmark": True,
    }
    if device == "cpu":
        options["callbacks"] = [*callbacks, SharedProcessor(ThreadBalance())]
        if config.devices == "auto":
            options["devices"] = 1
    try:
        return pl.Trainer(**(options | config.trainer))
    except (TypeError, ValueError, RuntimeError, MisconfigurationException) as error:
        raise FastnstError(f"Lightning cannot train like this: {' '.join(str(error).split())}") from error


def fit(
    trainer: pl.Trainer,
    module: NetworkTraining,
    data: PhotoDataModule,
    checkpoint: Path | None,
    rolling: RollingCheckpoint,
) -> None:
    """Train to the last step or until interrupted, from the checkpoint if there is one.

    Raises:
        FastnstError: If training diverges, or the memory does not suffice.
        KeyboardInterrupt: If it is interrupted twice.
    """
    try:
        with advise_on_memory(
            ("--batch-size", module.config.batch_size),
            ("--image-size", module.config.image_size),
            then="with --fresh, since they change the run",
        ):
            trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    except StoppedWaiting:  # the last whole step is saved
        return
    except SystemExit:
        if rolling.interrupted:  # a second Ctrl-C: Lightning exits at once
            raise KeyboardInterrupt from None
        raise
    except RuntimeError as error:
        if rolling.interrupted:  # a signal to all processes also ended those that decode photos
            return
        if "DataLoader worker" in str(error):
            raise FastnstError(
                "a process that decodes photos was killed, most often for lack of shared memory: try "
                "--workers 0"
            ) from error
        raise
