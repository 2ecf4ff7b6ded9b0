"""One training run from the options to the finished checkpoint, resumed where one was interrupted."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from fastnst.atomic_write import remove_partial_writes
from fastnst.errors import FastnstError
from train.config import GENERATED_DATA, TrainingConfig
from train.evaluate.quality import Quality
from train.loss.choice import load_loss_network
from train.loss.loss_network import LossNetwork
from train.loss.painting import StyleImage, load_style_image
from train.machine.freed_memory import keep_freed_memory
from train.machine.out_of_memory import advise_on_memory
from train.machine.precision import resolve_accelerator, resolve_precision
from train.network.checkpoint import StyleCheckpoint, load_checkpoint
from train.photos.data_module import PhotoDataModule
from train.photos.folder import TrainingPhotos, validation_images
from train.photos.sources import open_training_photos
from train.report.metrics import MetricsLogging, loss_metrics
from train.report.preview import PreviewGrid
from train.report.progress import TrainingProgress, clock
from train.report.tracking import close_logger, describe_logger, log_quality, make_logger, run_identity
from train.run.atomic_checkpoint_io import AtomicCheckpointIO
from train.run.final_quality import find_quality_features, measure_and_tell
from train.run.resumed_options import check_resumable, with_settled_options
from train.run.rolling_checkpoint import RollingCheckpoint
from train.run.start import find_initial_weights, start_from_best
from train.step.crop_schedule import CropSchedule
from train.step.style_transfer import StyleTransfer
from train.step.teacher import Teacher
from train.terminal import print_path, say, set_up_terminal

# Photos in the preview grid, and their longer side while training goes on.
_PREVIEW_PHOTOS = 4
_PREVIEW_SIZE = 320

# What a run's length, its clipping and its resuming rest on.
_OWNED_TRAINER_OPTIONS = {
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


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        interrupted: Whether it was stopped by a signal; running it again goes on.
        quality: C and S of a finished style, where they could be measured.
    """

    interrupted: bool
    quality: Quality | None = None


