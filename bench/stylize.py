"""Inference in milliseconds per image, against eager PyTorch in float32; exactness, cold start, peak memory.

The column dB is the PSNR of a device's picture against the CPU's, which computes all but int8 files in
float32. It shows what bfloat16 or a GPU's arithmetic changes.
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bench.instruments.paired import time_in_turn
from fastnst import Stylizer
from fastnst.model import keys
from fastnst.model.session import available_devices
from fastnst.style_library import list_bundled_styles
from train.generated.photo.image import GeneratedImage
from train.network.build import build_network
from train.network.shape import NETWORKS, NetworkName
from train.network.trained_weights import shape_in

SIZES = ("256x256", "512x512", "1920x1080", "3840x2160")
# From this number of pixels on, a picture takes seconds, and two rounds are enough.
_LARGE = 1_000_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.stylize", description=__doc__)
    parser.add_argument("--model", nargs="*", help="style names or ONNX files (default: the bundled styles)")
    parser.add_argument("--size", nargs="*", default=list(SIZES), help="width x height")
    parser.add_argument("--device", nargs="*", help="devices (default: all of the installed ONNX Runtime)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: one per core)")
    parser.add_argument(
        "--baseline", choices=NETWORKS, help="network that PyTorch runs (default: the style's own)"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--profile", action="store_true", help="also print where a session spends its time, at 512 px"
    )
    parser.add_argument("--memory-of", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        model, device, size = options.memory_of
        _print_peak_memory(model, device, size, options.threads)
        return
    if options.threads:
        torch.set_num_threads(options.threads)
    models = options.model or [style.name for style in list_bundled_styles()]
    print(
        f"{'style':28} {'device':9} {'size':>10} {'PyTorch ms':>11} {'fastnst ms':>11} {'ratio':>6}"
        f" {'peak GB':>8} {'dB':>6}"
    )
    for model in models:
        devices = options.device or available_devices()
        painted = _painted_on_cpu(model, options.threads)
        for device in devices:
            stylizer = Stylizer(model, device=device, threads=options.threads)
            for size in options.size:
                _measure(stylizer, model, device, size, painted, options)
            if options.profile:
                _profile(stylizer)
    for model in models:
        _measure_cold_start(model, options)


def psnr(found: NDArray[np.uint8], expected: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio of two pictures of one shape in dB; infinite for equal ones."""
    error = float(np.mean((found.astype(np.float32) - expected) ** 2, dtype=np.float64))
    return 10 * math.log10(255**2 / error) if error else math.inf


def label(name: str, metadata: Mapping[str, str]) -> str:
    """Return a style's name with the type of its weights, which tells several files of one style apart."""
    return f"{name} ({metadata[keys.EXPORT_WEIGHTS]})" if keys.EXPORT_WEIGHTS in metadata else name


def scene(size: str) -> NDArray[np.uint8]:
    """Return a picture with a photo's statistics, RGB of shape (H, W, 3), uint8; `size` is as in `SIZES`."""
    width, height = _sides(size)
    picture = Image.fromarray(GeneratedImage(0, 0).pixels(512))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def _painted_on_cpu(model: str, threads: int | None) -> Callable[[str], NDArray[np.uint8]]:
    """Return a function that paints the scene of a size on the CPU, and only once."""
    stylizer = cache(lambda: Stylizer(model, device="cpu", threads=threads))
    return cache(lambda size: stylizer()(scene(size)))


def _measure(
    stylizer: Stylizer,
    model: str,
    device: str,
    size: str,
    painted_on_cpu: Callable[[str], NDArray[np.uint8]],
    options: argparse.Namespace,
) -> None:
    image = _picture(size)
    rounds = options.rounds if image[..., 0].size < _LARGE else min(options.rounds, 2)
    times = time_in_turn(_eager(stylizer, options.baseline, device, image), lambda: stylizer(image), rounds)
    theirs, ours = (1000 * statistics.median(seconds) for seconds in (times.baseline, times.ours))
    command = [sys.executable, "-m", "bench.stylize", "--memory-of", model, device, size]
    command += ["--threads", str(options.threads)] if options.threads else []
    peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    decibels = "-" if device == "cpu" else f"{psnr(stylizer(scene(size)), painted_on_cpu(size)):.1f}"
    print(
        f"{label(stylizer.name, stylizer.metadata):28} {device:9} {size:>10} {theirs:11.1f} {ours:11.1f}"
        f" {times.speedup:6.2f} {peak:8.2f} {decibels:>6}",
        flush=True,
    )


