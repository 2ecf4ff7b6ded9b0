"""Settling a run before it trains: what it continues, with which data, loss, start and device."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastnst.atomic_write import remove_partial_writes
from fastnst.errors import FastnstError
from train.config import TrainingConfig
from train.loss.choice import load_loss_network, make_loss
from train.loss.loss_network import LossNetwork
from train.loss.painting import Painting, load_painting
from train.loss.perceptual_loss import PerceptualLoss
from train.machine.free_cores import ThreadBalance
from train.machine.freed_memory import keep_freed_memory
from train.machine.out_of_memory import advise_on_memory
from train.machine.precision import computing_in, resolve_accelerator, resolve_precision
from train.network.checkpoint import StyleCheckpoint, load_checkpoint
from train.network.trained_weights import TrainedWeights
from train.photos.crop_schedule import CropSchedule
from train.photos.sources import TrainingPhotos, open_training_photos, validation_images
from train.report.first_look import FirstLook
from train.report.preview import PREVIEW_PHOTOS, PREVIEW_SIZE
from train.report.progress import tell_finished
from train.run.final_quality import find_quality_features
from train.run.resumed_options import check_resumable, with_settled_options
from train.run.start import NONE, choose_start, find_starts
from train.step.teacher import Teacher
from train.terminal import is_first_process, print_path, say_once


@dataclass(frozen=True)
class SettledRun:
    """A run that is ready to train.

    Attributes:
        config: The options; only what Lightning decides is still `auto`.
        preset: Name of the preset that the options came from.
        painting: The painting.
        previous: The checkpoint that the run continues, if there is one.
        photos: The photos to train on, and those held out.
        loss: The loss against the painting.
        quality_network: VGG-19, which measures C and S3 at the end; None if they are not measured.
        start: The weights that a new run starts from; None for random ones, and for a continued run.
        teacher: The style that the network copies first, if it still does.
        device: Lightning's name of the accelerator.
        precision: Lightning's name of the arithmetic.
        shown: The photos of the preview, RGB, uint8 of shape (H, W, 3).
        first_look: What they look like before training, in the first process of a new run.
    """

    config: TrainingConfig
    preset: str
    painting: Painting
    previous: StyleCheckpoint | None
    photos: TrainingPhotos
    loss: PerceptualLoss
    quality_network: LossNetwork | None
    start: TrainedWeights | None
    teacher: Teacher | None
    device: str
    precision: str
    shown: list[NDArray[np.uint8]]
    first_look: FirstLook | None


def settle(config: TrainingConfig, preset: str) -> SettledRun | None:
    """Settle all that a run depends on, and check it.

    Args:
        config: The options, as the user gave them.
        preset: The name of the preset they came from.

    Returns:
        The run; None if the style is already trained and measured, which a line says.

    Raises:
        FastnstError: If an option does not fit the painting, the photos, the checkpoint or the machine.
    """
    try:
        config.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FastnstError(f"cannot write to --output {config.output}: {error.strerror or error}") from error
    remove_partial_writes(config.output, config.style_name)
    painting = load_painting(config.style, config.style_size)
    previous = _previous_run(config, painting)
    quality_network = None
    if previous is not None:
        config = with_settled_options(config, previous.record.options)
        if previous.record.finished:
            # The measure may be missing: it was interrupted, or VGG-19 was not available.
            if previous.record.quality is None:
                quality_network = find_quality_features(config)
            if quality_network is None:
                _say_already_trained(config, previous)
                return None
    starts = [] if previous is not None else find_starts(config)
    teacher = _teacher(config, previous)
    device = resolve_accelerator(config.accelerator)
    if device == "cpu":
        keep_freed_memory()
        ThreadBalance().sample()
    if previous is None:
        precision = resolve_precision(config.precision, device, processes=_processes(config))
    else:
        precision = previous.record.precision
    config, photos = open_training_photos(config)
    shown = validation_images(photos, PREVIEW_SIZE)[:PREVIEW_PHOTOS]
    first_look = FirstLook(config.style, shown) if previous is None and is_first_process() else None
    config, features = load_loss_network(config, say_once)
    if quality_network is None:
        quality_network = find_quality_features(config)
    # The loss is still on the CPU, whatever the device. A run on a CPU compares in the steps' own arithmetic.
    arithmetic = precision if device == "cpu" else "32-true"
    with advise_on_memory(("--style-size", config.style_size)), computing_in(arithmetic, "cpu"):
        loss = make_loss(config, painting, features)
    start = None
    if previous is None:
        with advise_on_memory(("--image-size", config.image_size)), computing_in(arithmetic, "cpu"):
            start = choose_start(config, starts, loss, photos)
        config = dataclasses.replace(config, init=NONE if start is None else start.source)
    return SettledRun(
        config=config,
        preset=preset,
        painting=painting,
        previous=previous,
        photos=photos,
        loss=loss,
        quality_network=quality_network,
        start=start,
        teacher=teacher,
        device=device,
        precision=precision,
        shown=shown,
        first_look=first_look,
    )


def _previous_run(config: TrainingConfig, painting: Painting) -> StyleCheckpoint | None:
    if config.fresh or not config.checkpoint_path.exists():
        return None
    checkpoint = load_checkpoint(config.checkpoint_path)
    if checkpoint.record.style.sha256 != painting.sha256:
        raise FastnstError(
            f"{checkpoint.path} is the style of another painting: give this one another NAME (--name), "
            "or FRESH=1 (--fresh) to replace it"
        )
    # Also for a finished style: with other options it would be another one.
    check_resumable(config, checkpoint.record.options)
    began_with = checkpoint.record.style.pixels_sha256
    if began_with not in ("", painting.pixels_sha256) and not checkpoint.record.finished:
        say_once(
            f"{config.style} is read in other colours than when this run began, by another version of "
            "fastnst or Pillow: the run goes on with them"
        )
    return checkpoint


def _say_already_trained(config: TrainingConfig, checkpoint: StyleCheckpoint) -> None:
    say_once(
        f"{config.style_name} is already trained: {checkpoint.path} ({checkpoint.steps} steps). "
        "FRESH=1 (--fresh) trains it again."
    )
    tell_finished(config, checkpoint.steps, checkpoint.record.seconds, checkpoint.record.quality)
    print_path(checkpoint.path)


def _teacher(config: TrainingConfig, previous: StyleCheckpoint | None) -> Teacher | None:
    if config.teacher is None:
        return None
    if previous is not None:
        schedule = CropSchedule(config.image_size, config.crop_stages, previous.record.max_steps)
        if schedule.progress(previous.steps) >= config.teacher_share:
            return None  # the network has finished copying it
    return Teacher(config.teacher)


def _processes(config: TrainingConfig) -> int:
    # No trainer exists yet that knows. "auto" is one process on a CPU, the only device where it matters.
    devices = len(config.devices) if isinstance(config.devices, list) else str(config.devices)
    per_node = devices if isinstance(devices, int) else int(devices) if devices.isdecimal() else 1
    return per_node * config.num_nodes
