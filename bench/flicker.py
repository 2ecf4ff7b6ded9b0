"""How much stylised videos flicker: their warping error along the source's motion, over the source's own."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.instruments.flicker_meter import FlickerMeter
from fastnst.video.reader import Frame, VideoReader


def main() -> None:
    """Measure each video against the source and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.flicker", description=__doc__)
    parser.add_argument("source", type=Path, help="the video that was painted")
    parser.add_argument("stylized", type=Path, nargs="+", help="its results; the first is the baseline")
    parser.add_argument("--frames", type=int, help="only the first N")
    options = parser.parse_args()
    print("| video | pairs | cuts | warping error | source's | flicker | less | detail |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    baseline = None
    for path in options.stylized:
        meter = measure(options.source, path, options.frames)
        baseline = baseline or meter
        print(
            f"| {path.name} | {meter.pairs} | {meter.cuts} | {meter.stylized_error:.2f} |"
            f" {meter.source_error:.2f} | {meter.flicker:.2f} | {1 - meter.flicker / baseline.flicker:.0%} |"
            f" {meter.detail / baseline.detail:.2f} |",
            flush=True,
        )


def measure(source: Path, stylized: Path, count: int | None = None) -> FlickerMeter:
    """Return the meter after both videos, which have the same frames, went through it."""
    meter = FlickerMeter()
    with contextlib.ExitStack() as stack:
        results = stack.enter_context(VideoReader(stylized))
        # Reduced as it was painted; the source of an upright result is upright too.
        sources = stack.enter_context(VideoReader(source, size=max(results.width, results.height)))
        pairs = zip(frames(sources), frames(results), strict=False)
        for number, (before, after) in enumerate(pairs, 1):
            meter.update(before.pixels, after.pixels)
            if number == count:
                break
    return meter


def frames(reader: VideoReader) -> Iterator[Frame]:
    """Yield the frames alone."""
    return (item for item in reader if isinstance(item, Frame))


if __name__ == "__main__":
    main()