def _eager(
    stylizer: Stylizer, baseline: NetworkName | None, device: str, image: NDArray[np.uint8]
) -> Callable[[], object]:
    """Return a function that runs the network as tutorials do, on the same kind of device."""
    # The speed does not depend on the weights: a new network of the same shape serves as the baseline.
    shape = shape_in(stylizer.metadata) if baseline is None else NETWORKS[baseline]
    network = build_network(shape).eval()
    on = "cuda" if device in ("cuda", "tensorrt") and torch.cuda.is_available() else "cpu"
    network.to(on)

    def run() -> object:
        with torch.inference_mode():
            content = torch.from_numpy(image).to(on).permute(2, 0, 1).unsqueeze(0).float() / 255
            return (network(content) * 255).round().to(torch.uint8).cpu()

    return run


def _print_peak_memory(model: str, device: str, size: str, threads: int | None) -> None:
    Stylizer(model, device=device, threads=threads)(_picture(size))
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux, ru_maxrss includes the parent's memory at the process's start; VmHWM does not.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        print(int(line.split()[1]) * 1024 / 1e9)
        return
    unit = 1 if sys.platform == "darwin" else 2**10
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9)


def _measure_cold_start(model: str, options: argparse.Namespace) -> None:
    """Time the whole command on one image of 512 px, less a warm call of the network."""
    device = (options.device or ["cpu"])[0]
    threads = ["--threads", str(options.threads)] if options.threads else []
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        Image.fromarray(_picture("512x512")).save(photo)
        command = [sys.executable, "-m", "fastnst", "stylize", "-m", model, str(photo), "--overwrite"]
        command += ["--device", device, *threads]
        stylizer = Stylizer(model, device=device, threads=options.threads)
        image = _picture("512x512")
        times = time_in_turn(
            lambda: subprocess.run(command, check=True, capture_output=True),
            lambda: stylizer(image),
            options.rounds,
        )
    differences = [whole - warm for whole, warm in zip(times.baseline, times.ours, strict=True)]
    print(
        f"cold start of {label(stylizer.name, stylizer.metadata)} on {device}: "
        f"the command takes {statistics.median(times.baseline):.2f} s on one image of 512x512, "
        f"{statistics.median(differences):.2f} s more than a warm call"
    )


def _profile(stylizer: Stylizer) -> None:
    """Print the operators that take most time, measured by ONNX Runtime's profiler."""
    import json

    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(stylizer.path, options, providers=list(stylizer.providers))
        image = _picture("512x512")[np.newaxis]
        start = time.perf_counter()
        for _ in range(3):
            session.run(None, {session.get_inputs()[0].name: image})
        seconds = (time.perf_counter() - start) / 3
        events = json.loads(Path(session.end_profiling()).read_text())
    times: dict[str, float] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            operator = event["args"]["op_name"]
            times[operator] = times.get(operator, 0) + event["dur"] / 3000
    total = sum(times.values())
    print(f"  profile at 512x512: {1000 * seconds:.0f} ms a picture")
    for operator, milliseconds in sorted(times.items(), key=lambda item: -item[1])[:10]:
        print(f"    {operator:28} {milliseconds:8.1f} ms {100 * milliseconds / total:5.1f}%")


def _picture(size: str) -> NDArray[np.uint8]:
    width, height = _sides(size)
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _sides(size: str) -> tuple[int, int]:
    width, height = (int(side) for side in size.split("x"))
    return width, height


if __name__ == "__main__":
    main()
