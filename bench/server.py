"""Paint hundreds of pictures of mixed sizes by `fastnst serve`: does its memory stay flat?

A seed draws the sizes, formats, controls and styles. The server's memory is printed after 50 requests, and at
intervals.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import time
import urllib.request

import numpy as np
from PIL import Image, ImageFilter

FIRST = 50


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.server", description=__doc__)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--most", type=int, default=800, help="the longest side of a picture")
    parser.add_argument("--threads", type=int, help="CPU threads of the network")
    options = parser.parse_args()
    command = [sys.executable, "-m", "fastnst", "serve", "--port", "0", "--device", "cpu"]
    if options.threads is not None:
        command += ["--threads", str(options.threads)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        before = 0.0
        start = time.perf_counter()
        random = np.random.default_rng(0)
        styles = re.findall(r'"name": "([^"]+)"', _get(f"{address}api/v1/styles"))
        for number in range(1, options.requests + 1):
            query, body = _request(random, styles, options.most)
            request = urllib.request.Request(f"{address}api/v1/stylize?{query}", body, method="POST")
            with urllib.request.urlopen(request) as answer:
                answer.read()
            if number == FIRST or number % 100 == 0:
                memory = _memory(address)
                before = before or memory
                print(
                    f"{number:5d} requests: {memory / 1e6:7.1f} MB, {100 * (memory / before - 1):+5.1f} %",
                    flush=True,
                )
        print(f"{(time.perf_counter() - start) / options.requests * 1000:.0f} ms a request")
    finally:
        server.terminate()
        server.wait()


def _request(random: np.random.Generator, styles: list[str], most: int) -> tuple[str, bytes]:
    height, width = (int(side) for side in random.integers(1, most + 1, 2))
    noise = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    noise.filter(ImageFilter.GaussianBlur(3)).save(buffer, str(random.choice(["JPEG", "PNG", "WEBP"])))
    query = f"style={random.choice(styles)}&format={random.choice(['jpg', 'png', 'webp'])}"
    controls = ["", "&strength=0.6", "&preserve_color=1", "&size=200&detail=0.5"]
    chosen = str(random.choice(controls))
    return query + chosen, buffer.getvalue()


def _memory(address: str) -> float:
    found = re.search(r"^fastnst_resident_memory_bytes (\S+)$", _get(f"{address}metrics"), re.MULTILINE)
    assert found is not None, "this system does not tell"
    return float(found[1])


def _get(address: str) -> str:
    with urllib.request.urlopen(address) as answer:
        return str(answer.read().decode())


if __name__ == "__main__":
    main()
