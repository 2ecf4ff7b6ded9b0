"""A run that trains the network for any painting: set up, train, measure."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from torch import Tensor

import fastnst
from fastnst.errors import FastnstError
from train.arbitrary.any_painting_net import SHAPE
from train.arbitrary.checkpoint import (
    FORMAT,
    AnyPaintingCheckpoint,
    AnyPaintingRecord,
    load_any_painting,
)
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
from train.machine.free_cores import ThreadBalance
from train.machine.freed_memory import keep_freed_memory
from train.machine.precision import resolve_accelerator, resolve_precision
from train.machine.stop_signal import StopSignal
from train.network.trained_weights import read_trained_weights
from train.photos.data_module import PhotoDataModule
from train.photos.folder import PhotoFolder
from train.photos.photo import Photo, whole_images
from train.photos.sources import TrainingPhotos, open_training_photos, validation_images
from train.report.metrics import MetricsLogging
from train.report.preview import PREVIEW_PHOTOS, PREVIEW_SIZE
from train.report.progress import TrainingProgress, tell_finished, tell_interrupted, tell_started
from train.report.tracking import close_logger, describe_logger, make_logger, run_identity
from train.run.final_quality import find_quality_features, measure_and_tell
from train.run.lightning_trainer import fit, make_trainer
from train.run.resumed_options import check_resumable
from train.run.saving import RollingCheckpoint
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
    given = {file.name: load_painting(file, options.config.style_size).sha256 for file in options.paintings}
    previous = _previous_run(options, given)
    if previous is not None and previous.record.finished:
        say_once(f"{options.config.checkpoint_path} is already trained; --fresh trains it again")
        tell_finished(options.config, previous.steps, previous.record.seconds, None)
        print_path(options.config.checkpoint_path)
        return False
    device = resolve_accelerator(options.config.accelerator)
    if device == "cpu":
        keep_freed_memory()
        ThreadBalance().sample()
    precision = resolve_precision(options.config.precision, device)
    config, photos = open_training_photos(options.config)
    config, features = load_loss_network(config, say_once)
    quality_network = find_quality_features(config) if options.held_out else None
    loss = make_loss(config, load_painting(config.style, config.style_size), features)
    encoder = PaintingEncoder()
    start = _start(options.start, photos, encoder) if previous is None else None
    pl.seed_everything(config.seed, verbose=False)
    stop = StopSignal()
    rolling = RollingCheckpoint(
        config.checkpoint_path, config.checkpoint_seconds, resumed=previous is not None, stop=stop
    )
    sheet = _sheet(options, config, photos)
    callbacks = [TrainingProgress(), MetricsLogging(config.log_every), sheet, rolling]
    trainer = make_trainer(config, device, precision, callbacks)
    max_steps = math.ceil(config.images / (config.batch_size * trainer.world_size))
    trainer.fit_loop.epoch_loop.max_steps = max_steps
    module = AnyPaintingTransfer(
        config,
        encoder,
        Paintings(options.paintings, _photos_as_paintings(photos), config.seed),
        loss,
        max_steps,
        precision,
        AnyPaintingRecord(FORMAT, fastnst.__version__, config.to_dict(), given, options.start, max_steps),
        start,
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
    logger = _open_logger(config, previous)
    if logger is not None:
        trainer.loggers = [logger]
    module.tracking_run = run_identity(logger)
    say_once(f"{config.images:,} crops of {config.image_size} px by {len(given)} paintings, {precision}")
    tell_started(
        config,
        step=0 if previous is None else previous.steps,
        steps=max_steps,
        crops_per_step=config.batch_size * trainer.world_size,
        preset="arbitrary",
        device=device,
        precision=precision,
    )
    say_once(describe_logger(logger))
    fit(trainer, module, data, None if previous is None else config.checkpoint_path, rolling)
    interrupted = rolling.interrupted and trainer.global_step < max_steps
    if interrupted:
        if not tell_interrupted(config.checkpoint_path if rolling.saved else None):
            say_once(f"interrupted: {config.checkpoint_path} is saved; the same command goes on from there")
    else:
        module.finished = True
        rolling.save(trainer, module)
        # Lightning has taken the network off the GPU.
        module.to(trainer.strategy.root_device).eval()
        module.encoder.move_features()
        sheet.renew(module, trainer.global_step)
        if quality_network is not None:
            _measure(module, options, photos, quality_network.to(module.device))
        say_once(f"trained in {clock(module.seconds)}; preview: {config.preview_path}")
        tell_finished(config, max_steps, module.seconds, None)
        print_path(config.checkpoint_path)
    close_logger(logger)
    return interrupted


def _previous_run(options: ArbitraryOptions, given: Mapping[str, str]) -> AnyPaintingCheckpoint | None:
    """Return the run to go on with, if there is one.

    Args:
        options: The run's options.
        given: The names and sums of its paintings.

    Raises:
        FastnstError: If it was started with other paintings or options.
    """
    path = options.config.checkpoint_path
    if options.config.fresh or not path.exists():
        return None
    previous = load_any_painting(path)
    record = previous.record
    if dict(record.paintings) != given or record.start != options.start:
        raise FastnstError(
            f"{path} was started with other --paintings, --held-out or --start: give the same ones, another "
            "--name, or --fresh to start again"
        )
    check_resumable(options.config, record.options)
    return previous


def _open_logger(config: TrainingConfig, previous: AnyPaintingCheckpoint | None) -> Logger | None:
    if previous is None:
        return make_logger(config, {})
    return make_logger(config, previous.record.tracking_run or {}, previous.steps)


def _sheet(options: ArbitraryOptions, config: TrainingConfig, photos: TrainingPhotos) -> PaintingsSheet:
    shown = (*options.held_out, *options.paintings[:_SHOWN])
    return PaintingsSheet(
        config.preview_path,
        validation_images(photos, PREVIEW_SIZE)[:PREVIEW_PHOTOS],
        [load_painting(file, config.style_size) for file in shown],
        config.preview_seconds,
    )


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
    statistics = module.encoder(image_to_tensor(painting.at_measured_size).to(module.device))
    return lambda photo: module(photo, statistics)


def _start(start: str, photos: TrainingPhotos, encoder: PaintingEncoder) -> Mapping[str, Tensor] | None:
    """Return the weights that the network starts from, if any, and teach the encoder what photos have.

    Args:
        start: A style of the default network, or a checkpoint of an earlier run, whose encoder is kept.
        photos: The run's photos.
        encoder: A new one.
    """
    if start.endswith(".ckpt"):
        with contextlib.suppress(FastnstError):  # it may be the checkpoint of a style, which is read below
            earlier = load_any_painting(Path(start))
            encoder.load_state_dict(earlier.encoder.state_dict())
            return earlier.network.state_dict()
    say_once(f"measuring {_TYPICAL_PHOTOS} photos")
    encoder.learn_photos(map(image_to_tensor, _typical_photos(photos)))
    if not start:
        return None
    weights = read_trained_weights(start)
    if weights.shape != SHAPE:
        raise FastnstError(f"--start {start} is another network than the default one: {weights.shape}")
    return weights.state


def _typical_photos(photos: TrainingPhotos) -> list[NDArray[np.uint8]]:
    few = _photos_as_paintings(photos)[:_TYPICAL_PHOTOS] or photos.validation
    return whole_images(few, _TYPICAL_SIZE)


def _photos_as_paintings(photos: TrainingPhotos) -> Sequence[Photo]:
    """Return the photos of a folder; those that are streamed or generated serve as photos alone."""
    folder = getattr(photos, "folder", photos)
    return [folder[index] for index in range(len(folder))] if isinstance(folder, PhotoFolder) else []
