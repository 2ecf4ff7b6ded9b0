"""Milliseconds per image in inference: the exported file in ONNX Runtime against eager PyTorch."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

import numpy as np
import torch

from bench.paired import time_in_turn
from fastnst import Stylizer
from train.transformer_net import TransformerNet


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.stylize", description=__doc__)
    parser.add_argument("--model", default="kandinsky", help="a style's name or ONNX file")
    parser.add_argument("--size", type=int, nargs="*", default=[256, 512], help="sides of square images")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    stylizer = Stylizer(options.model, device=options.device)
    metadata = stylizer.metadata
    # The speed does not depend on the weights, so a new network of the same shape serves as the baseline.
    network = TransformerNet(int(metadata["network.width"]), int(metadata["network.residual_blocks"])).eval()
    print(f"{Path(stylizer.path).name} on {', '.join(stylizer.providers)}; PyTorch eager fp32 on cpu")
    print(f"{'size':>6} {'PyTorch ms':>12} {'fastnst ms':>12} {'ratio':>7}")
    for size in options.size:
        image = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)

        def eager(image: np.ndarray = image) -> None:
            with torch.inference_mode():
                network(torch.from_numpy(image).permute(2, 0, 1).unsqueeze(0).float() / 255)

        times = time_in_turn(eager, lambda image=image: stylizer(image), options.rounds)
        theirs, ours = (1000 * median(seconds) for seconds in (times.baseline, times.ours))
        print(f"{size:6} {theirs:12.1f} {ours:12.1f} {times.speedup:7.2f}")


if __name__ == "__main__":
    main()
