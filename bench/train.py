"""Training in images per second, photos included: ours against the plain loop, in one run.

Each loop runs in a process of its own, so that the settings of one do not affect the other. They run in
turn, so that other load slows both. The loss network has random weights, since its speed does not depend on
them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from bench.instruments.held_memory import held_memory
from bench.instruments.paired import time_in_turn
from bench.instruments.plain_loop import plain_steps
from bench.loader import enough_photos, loader_rate, photos_needed, write_photos
from train.config import DEFAULT_STYLE_LAYERS, TrainingConfig
from train.loss.choice import make_loss
from train.loss.painting import Painting
from train.loss.vgg import VGGFeatures, random_vgg_state, weight_keys
from train.machine.freed_memory import keep_freed_memory
from train.machine.precision import computing_in, resolve_accelerator, resolve_precision
from train.photos.crop_schedule import CropSchedule
from train.photos.folder import PhotoFolder
from train.photos.loader import PhotoLoader
from train.photos.sources import open_photos
from train.step.style_transfer import StyleTransfer

_CONTENT_LAYER = "relu3_3"

_SAMPLE_SECONDS = 0.05


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.train", description=__doc__)
    parser.add_argument("--data", help="folder of photos; by default, noise images are made")
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--steps", type=int, help="steps per round (default: 2, on a GPU 50)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loss-network", default="vgg16", choices=("vgg16", "vgg19"))
    parser.add_argument(
        "--profile", action="store_true", help="print where our step spends its time, and compare nothing"
    )
    options = parser.parse_args()
    options.device = resolve_accelerator("auto")
    if options.steps is None:
        options.steps = 50 if options.device == "cuda" else 2
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            write_photos(Path(folder), enough_photos(_workers(options.device)))
            options.data = folder
        if options.profile:
            _profile(options)
        else:
            _compare(options)


def _compare(options: argparse.Namespace) -> None:
    plain, ours = (_Process(make_step, options) for make_step in (_plain_step, our_step))
    times = time_in_turn(plain.run, ours.run, options.rounds)
    crops = options.batch_size * options.steps
    print(
        f"{options.loss_network}, {options.batch_size} x {options.image_size} px a step, {options.device}, "
        f"{torch.get_num_threads()} threads, median of {options.rounds} rounds"
    )
    print(f"{'':20} {'images/s':>10} {'peak memory':>14}")
    for name, process, seconds in (("plain loop", plain, times.baseline), ("fastnst", ours, times.ours)):
        print(f"{name:20} {crops / median(seconds):10.2f} {process.peak_memory() / 2**30:11.2f} GB")
    print(f"{'ratio':20} {times.speedup:10.2f}")
    print(f"{'the loader alone':20} {loader_alone(options, consumed=crops / median(times.ours))}")


def loader_alone(options: argparse.Namespace, consumed: float) -> str:
    """Return the loader's crops per second, and their ratio to what training consumes."""
    photos, workers = _photos(options), _workers(options.device)
    if len(photos) < (needed := photos_needed(workers)):
        return f"{'-':>10} {options.data} holds {len(photos)} photos; {workers} workers need {needed}"
    rate = loader_rate(
        photos, CropSchedule(options.image_size), _config(options).crop_scale, workers
    ).first_epoch
    return f"{rate:10.1f} in the first epoch: {rate / consumed:.1f} times what a step consumes"


def _config(options: argparse.Namespace) -> TrainingConfig:
    return TrainingConfig(
        style=Path("style"),
        loss_network=options.loss_network,
        image_size=options.image_size,
        batch_size=options.batch_size,
    )


def _photos(options: argparse.Namespace) -> PhotoFolder:
    photos = open_photos(options.data, validation_photos=0)
    assert isinstance(photos, PhotoFolder), "only folders are measured, not streams"
    return photos


def _workers(device: str) -> int:
    return 1 if device == "cpu" else min(16, os.cpu_count() or 1)


def _style() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (288, 384, 3), generator=generator, dtype=torch.uint8)


