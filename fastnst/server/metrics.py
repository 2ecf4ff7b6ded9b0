"""Counts of what the server did, in Prometheus' text form."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The counts, from the server's start."""

    def __init__(self) -> None:
        self._start = time.time()
        self._answers: Counter[tuple[str, int]] = Counter()
        self._left = 0
        self._pixels = 0
        self._buckets = [0] * len(_SECONDS)
        self._seconds = 0.0
        self._paintings = 0

    def answered(self, path: str, status: int) -> None:
        """Count an answer; `path` is one of the few that the API has."""
        self._answers[path, status] += 1

    def left(self) -> None:
        """Count a client that did not wait."""
        self._left += 1

    def painted(self, pixels: int, seconds: float) -> None:
        """Count a painting."""
        self._paintings += 1
        self._pixels += pixels
        self._seconds += seconds
        for number, most in enumerate(_SECONDS):
            self._buckets[number] += seconds <= most

    def text(self, *, waiting: int, running: int, held_bytes: int) -> str:
        """Return all, with what is true just now."""
        lines: list[str] = []

        def add(name: str, kind: str, told: str, values: dict[str, float]) -> None:
            lines.extend([f"# HELP fastnst_{name} {told}", f"# TYPE fastnst_{name} {kind}"])
            lines.extend(f"fastnst_{name}{labels} {value:.12g}" for labels, value in values.items())

        add(
            "answers_total",
            "counter",
            "Answers by path and status.",
            {
                f'{{path="{path}",status="{status}"}}': count
                for (path, status), count in sorted(self._answers.items())
            },
        )
        add("clients_left_total", "counter", "Clients that left before their answer.", {"": self._left})
        add("painted_pixels_total", "counter", "Pixels of all results.", {"": self._pixels})
        add(
            "painting_seconds",
            "histogram",
            "Seconds that a painting took, without waiting, reading and writing.",
            {
                **{
                    f'_bucket{{le="{most:g}"}}': count
                    for most, count in zip(_SECONDS, self._buckets, strict=True)
                },
                '_bucket{le="+Inf"}': self._paintings,
                "_sum": self._seconds,
                "_count": self._paintings,
            },
        )
        add("waiting", "gauge", "Paintings that wait.", {"": waiting})
        add("running", "gauge", "Paintings that run.", {"": running})
        add("held_bytes", "gauge", "Bytes of images and results that are held.", {"": held_bytes})
        add("start_time_seconds", "gauge", "When the server started, in Unix time.", {"": self._start})
        if (memory := _resident_memory()) is not None:
            add("resident_memory_bytes", "gauge", "Memory of the process.", {"": memory})
        return "\n".join(lines) + "\n"


def _resident_memory() -> int | None:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError):  # no Linux
        return None
