"""How much of a training step a loss network takes: `python -m bench.loss_network_step`.

It measures the processor time of a forward and a backward pass of one crop, in training's precision: with
the transformer network alone, and with each loss network. Other load on the machine hardly changes
processor time. The weights are random, since the speed does not depend on them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from train.config import LossNetworkName, TrainingConfig
from train.loss.choice import make_loss
from train.loss.compact import CompactFeatures, random_compact_state
from train.loss.loss_network import LossNetwork
from train.loss.painting import Painting
from train.loss.vgg import VGGFeatures, random_vgg_state
from train.machine.freed_memory import keep_freed_memory
from train.machine.precision import resolve_precision
from train.step.style_transfer import StyleTransfer

_NETWORKS: tuple[LossNetworkName, ...] = ("vgg19", "vgg16", "compact")
_ALONE = "none"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.loss_network_step", description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=_NETWORKS, default=list(_NETWORKS))
    parser.add_argument("--image-size", type=int, default=256, help="side of the crop in pixels")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)  # waiting threads spin, and would count as busy
    keep_freed_memory()
    steps = {name: make_step(name, options.image_size) for name in options.networks}
    found = processor_seconds({_ALONE: make_step(None, options.image_size), **steps}, options.rounds)
    alone = found[_ALONE]
    print("| loss network | step, s | its own part, s |")
    print("|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {seconds:.2f} | {seconds - alone:.2f} |")


def processor_seconds(steps: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Time functions in turn, after one uncounted round.

    Args:
        steps: The functions by name.
        rounds: Counted rounds.

    Returns:
        The median of each one's processor time in seconds, by name.
    """
    times: dict[str, list[float]] = {name: [] for name in steps}
    for counted in range(rounds + 1):
        for name, step in steps.items():
            start = time.process_time()
            step()
            if counted:
                times[name].append(time.process_time() - start)
    return {name: median(seconds) for name, seconds in times.items()}


def make_step(loss_network: LossNetworkName | None, image_size: int) -> Callable[[], StyleTransfer]:
    """Return a function that computes a step's loss and its gradient, and returns what it computed them of.

    Args:
        loss_network: The loss network; None takes the simplest loss.
        image_size: Side of the crop in pixels.
    """
    config = TrainingConfig(style=Path("style"), loss_network=loss_network or "vgg19")
    layers = (*config.content_layers, *config.resolved_style_layers)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (576, 768, 3), generator=generator, dtype=torch.uint8).numpy()
    half = resolve_precision("auto", "cpu") == "bf16-mixed"
    painting = Painting(pixels, pixels, "")
    module = StyleTransfer(
        config,
        painting,
        make_loss(config, painting, _features(config.loss_network, layers)),
        max_steps=1,
        precision="bf16-mixed" if half else "32-true",
    )
    content = torch.rand((1, 3, image_size, image_size), generator=generator)
    content = content.contiguous(memory_format=torch.channels_last)

    def loss() -> Tensor:
        return module(content).square().mean() if loss_network is None else module.compare(content).total

    def step() -> StyleTransfer:
        module.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            total = loss()
        torch.autograd.backward(total)
        return module

    return step


def _features(loss_network: str, layers: tuple[str, ...]) -> LossNetwork:
    if loss_network == "compact":
        return CompactFeatures(layers, random_compact_state(), mirrored=True)
    return VGGFeatures(loss_network, layers, random_vgg_state(loss_network, layers), mirrored=True)


if __name__ == "__main__":
    main()
