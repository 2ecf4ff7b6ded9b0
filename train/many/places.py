"""Where trainings run side by side: one on each GPU, or on each group of cores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from fastnst.free_memory import free_memory
from train.config import TrainingConfig

CORES_OF_A_RUN = 4
BYTES_OF_A_RUN = 3 * 10**9  # what a training on a CPU takes at its peak, with some room

_COUNT_GPUS = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"


def find_places(config: TrainingConfig, jobs: int | None, styles: int) -> list[dict[str, str]]:
    """Return the places of this machine that trainings can run on at once.

    Args:
        config: The options of the trainings: their accelerator, and how many devices each takes.
        jobs: How many places; None for one per GPU (or per as many as each training takes), or without GPUs
            one per four cores for which there is memory.
        styles: How many styles there are: there are no more places.

    Returns:
        What each place sets in the environment of its processes, so that each sees its own GPU or cores.
    """
    gpus = _visible_gpus() if config.accelerator in ("auto", "gpu", "cuda") else []
    if gpus:
        each = gpus_of_a_run(config)
        groups = [gpus[first : first + each] for first in range(0, len(gpus) - each + 1, each)] or [gpus]
        count = min(jobs or len(groups), styles)
        return [{"CUDA_VISIBLE_DEVICES": ",".join(groups[place % len(groups)])} for place in range(count)]
    cores = _cores()
    by_default = max(1, min(cores // CORES_OF_A_RUN, free_memory() // BYTES_OF_A_RUN))
    count = min(jobs or by_default, styles)
    if "OMP_NUM_THREADS" in os.environ or (jobs is None and count == 1):
        return [{} for _ in range(count)]
    return [{"OMP_NUM_THREADS": str(max(1, cores // count))} for _ in range(count)]


def gpus_of_a_run(config: TrainingConfig) -> int:
    """Return how many GPUs each training takes, if it takes any."""
    return max(1, int(str(config.devices))) if str(config.devices).isdecimal() else 1


def describe_places(places: list[dict[str, str]]) -> str:
    """Return how many trainings run at once, and on what, for the user."""
    on: Mapping[str, str] = places[0]
    many = f"{len(places)} at a time" if len(places) > 1 else "one at a time"
    if "CUDA_VISIBLE_DEVICES" in on:
        gpus = {gpu for place in places for gpu in place["CUDA_VISIBLE_DEVICES"].split(",")}
        return f"{many} on {len(gpus)} GPU{'s' * (len(gpus) > 1)}"
    threads = on.get("OMP_NUM_THREADS")
    return f"{many}, {threads} thread{'s' * (threads != '1')} each" if threads else many


def _visible_gpus() -> list[str]:
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named == "":
        return []
    # In a process of its own: PyTorch would stay in this one's memory, and CUDA on every GPU, for hours.
    counted = subprocess.run(  # noqa: S603 - this project's own line
        [sys.executable, "-c", _COUNT_GPUS], capture_output=True, text=True, check=False
    )
    count = int(counted.stdout) if counted.stdout.strip().isdecimal() else 0
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # what a container or cluster allows; only on Linux
    return len(affinity(0)) if affinity else os.cpu_count() or 1
