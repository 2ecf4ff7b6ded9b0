"""A run that trains the network for any painting: set up, train, measure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from numpy.typing import NDArray
from torch import Tensor

import fastnst
from fastnst.errors import FastnstError
from train.arbitrary.any_painting_net import SHAPE
from train.arbitrary.checkpoint import FORMAT, AnyPaintingRecord, load_any_painting
from train.arbitrary.options import ArbitraryOptions
from train.arbitrary.painting_encoder import PaintingEncoder
from train.arbitrary.paintings import Paintings
from train.arbitrary.sheet import PaintingsSheet
from train.arbitrary.transfer import AnyPaintingTransfer
from train.config import TrainingConfig
from train.image_tensor import image_to_tensor
from train.loss.choice import load_loss_network, make_loss
from train.loss.loss_network import LossNetwork
from train.loss.painting import Painting, load_painting
from train.machine.freed_memory import keep_freed_memory
from train.machine.out_of_memory import advise_on_memory
from train.machine.precision import resolve_accelerator, resolve_precision
from train.machine.stop_signal import StoppedWaiting, StopSignal
from train.network.trained_weights import TrainedWeights, read_trained_weights
from train.photos.data_module import PhotoDataModule
from train.photos.folder import PhotoFolder
from train.photos.photo import Photo, whole_images
from train.photos.sources import TrainingPhotos, open_training_photos, validation_images
from train.report.metrics import MetricsLogging
from train.report.preview import PREVIEW_PHOTOS, PREVIEW_SIZE
from train.report.progress import TrainingProgress
from train.report.tracking import close_logger, describe_logger, make_logger
from train.run.final_quality import find_quality_features, measure_and_tell
from train.run.saving import AtomicCheckpointIO, RollingCheckpoint
from train.terminal import clock, print_path, say_once, set_up_terminal

# Photos whose features the statistics are relative to, and their longer side.
_TYPICAL_PHOTOS, _TYPICAL_SIZE = 40, 384
# Paintings that the sheet shows besides those held out.
_SHOWN = 3


def run(options: ArbitraryOptions) -> bool:
    """Train, or continue a training.

    Args:
        options: The run's options.

    Returns:
        Whether a signal interrupted it; the same command continues it.

    Raises:
        FastnstError: If an option is unusable here, or training diverges.
    """
    set_up_terminal()
    config = options.config
    previous = None
    if config.checkpoint_path.exists() and not config.fresh:
        previous = load_any_painting(config.checkpoint_path)
        if previous.record.finished:
            say_once(f"{config.checkpoint_path} is already trained; --fresh trains it again")
            print_path(config.checkpoint_path)
            return False
    device = resolve_accelerator(config.accelerator)
    if device == "cpu":
        keep_freed_memory()
    precision = resolve_precision(config.precision, device)
    config, photos = open_training_photos(config)
    config, features = load_loss_network(config, say_once)
    first = load_painting(config.style, config.style_size)
    given = {file.name: load_painting(file, config.style_size).sha256 for file in options.paintings}
    quality_network = find_quality_features(config) if options.held_out else None
    encoder = PaintingEncoder()
    if previous is None:
        say_once(f"measuring {_TYPICAL_PHOTOS} photos")
        encoder.learn_photos(map(image_to_tensor, _typical_photos(photos)))
    pl.seed_everything(config.seed, verbose=False)
    stop = StopSignal()
    rolling = RollingCheckpoint(
        config.checkpoint_path, config.checkpoint_seconds, resumed=previous is not None, stop=stop
    )
    shown = [
        load_painting(file, config.style_size) for file in (*options.held_out, *options.paintings[:_SHOWN])
    ]
    sheet = PaintingsSheet(
        config.preview_path,
        validation_images(photos, PREVIEW_SIZE)[:PREVIEW_PHOTOS],
        shown,
        config.preview_seconds,
    )
    trainer = _trainer(
        config, device, precision, [TrainingProgress(), MetricsLogging(config.log_every), sheet, rolling]
    )
    max_steps = math.ceil(config.images / (config.batch_size * trainer.world_size))
    trainer.fit_loop.epoch_loop.max_steps = max_steps
    start = None if previous is not None or not options.start else _start(options.start)
    module = AnyPaintingTransfer(
        config,
        encoder,
        Paintings(options.paintings, _photos_as_paintings(photos), config.seed),
        make_loss(config, first, features),
        max_steps,
        precision,
        AnyPaintingRecord(FORMAT, fastnst.__version__, config.to_dict(), given, options.start, max_steps),
        None if start is None else start.state,
    )
    data = PhotoDataModule(
        photos,
        batch_size=config.batch_size,
        schedule=module.schedule,
        crop_scale=config.crop_scale,
        seed=config.seed,
        workers=1 if config.workers is None else config.workers,
        stop=stop,
    )
    logger = make_logger(config, {})
    if logger is not None:
        trainer.loggers = [logger]
    say_once(f"{config.images:,} crops of {config.image_size} px by {len(given)} paintings, {precision}")
    say_once(describe_logger(logger))
    _fit(trainer, module, data, config, rolling)
    interrupted = rolling.interrupted and trainer.global_step < max_steps
    if interrupted:
        say_once(f"interrupted: {config.checkpoint_path} is saved; the same command goes on from there")
    else:
        _finish(module, trainer, rolling, sheet)
        if quality_network is not None:
            _measure(module, options, photos, quality_network)
        say_once(f"trained in {clock(module.seconds)}; preview: {config.preview_path}")
        print_path(config.checkpoint_path)
    close_logger(logger)
    return interrupted


def _trainer(config: TrainingConfig, device: str, precision: str, callbacks: list[Callback]) -> pl.Trainer:
    options: dict[str, Any] = {
        "accelerator": device,
        "devices": 1 if device == "cpu" and config.devices == "auto" else config.devices,
        "precision": precision,
        "max_epochs": -1,
        "logger": False,
        "callbacks": callbacks,
        "plugins": [AtomicCheckpointIO()],
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "benchmark": True,
    }
    try:
        return pl.Trainer(**options)
    except (TypeError, ValueError, RuntimeError, MisconfigurationException) as error:
        raise FastnstError(f"Lightning cannot train like this: {' '.join(str(error).split())}") from error


def _fit(
    trainer: pl.Trainer,
    module: AnyPaintingTransfer,
    data: PhotoDataModule,
    config: TrainingConfig,
    rolling: RollingCheckpoint,
) -> None:
    path = config.checkpoint_path if rolling.saved else None
    try:
        with advise_on_memory(("--batch-size", config.batch_size), ("--image-size", config.image_size)):
            trainer.fit(module, datamodule=data, ckpt_path=path)
    except StoppedWaiting:  # the last whole step is saved
        return
    except SystemExit:
        if rolling.interrupted:  # a second Ctrl-C: Lightning exits at once
            raise KeyboardInterrupt from None
        raise


def _finish(
    module: AnyPaintingTransfer, trainer: pl.Trainer, rolling: RollingCheckpoint, sheet: PaintingsSheet
) -> None:
    module.finished = True
    rolling.save(trainer, module)
    module.eval()
    sheet.renew(module, trainer.global_step)


@torch.no_grad()
def _measure(
    module: AnyPaintingTransfer, options: ArbitraryOptions, photos: TrainingPhotos, network: LossNetwork
) -> None:
    """Say C and S3 of each painting held out."""
    images = validation_images(photos, module.config.quality_size)
    for file in options.held_out:
        painting = load_painting(file, module.config.style_size)
        quality = measure_and_tell(_by(module, painting), images, painting, network)
        say_once(
            f"{file.stem}: C {quality.content:.3f} (content lost), S3 {quality.style:.4f} (style missed)"
        )


def _by(module: AnyPaintingTransfer, painting: Painting) -> Callable[[Tensor], Tensor]:
    statistics = module.encoder(image_to_tensor(painting.at_measured_size))
    return lambda photo: module(photo, statistics)


def _start(style: str) -> TrainedWeights:
    weights = read_trained_weights(style)
    if weights.shape != SHAPE:
        raise FastnstError(f"--start {style} is another network than the default one: {weights.shape}")
    return weights


def _typical_photos(photos: TrainingPhotos) -> list[NDArray[np.uint8]]:
    few = _photos_as_paintings(photos)[:_TYPICAL_PHOTOS] or photos.validation
    return whole_images(few, _TYPICAL_SIZE)


def _photos_as_paintings(photos: TrainingPhotos) -> Sequence[Photo]:
    """Return the photos of a folder; those that are streamed or generated serve as photos alone."""
    folder = getattr(photos, "folder", photos)
    return [folder[index] for index in range(len(folder))] if isinstance(folder, PhotoFolder) else []
