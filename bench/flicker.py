"""How much stylised videos flicker: their warping error, divided by that of the source."""

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
    parser.add_argument("source", type=Path, help="the original video")
    parser.add_argument(
        "stylized", type=Path, nargs="+", help="painted versions of it; the first is the baseline"
    )
    parser.add_argument("--frames", type=int, help="measure only this many frames")
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
    """Return the meter after it has measured both videos, which must have the same frames."""
    meter = FlickerMeter()
    with contextlib.ExitStack() as stack:
        results = stack.enter_context(VideoReader(stylized))
        # Read the source at the size of the result, as the painting command did.
        sources = stack.enter_context(VideoReader(source, size=max(results.width, results.height)))
        pairs = zip(frames(sources), frames(results), strict=False)
        for number, (before, after) in enumerate(pairs, 1):
            meter.update(before.pixels, after.pixels)
            if number == count:
                break
    return meter


def frames(reader: VideoReader) -> Iterator[Frame]:
    """Yield only the frames, without the other streams' packets."""
    return (item for item in reader if isinstance(item, Frame))


if __name__ == "__main__":
    main()
