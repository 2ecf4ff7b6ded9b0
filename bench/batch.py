"""Paint thousands of images: does memory stay flat, and what do overlapping and lanes gain?

The images are generated, in many sizes around --size. The first part paints some of them one after the other,
with `paint_batch`, which reads and writes meanwhile, and with its lanes too, which paint one picture each; in
turn. The second part paints all of them in one run and prints its memory at intervals.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageFilter

from bench.instruments.paired import PairedTimes, time_in_turn
from fastnst import Stylizer
from fastnst.files.batch import Outcome, paint_batch
from fastnst.files.lanes import Lanes, lanes_for
from fastnst.files.plan import Task
from fastnst.files.result import write_result
from fastnst.image.encode import encode_image, output_format
from fastnst.image.file import Picture, read_image


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.batch", description=__doc__)
    parser.add_argument("--model", default="kandinsky", help="a style's name or ONNX file")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=64, help="approximate side of the images in pixels")
    parser.add_argument("--suffix", default=".jpg", help="file format of images and results")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="CPU threads of the network")
    parser.add_argument("--workers", type=int, help="reading threads, and as many writing threads")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compared", type=int, default=100, help="images per round of the comparison")
    options = parser.parse_args()
    stylizer = Stylizer(options.model, device=options.device, threads=options.threads)
    print(f"{stylizer.path.name} on {stylizer.providers[0]}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        tasks = make_images(Path(name), options.images, options.size, options.suffix)

        def overlapped(part: Sequence[Task], lanes: Lanes | None = None) -> None:
            for task in part:
                task.result.unlink(missing_ok=True)  # what exists is not painted again
            outcomes: list[Outcome] = []
            paint_batch(
                part,
                stylizer,
                read=read_image,
                encode=_encode,
                report=outcomes.append,
                workers=options.workers,
                lanes=lanes,
            )
            if any(outcome.error or outcome.is_skipped for outcome in outcomes):
                raise RuntimeError("images failed or were skipped: the times mean nothing")

        lanes = _lanes(stylizer, len(tasks), options.threads)
        part = tasks[: options.compared]
        if part and options.rounds:
            times = time_in_turn(
                lambda: _one_after_the_other(part, stylizer), lambda: overlapped(part), options.rounds
            )
            _print_rates("one after the other", "overlapped", times, len(part))
            if lanes is not None:
                times = time_in_turn(
                    lambda: overlapped(part), lambda: overlapped(part, lanes), options.rounds
                )
                _print_rates("overlapped", f"in {lanes.count} lanes", times, len(part))
        for task in part:
            task.result.unlink(missing_ok=True)
        _watch_memory(tasks, stylizer, options.workers, lanes)


def _lanes(stylizer: Stylizer, pictures: int, threads: int | None) -> Lanes | None:
    count = lanes_for(pictures, threads)
    single = stylizer.with_one_thread() if count else None
    if single is None:
        return None
    return Lanes(count, single, lambda height, width: single.fit_together(height, width, count))


def _print_rates(baseline: str, ours: str, times: PairedTimes, images: int) -> None:
    before, after = (images / median(seconds) for seconds in (times.baseline, times.ours))
    ratios = sorted(theirs / our for theirs, our in zip(times.baseline, times.ours, strict=True))
    print(
        f"{baseline} {before:.1f} images/s, {ours} {after:.1f}: {times.speedup:.2f} times"
        f" ({ratios[0]:.2f} to {ratios[-1]:.2f})",
        flush=True,
    )


def _watch_memory(
    tasks: Sequence[Task], stylizer: Stylizer, workers: int | None, lanes: Lanes | None
) -> None:
    painted = failed = 0
    start = time.monotonic()
    print(f"{'images':>8} {'RSS MB':>8} {'images/s':>9}")

    def report(outcome: Outcome) -> None:
        nonlocal painted, failed
        failed += outcome.error is not None
        painted += 1
        if painted % max(1, len(tasks) // 20) == 0:
            rate = painted / (time.monotonic() - start)
            print(f"{painted:8} {_rss_megabytes():8.1f} {rate:9.1f}", flush=True)

    paint_batch(tasks, stylizer, read=read_image, encode=_encode, report=report, workers=workers, lanes=lanes)
    print(f"{painted - failed} painted, {failed} failed")


def _one_after_the_other(tasks: Sequence[Task], stylizer: Stylizer) -> None:
    for task in tasks:
        picture = read_image(task.source)
        task.result.unlink(missing_ok=True)
        write_result(task.result, _encode(task, picture.painted(stylizer(picture.pixels))))


def _encode(task: Task, painted: Picture) -> bytes:
    return encode_image(painted, output_format(task.result.suffix))


def make_images(folder: Path, count: int, size: int, suffix: str) -> list[Task]:
    """Write `count` crops of soft noise; their random sides are 0.75 to 1.75 times `size`."""
    chance = np.random.default_rng(0)
    side = int(size * 1.75) + 1
    noise = Image.fromarray(chance.integers(0, 256, (side, side, 3), dtype=np.uint8))
    pixels = np.asarray(noise.filter(ImageFilter.GaussianBlur(2)))
    (folder / "images").mkdir()
    tasks = []
    for index in range(count):
        height, width = (int(size * chance.uniform(0.75, 1.75)) for _ in range(2))
        path = folder / "images" / f"{index:06}{suffix}"
        path.write_bytes(encode_image(Picture(pixels[:height, :width]), output_format(suffix)))
        tasks.append(Task(path, folder / "results" / f"{index:06}.painted{suffix}"))
    return tasks


def _rss_megabytes() -> float:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


if __name__ == "__main__":
    main()