def run(config: TrainingConfig, preset: str) -> RunResult:
    """Train a style, or go on with it.

    Args:
        config: The options.
        preset: The name of the preset they came from, for the user.

    Returns:
        How it ended.

    Raises:
        FastnstError: If an option does not fit what is there, or training diverges.
    """
    set_up_terminal()
    try:
        config.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FastnstError(f"cannot write to --output {config.output}: {error.strerror or error}") from error
    remove_partial_writes(config.output, config.style_name)
    style = load_style_image(config.style, config.style_size)
    checkpoint = _previous_run(config, style)
    if checkpoint is not None:
        config = with_settled_options(config, checkpoint.options)
    measuring = None
    if checkpoint is not None and checkpoint.finished:
        # What is left may be to measure it: that was interrupted, or lacked its weights.
        if checkpoint.record["quality"] is None:
            measuring = find_quality_features(config)
        if measuring is None:
            say(
                f"{config.style_name} is already trained: {checkpoint.path} ({checkpoint.steps} steps). "
                "FRESH=1 (--fresh) trains it again."
            )
            print_path(checkpoint.path)
            return RunResult(interrupted=False)
    candidates = find_initial_weights(config) if checkpoint is None else []
    teacher = _teacher(config, checkpoint)
    device = resolve_accelerator(config.accelerator)
    if device == "cpu":
        keep_freed_memory()
    precision = (
        resolve_precision(config.precision, device, processes=_processes(config))
        if checkpoint is None
        else checkpoint.record["precision"]
    )
    config, photos = open_training_photos(config)
    config, features = load_loss_network(config, say)
    if measuring is None:
        measuring = find_quality_features(config)
    pl.seed_everything(config.seed, verbose=False)
    rolling = RollingCheckpoint(
        config.checkpoint_path, config.checkpoint_seconds, resumed=checkpoint is not None
    )
    preview = PreviewGrid(
        config.preview_path,
        validation_images(photos, _PREVIEW_SIZE)[:_PREVIEW_PHOTOS],
        config.preview_seconds,
    )
    callbacks = [TrainingProgress(), MetricsLogging(config.log_every), preview, rolling]
    trainer = _trainer(config, device, precision, callbacks)
    max_steps = math.ceil(config.images / (config.batch_size * trainer.world_size))
    trainer.fit_loop.epoch_loop.max_steps = max_steps  # only the trainer knew how many devices there are
    _check_world_size(checkpoint, trainer.world_size)
    with advise_on_memory(("--style-size", config.style_size)):
        module = StyleTransfer(config, style, features, max_steps, precision)
    if checkpoint is None:
        with advise_on_memory(("--image-size", config.image_size)):
            start_from_best(module, candidates, photos)
    module.teacher = teacher
    data = PhotoDataModule(
        photos,
        batch_size=config.batch_size,
        image_size=config.image_size,
        crop_scale=config.crop_scale,
        seed=config.seed,
        workers=_workers(config, device, trainer.num_devices),
        cache_gb=config.cache_gb,
    )
    if checkpoint is None:
        logger = make_logger(config, {})
    else:
        logger = make_logger(config, checkpoint.record["tracking_run"], checkpoint.steps)
    if logger is not None:
        trainer.loggers = [logger]
    module.tracking_run = run_identity(logger)
    say(
        f"{config.style_name}: {max_steps * config.batch_size * trainer.world_size:,} crops of "
        f"{config.image_size} px{_generated_part(config)}, {config.batch_size * trainer.world_size} a step, "
        f"preset {preset}, {config.loss_network}, {_describe_device(device)}, {precision}"
    )
    say(describe_logger(logger))
    if checkpoint is not None:
        say(f"going on from {checkpoint.path} at step {checkpoint.steps} of {max_steps}")
    say("reading the first photos")
    _fit(trainer, module, data, checkpoint, rolling)
    if rolling.interrupted and trainer.global_step < max_steps:
        command = "the same command without FRESH=1 (--fresh)" if config.fresh else "the same command"
        if rolling.saved:
            say(f"interrupted: {config.checkpoint_path} is saved; {command} goes on from there")
        else:
            say("interrupted before the first checkpoint")
        close_logger(logger)
        return RunResult(interrupted=True)
    rolling.save(trainer, module)  # measuring may be interrupted too
    with advise_on_memory(
        ("--quality-size", config.quality_size),
        then=f"the style is trained, in {config.checkpoint_path}: nothing is lost",
    ):
        quality = _finish(config, trainer, module, preview, photos, measuring)
    rolling.save(trainer, module)
    close_logger(logger)
    _say_results(config, module)
    return RunResult(interrupted=False, quality=quality)


def _fit(
    trainer: pl.Trainer,
    module: StyleTransfer,
    data: PhotoDataModule,
    checkpoint: StyleCheckpoint | None,
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
            trainer.fit(module, datamodule=data, ckpt_path=None if checkpoint is None else checkpoint.path)
    except SystemExit:
        if rolling.interrupted:  # at once, by a second Ctrl-C: Lightning exits
            raise KeyboardInterrupt from None
        raise
    except RuntimeError as error:
        if rolling.interrupted:  # a signal to all processes took those that decode photos along
            return
        if "DataLoader worker" in str(error):
            raise FastnstError(
                "a process that decodes photos was killed, most often for lack of shared memory: try "
                "--workers 0"
            ) from error
        raise


def _previous_run(config: TrainingConfig, style: StyleImage) -> StyleCheckpoint | None:
    if config.fresh or not config.checkpoint_path.exists():
        return None
    checkpoint = load_checkpoint(config.checkpoint_path)
    if checkpoint.style["sha256"] != style.sha256:
        raise FastnstError(
            f"{checkpoint.path} is the style of another painting: give this one another NAME (--name), "
            "or FRESH=1 (--fresh) to replace it"
        )
    # Of a finished style, too: one with other options is another style.
    check_resumable(config, checkpoint.options)
    return checkpoint


def _trainer(config: TrainingConfig, device: str, precision: str, callbacks: list[Callback]) -> pl.Trainer:
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
        # The crops of a run all have one size, which is when cuDNN's search for the fastest kernels pays.
        "benchmark": True,
    }
    if device == "cpu" and config.devices == "auto":
        options["devices"] = 1
    for option in config.trainer:
        if option in _OWNED_TRAINER_OPTIONS | options.keys() - {"benchmark"}:
            raise FastnstError(f"--trainer.{option} is set by fastnst's own options (see --help)")
    try:
        return pl.Trainer(**(options | config.trainer))
    except (TypeError, ValueError, RuntimeError, MisconfigurationException) as error:
        raise FastnstError(f"Lightning cannot train like this: {' '.join(str(error).split())}") from error


