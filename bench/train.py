"""Images per second in training: ours against the plain loop, in one run.

The plain loop is what tutorials write: eager float32, the loss network run to its deepest layer for both
images, the style's Gram matrices repeated for each image of the batch. Both take the same crops from memory,
so that this measures the step alone. The loss network has random weights of the real shapes: its speed does
not depend on their values.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.paired import time_in_turn
from train.config import TrainingConfig
from train.gram_matrix import gram_matrix
from train.precision import resolve_accelerator, resolve_precision
from train.style_image import StyleImage
from train.style_transfer import StyleTransfer
from train.transformer_net import TransformerNet
from train.vgg_features import VGGFeatures, random_vgg_state


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.train", description=__doc__)
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loss-network", default="vgg16", choices=["vgg16", "vgg19"])
    options = parser.parse_args()
    device = resolve_accelerator("auto")
    precision = resolve_precision("auto", device)
    config = TrainingConfig(
        style=Path("style"), loss_network=options.loss_network, image_size=options.image_size
    )
    generator = torch.Generator().manual_seed(0)
    style = torch.randint(0, 256, (288, 384, 3), generator=generator, dtype=torch.uint8).numpy()
    crops = torch.rand(options.batch_size, 3, options.image_size, options.image_size, generator=generator).to(
        device
    )
    layers = (*config.content_layers, *config.resolved_style_layers)
    state = random_vgg_state(config.loss_network, layers)
    features = VGGFeatures(config.loss_network, layers, state)
    # The targets are made on the CPU; then everything moves to the device.
    ours = our_step(config, StyleImage(style, ""), features, crops, precision)
    plain = plain_step(config, StyleImage(style, ""), features.to(device), crops)
    times = time_in_turn(plain, ours, options.rounds)
    print(f"{device}, {torch.get_num_threads()} threads, {options.batch_size} x {options.image_size} px")
    for name, seconds in (("plain eager fp32", times.baseline), (f"fastnst {precision}", times.ours)):
        print(f"{name:20} {options.batch_size / median(seconds):8.2f} images/s")
    print(f"{'ratio':20} {times.speedup:8.2f}")


def our_step(
    config: TrainingConfig, style: StyleImage, features: VGGFeatures, crops: Tensor, precision: str
) -> Callable[[], None]:
    """Return a function that does one step as `python -m train` does, without Lightning around it."""
    module = StyleTransfer(config, style, features, max_steps=1000, precision=precision).to(crops.device)
    optimizer = torch.optim.Adam(module.network.parameters(), lr=config.learning_rate, fused=True)
    content = crops.contiguous(memory_format=torch.channels_last)
    half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)

    def step() -> None:
        with torch.autocast(crops.device.type, half, enabled=half is not None):
            loss = module.training_step(content, 0)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.network.parameters(), config.gradient_clip)
        optimizer.step()
        _wait(crops.device)

    return step


def plain_step(
    config: TrainingConfig, style: StyleImage, features: VGGFeatures, crops: Tensor
) -> Callable[[], None]:
    """Return a function that does one step of the plain loop."""
    network = TransformerNet(config.width, config.residual_blocks).to(crops.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    with torch.no_grad():
        found = features(style.to_tensor().to(crops.device))
        targets = {layer: gram_matrix(found[layer]) for layer in config.resolved_style_layers}

    def step() -> None:
        optimizer.zero_grad()
        stylized = network(crops)
        found, content = features(stylized), features(crops)
        loss = sum(F.mse_loss(found[layer], content[layer]) for layer in config.content_layers)
        for layer, target in targets.items():
            repeated = target.repeat(len(crops), 1, 1)
            loss = loss + config.style_weight * F.mse_loss(gram_matrix(found[layer]), repeated)
        loss.backward()
        optimizer.step()
        _wait(crops.device)

    return step


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