def _plain_step(options: argparse.Namespace) -> Callable[[], None]:
    """Return a function that does one step of the plain loop."""
    photos = _photos(options)
    style_layers = DEFAULT_STYLE_LAYERS[options.loss_network]
    layers = (_CONTENT_LAYER, *style_layers)
    keys = weight_keys(options.loss_network, layers)
    return plain_steps(
        [photos[index].name for index in range(len(photos))],
        _style().permute(2, 0, 1).unsqueeze(0) / 255,
        random_vgg_state(options.loss_network, layers),
        {int(keys[layer].removeprefix("features.")): layer for layer in layers},
        content_layer=_CONTENT_LAYER,
        style_layers=style_layers,
        image_size=options.image_size,
        batch_size=options.batch_size,
        device=torch.device(options.device),
    )


def our_step(options: argparse.Namespace) -> Callable[[], StyleTransfer]:
    """Return a function that does one step of `python -m train`, without Lightning's Trainer.

    Args:
        options: Those of the command: data, image_size, batch_size, loss_network and device.

    Returns:
        The step, which returns the module that it trained.
    """
    config, device = _config(options), torch.device(options.device)
    if device.type == "cpu":
        keep_freed_memory()
    precision = resolve_precision("auto", options.device)
    layers = (*config.content_layers, *config.resolved_style_layers)
    features = VGGFeatures(
        config.loss_network, layers, random_vgg_state(config.loss_network, layers), mirrored=True
    )
    pixels = _style().numpy()
    style = Painting(pixels, pixels, "")
    loss = make_loss(config, style, features)
    module = StyleTransfer(config, style, loss, max_steps=1_000_000, precision=precision).to(device)
    module.move_loss_network()
    torch.backends.cudnn.benchmark = device.type == "cuda"  # as the Trainer sets it
    configured = module.configure_optimizers()
    optimizer, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    batches = iter(
        PhotoLoader(
            _photos(options),
            batch_size=config.batch_size,
            schedule=CropSchedule(config.image_size),
            crop_scale=config.crop_scale,
            seed=0,
            workers=_workers(options.device),
        )
    )

    def step() -> StyleTransfer:
        images = next(batches).images.to(device, non_blocking=True)
        content = images.to(torch.float32, memory_format=torch.channels_last).div_(255)
        with computing_in(precision, device.type):
            loss = module.training_step(content, 0)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        module.on_before_optimizer_step(optimizer)
        optimizer.step()
        schedule.step()
        return module

    return step


class _Process:
    """A process that builds its step once and runs it on demand."""

    def __init__(
        self, make_step: Callable[[argparse.Namespace], Callable[[], object]], options: argparse.Namespace
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(make_step, options, theirs))
        self._process.start()
        theirs.close()

    def run(self) -> None:
        """Run the steps of one round."""
        self._connection.send("run")
        self._connection.recv()

    def peak_memory(self) -> int:
        """Return the process's peak memory in bytes, and end it.

        On a GPU this is the GPU's memory. Otherwise it is main memory, including that of the decoding
        processes, measured in one more round, which is not timed.
        """
        assert self._process.pid is not None
        self._connection.send("run")
        peak = 0
        while not self._connection.poll(_SAMPLE_SECONDS):
            peak = max(peak, held_memory(self._process.pid))
        self._connection.recv()
        self._connection.send("end")
        on_gpu: int | None = self._connection.recv()
        return peak if on_gpu is None else on_gpu


def _serve(
    make_step: Callable[[argparse.Namespace], Callable[[], object]],
    options: argparse.Namespace,
    connection: Connection,
) -> None:
    step = make_step(options)
    cuda = options.device == "cuda"
    while connection.recv() == "run":
        for _ in range(options.steps):
            step()
        if cuda:
            torch.cuda.synchronize()
        connection.send(None)
    connection.send(torch.cuda.max_memory_allocated() if cuda else None)


def _profile(options: argparse.Namespace) -> None:
    """Print the operations of two steps by the time that they take themselves."""
    step = our_step(options)
    for _ in range(3):
        step()
    started = time.perf_counter()
    activities = [torch.profiler.ProfilerActivity.CPU]
    if options.device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(2):
            step()
        if options.device == "cuda":
            torch.cuda.synchronize()
    print(f"{(time.perf_counter() - started) / 2:.3f} s a step")
    order = "self_cuda_time_total" if options.device == "cuda" else "self_cpu_time_total"
    print(profile.key_averages().table(sort_by=order, row_limit=20, max_name_column_width=40))


if __name__ == "__main__":
    main()