def _check_world_size(checkpoint: StyleCheckpoint | None, world_size: int) -> None:
    if checkpoint is not None and checkpoint.record["world_size"] != world_size:
        raise FastnstError(
            f"{checkpoint.path} was started on {checkpoint.record['world_size']} devices and there are now "
            f"{world_size}: give --devices {checkpoint.record['world_size']} to go on, or FRESH=1 "
            "(--fresh) to start again"
        )


def _finish(
    config: TrainingConfig,
    trainer: pl.Trainer,
    module: StyleTransfer,
    preview: PreviewGrid,
    photos: TrainingPhotos,
    measuring: LossNetwork | None,
) -> Quality | None:
    """Measure the finished style, and draw its grid, on the first process alone."""
    module.finished = True
    if not trainer.is_global_zero:
        return None
    device = trainer.strategy.root_device
    module.to(device).eval()
    module.move_loss_network()
    say("drawing the preview")
    shown = validation_images(photos, config.quality_size or _PREVIEW_SIZE)
    preview.photos = shown[:_PREVIEW_PHOTOS]
    module.final_losses = preview.renew(module, trainer.global_step)
    if module.losses is not None:
        module.final_losses |= loss_metrics(module.losses, "train")
    if measuring is None:
        return None
    painting = module.style.to_tensor().to(device)
    module.quality = measure_and_tell(module, shown, painting, measuring.to(device))
    log_quality(module.logger, module.quality, trainer.global_step)
    return module.quality


@rank_zero_only
def _say_results(config: TrainingConfig, module: StyleTransfer) -> None:
    losses = module.final_losses
    say(
        f"trained in {clock(module.seconds)}; on {_kind_of_photos(config)} it never saw: "
        f"content {losses['val/content_loss']:.3f}, style {losses['val/style_loss']:.4f}"
    )
    if module.quality is not None:
        say(
            f"C {module.quality.content:.3f} (content lost), S {module.quality.style:.4f} (style missed) "
            f"at {module.quality.size} px{_not_comparable(config)}"
        )
    say(f"preview: {config.preview_path}")
    say("checkpoint:")
    print_path(config.checkpoint_path)


def _teacher(config: TrainingConfig, checkpoint: StyleCheckpoint | None) -> Teacher | None:
    """Return whom the network copies, if it does so still."""
    if config.teacher is None:
        return None
    if checkpoint is not None:
        schedule = CropSchedule(config.image_size, config.crop_stages, checkpoint.record["max_steps"])
        if schedule.progress(checkpoint.steps) >= config.teacher_share:
            return None
    return Teacher(config.teacher)


def _kind_of_photos(config: TrainingConfig) -> str:
    return "generated photos" if config.data == GENERATED_DATA else "photos"


def _generated_part(config: TrainingConfig) -> str:
    if config.data == GENERATED_DATA:
        return " of generated photos"
    return f" ({config.generated_share:.0%} of generated photos)" if config.generated_share else ""


def _not_comparable(config: TrainingConfig) -> str:
    if config.data != GENERATED_DATA:
        return ""
    return " on generated photos: not to be compared with those on real ones"


def _processes(config: TrainingConfig) -> int:
    # Before there is a trainer that knows: "auto" is one process on a CPU, the only device where it matters.
    devices = len(config.devices) if isinstance(config.devices, list) else str(config.devices)
    per_node = devices if isinstance(devices, int) else int(devices) if devices.isdecimal() else 1
    return per_node * config.num_nodes


def _workers(config: TrainingConfig, device: str, local_processes: int) -> int:
    if config.workers is not None:
        return config.workers
    # A CPU trains far more slowly than one process decodes.
    if device == "cpu":
        return 1
    affinity = getattr(os, "sched_getaffinity", None)  # what a cluster or container gives; Linux alone has it
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(16, cores // local_processes))


def _describe_device(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{device} ({torch.get_num_threads()} threads)" if device == "cpu" else device
