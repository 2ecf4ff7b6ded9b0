"""Processes that make images and compute the teacher's answers, while the student learns in another."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import queue
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastnst.errors import FastnstError
from train.config import DEFAULT_STYLE_WEIGHT
from train.distillation.images import DistillationImages, ImageGroup
from train.distillation.student import Student
from train.distillation.targets import TEACHER, Basis, Targets, TeacherNetwork
from train.loss.compact import COMPACT_LAYERS
from train.loss.painting import load_painting
from train.loss.vgg import VGGFeatures, load_vgg_state
from train.machine.freed_memory import keep_freed_memory
from train.network.build import build_network
from train.network.shape import NETWORKS
from train.network.trained_weights import read_trained_weights
from train.photos.folder import PhotoFolder
from train.photos.photo import whole_images
from train.photos.sources import open_photos, validation_images

_PHOTO_SIZE = 400
_PAINTING_SIZE = 768
_HELD_OUT = 8  # the photos that styles are judged on
# Each process holds them decoded, at 0.4 MB.
_MOST_PHOTOS = 400
_GENERATED_SHARE = 0.25

# Groups of images that wait for the student, for each process, and recent ones that new ones may start from.
_WAITING = 2
_RECENT = 12

# Seconds between two checks that the other processes live.
_PATIENCE = 5.0


@dataclass(frozen=True)
class Sources:
    """The sources of the images and of the teacher.

    Attributes:
        teacher: VGG-19 weights.
        data: Folder of photos; some hundreds are used, without those that styles are judged on.
        paintings: Image files.
        networks: Trained styles, as `--init` takes them.
    """

    teacher: Path
    data: str
    paintings: tuple[Path, ...]
    networks: tuple[str, ...]

    def load_features(self) -> VGGFeatures:
        """Read the teacher."""
        return VGGFeatures(TEACHER, COMPACT_LAYERS, load_vgg_state(TEACHER, self.teacher))

    def open_images(
        self, seed: int, *, held_out: bool = False, with_generated: bool = False
    ) -> DistillationImages:
        """Read photos, paintings and networks.

        Args:
            seed: Seed of all choices among them.
            held_out: Whether to use the photos that styles are judged on, instead of the others.
            with_generated: Whether to mix in generated photos.

        Raises:
            FastnstError: If something cannot be read, or a network is not the full one.
        """
        if not Path(self.data).is_dir():  # said before the hub is asked for a data set of that name
            raise FastnstError(f"--data {self.data} must be a folder of photos")
        folder = open_photos(self.data, validation_photos=_HELD_OUT)
        assert isinstance(folder, PhotoFolder)
        photos = (
            validation_images(folder, _PHOTO_SIZE)
            if held_out
            else whole_images((folder[number] for number in _spread(len(folder))), _PHOTO_SIZE)
        )
        networks = []
        for name in self.networks:
            weights = read_trained_weights(name)
            if weights.shape != NETWORKS["wide"]:
                raise FastnstError(
                    f"--networks {name} has {weights.shape}: give styles of the default network, wide"
                )
            network = build_network(weights.shape)
            network.load_state_dict(weights.state)
            networks.append(network.to(memory_format=torch.channels_last))
        return DistillationImages(
            photos,
            [load_painting(path, _PAINTING_SIZE).pixels for path in self.paintings],
            networks,
            usual_style_weight=DEFAULT_STYLE_WEIGHT,
            seed=seed,
            generated_share=_GENERATED_SHARE if with_generated else 0.0,
        )


def _spread(count: int) -> list[int]:
    """Return the numbers below `count`, or evenly spread ones if there are more than needed."""
    taken = min(count, _MOST_PHOTOS)
    return [number * count // taken for number in range(taken)]


class TargetSupply:
    """Targets that other processes make with the current student.

    Args:
        sources: The sources of the images.
        basis: The teacher's principal directions.
        student: The student, which takes part in making images; its weights move to shared memory.
        workers: Number of processes.
        seed: Seed of their choices. The targets also depend on the student's progress at the time.
    """

    def __init__(self, sources: Sources, basis: Basis, student: Student, *, workers: int, seed: int) -> None:
        context: Any = multiprocessing.get_context("spawn")
        for weight in student.weights.values():
            weight.data.share_memory_()  # type: ignore[no-untyped-call]
        weights = {name: weight.detach() for name, weight in student.weights.items()}
        self._gradients = context.Value("b", 0)
        self._queue = context.Queue(_WAITING * workers)
        self._processes = [
            context.Process(
                target=_produce,
                args=(sources, basis, weights, self._gradients, self._queue, seed + number),
                daemon=True,
            )
            for number in range(workers)
        ]
        for process in self._processes:
            process.start()

    def ask_for_gradients(self) -> None:
        """Include gradients in targets from now on, and drop waiting ones without."""
        self._gradients.value = 1

    def take(self) -> Targets:
        """Return the next targets, waiting for them.

        Raises:
            FastnstError: If a process has ended; it has printed why.
        """
        while True:
            if not all(process.is_alive() for process in self._processes):
                raise FastnstError("a process that makes images has ended")
            try:
                targets: Targets = pickle.loads(self._queue.get(timeout=_PATIENCE))  # noqa: S301 - our own process's
            except queue.Empty:
                continue
            if bool(targets.gradient.numel()) == bool(self._gradients.value):
                return targets

    def ready(self) -> bool:
        """Return whether `take` returns at once."""
        return not self._queue.empty()

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.terminate()
            process.join()


def _produce(
    sources: Sources,
    basis: Basis,
    weights: Mapping[str, Tensor],
    gradients: Synchronized[int],
    waiting: Queue[bytes],
    seed: int,
) -> None:
    waiting.cancel_join_thread()  # this process may end before all that waits has been taken
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    keep_freed_memory()
    teacher = TeacherNetwork(sources.load_features(), basis)
    images = sources.open_images(seed, with_generated=True)
    student = Student(weights)
    chooser = np.random.default_rng(seed)
    recent: list[ImageGroup] = []
    parent = os.getppid()  # it changes when the parent is killed
    while os.getppid() == parent:
        with_gradient = bool(gradients.value)
        loss = student.training_loss if with_gradient else None
        group = images.group(loss, recent[int(chooser.integers(len(recent)))] if recent else None)
        recent = [*recent[-_RECENT + 1 :], group]
        answer = pickle.dumps(teacher(group, gradient=with_gradient))
        while os.getppid() == parent:
            with contextlib.suppress(queue.Full):
                waiting.put(answer, timeout=_PATIENCE)
                break
