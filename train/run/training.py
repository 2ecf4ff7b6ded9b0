"""The training of a run, from the settled options to the last step or an interruption."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import Logger

from fastnst.errors import FastnstError
from train.config import GENERATED_DATA, TrainingConfig
from train.machine.stop_signal import StopSignal
from train.network.checkpoint import StyleCheckpoint
from train.photos.data_module import PhotoDataModule
from train.report.metrics import MetricsLogging
from train.report.preview import PreviewGrid
from train.report.progress import TrainingProgress, tell_interrupted, tell_started
from train.report.tracking import describe_logger, make_logger, run_identity
from train.run.lightning_trainer import fit, make_trainer
from train.run.saving import RollingCheckpoint
from train.run.settle import SettledRun
from train.step.style_transfer import StyleTransfer
from train.terminal import say_once


@dataclass(frozen=True)
class TrainedRun:
    """A run whose training has ended.

    Attributes:
        trainer: Lightning's trainer.
        module: The network with its loss.
        preview: The preview picture.
        rolling: The checkpoint file.
        logger: Where the curves go, if anywhere.
        interrupted: Whether a signal ended the training before its last step.
    """

    trainer: pl.Trainer
    module: StyleTransfer
    preview: PreviewGrid
    rolling: RollingCheckpoint
    logger: Logger | None
    interrupted: bool


def train(settled: SettledRun) -> TrainedRun:
    """Train to the last step, or until a signal interrupts it.

    Args:
        settled: The run.

    Returns:
        The trained network and what was built around it.

    Raises:
        FastnstError: If Lightning refuses an option, training diverges, or the memory does not suffice.
        KeyboardInterrupt: If it is interrupted twice.
    """
    config, previous = settled.config, settled.previous
    pl.seed_everything(config.seed, verbose=False)
    stop = StopSignal()
    rolling = RollingCheckpoint(
        config.checkpoint_path, config.checkpoint_seconds, resumed=previous is not None, stop=stop
    )
    preview = PreviewGrid(config.preview_path, settled.shown, config.preview_seconds)
    callbacks = [TrainingProgress(), MetricsLogging(config.log_every), preview, rolling]
    trainer = make_trainer(config, settled.device, settled.precision, callbacks)
    crops_per_step = config.batch_size * trainer.world_size
    max_steps = math.ceil(config.images / crops_per_step)
    trainer.fit_loop.epoch_loop.max_steps = max_steps  # only the trainer knew how many devices there are
    _check_world_size(previous, trainer.world_size)
    module = StyleTransfer(
        config,
        settled.painting,
        settled.loss,
        max_steps,
        settled.precision,
        start=settled.start,
        teacher=settled.teacher,
    )
    data = PhotoDataModule(
        settled.photos,
        batch_size=config.batch_size,
        schedule=module.schedule,
        crop_scale=config.crop_scale,
        seed=config.seed,
        workers=_workers(config, settled.device, trainer.num_devices),
        cache_gb=config.cache_gb,
        stop=stop,
    )
    logger = _open_logger(config, previous)
    if logger is not None:
        trainer.loggers = [logger]
    module.tracking_run = run_identity(logger)
    say_once(
        f"{config.style_name}: {max_steps * crops_per_step:,} crops of {config.image_size} px"
        f"{_generated_part(config)}, {crops_per_step} a step, preset {settled.preset}, "
        f"{config.loss_network}, {_describe_device(settled.device)}, {settled.precision}"
    )
    tell_started(
        config,
        step=0 if previous is None else previous.steps,
        steps=max_steps,
        crops_per_step=crops_per_step,
        preset=settled.preset,
        device=settled.device,
        precision=settled.precision,
    )
    say_once(describe_logger(logger))
    if settled.first_look is not None:
        preview.show_first_look(module, settled.first_look, logger)
    if previous is not None:
        say_once(f"going on from {previous.path} at step {previous.steps} of {max_steps}")
    say_once("reading the first photos")
    fit(trainer, module, data, None if previous is None else previous.path, rolling)
    interrupted = rolling.interrupted and trainer.global_step < max_steps
    if interrupted:
        _say_interrupted(config, rolling)
    return TrainedRun(trainer, module, preview, rolling, logger, interrupted)


def _open_logger(config: TrainingConfig, previous: StyleCheckpoint | None) -> Logger | None:
    if previous is None:
        return make_logger(config, {})
    return make_logger(config, previous.record.tracking_run, previous.steps)


def _say_interrupted(config: TrainingConfig, rolling: RollingCheckpoint) -> None:
    if tell_interrupted(config.checkpoint_path if rolling.saved else None):
        return
    if not rolling.saved:
        say_once("interrupted before the first checkpoint")
        return
    command = "the same command without FRESH=1 (--fresh)" if config.fresh else "the same command"
    say_once(f"interrupted: {config.checkpoint_path} is saved; {command} goes on from there")


def _check_world_size(previous: StyleCheckpoint | None, world_size: int) -> None:
    if previous is not None and previous.record.world_size != world_size:
        raise FastnstError(
            f"{previous.path} was started on {previous.record.world_size} devices and there are now "
            f"{world_size}: give --devices {previous.record.world_size} to go on, or FRESH=1 "
            "(--fresh) to start again"
        )


def _generated_part(config: TrainingConfig) -> str:
    if config.data == GENERATED_DATA:
        return " of generated photos"
    return f" ({config.generated_share:.0%} of generated photos)" if config.generated_share else ""


def _workers(config: TrainingConfig, device: str, local_processes: int) -> int:
    if config.workers is not None:
        return config.workers
    # A CPU trains far more slowly than one process decodes.
    if device == "cpu":
        return 1
    affinity = getattr(
        os, "sched_getaffinity", None
    )  # the cores that a cluster or container allows; only on Linux
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(16, cores // local_processes))


def _describe_device(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    if device != "cpu":
        return device
    threads = torch.get_num_threads()
    return f"{device} ({threads} thread{'s' * (threads != 1)})"
