"""Training beside another busy program: steps/s with fixed threads, and with as many as cores are free.

Each line is a process of its own. The busy programs are loops of Python, with the same priority.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from bench.loader import enough_photos, write_photos
from bench.train import our_step
from train.machine.free_cores import ThreadBalance

_BUSY = "while True: pass"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.shared_processor", description=__doc__)
    parser.add_argument("--data", help="folder of photos; by default, noise images are made")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--busy", type=int, default=1, help="busy programs beside it (1)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement (8)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.device, options.loss_network = "cpu", "vgg16"
    if options.threads is not None:
        _measure(options)
        return
    most = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            write_photos(Path(folder), enough_photos(1))
            options.data = folder
        for _ in range(options.rounds):
            for busy in (0, options.busy):
                for threads in (most, 1, 0):
                    _measure_beside(busy, threads, options)


def _measure_beside(busy: int, threads: int, options: argparse.Namespace) -> None:
    # In sessions of their own, as a user's other programs are: the kernel shares the cores among sessions.
    others = [subprocess.Popen([sys.executable, "-c", _BUSY], start_new_session=True) for _ in range(busy)]
    try:
        command = [sys.executable, "-m", "bench.shared_processor", f"--data={options.data}"]
        command += [
            f"--{name}={getattr(options, name.replace('-', '_'))}" for name in ("image-size", "batch-size")
        ]
        command += [f"--seconds={options.seconds}", f"--threads={threads}"]
        rate = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    finally:
        for other in others:
            other.kill()
            other.wait()
    print(f"{busy} busy programs, {threads or 'as many threads as cores are free:'} {rate}", flush=True)


def _measure(options: argparse.Namespace) -> None:
    """Print the steps/s of this process, by so many threads; 0 stands for as many as cores are free."""
    balance = ThreadBalance()
    if options.threads:
        torch.set_num_threads(options.threads)
    else:
        balance.sample()
    step = our_step(options)
    step()
    steps, start, adapted = 0, time.monotonic(), time.monotonic()
    while (now := time.monotonic()) - start < options.seconds:
        if not options.threads and now - adapted > 2:
            balance.adapt()
            adapted = now
        step()
        steps += 1
    print(f"{steps / (time.monotonic() - start):.2f} steps/s")


if __name__ == "__main__":
    main()
