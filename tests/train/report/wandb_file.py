"""Read the record file of an offline wandb run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

_BLOCK = 32 * 1024
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def read_records(path: Path) -> Iterator[Any]:
    """Yield the records: a 7-byte header, then a LevelDB log of protocol buffers.

    A file that ends in the middle of a record, as a killed run leaves it, ends the records.
    """
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    place, parts = 7, []
    while place + 7 <= len(data):
        rest = _BLOCK - place % _BLOCK
        if rest < 7:  # too little for a chunk's header: zeros up to the next block
            place += rest
            continue
        length = int.from_bytes(data[place + 4 : place + 6], "little")
        kind = data[place + 6]
        if kind == 0 or place + 7 + length > len(data):
            return
        parts.append(data[place + 7 : place + 7 + length])
        place += 7 + length
        if kind in (_FULL, _LAST):
            yield wandb_internal_pb2.Record.FromString(b"".join(parts))
            parts = []


class WandbRun:
    """What a run has recorded: its id, options, curves and artifacts."""

    def __init__(self, path: Path) -> None:
        self.id = ""
        self.ended = False
        self.config: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []
        self.artifacts: list[Any] = []
        for record in read_records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                self.id = record.run.run_id
                self.config |= _values(record.run.config.update)
            elif kind == "config":
                self.config |= _values(record.config.update)
            elif kind == "history":
                self.history.append(_values(record.history.item))
            elif kind == "exit":
                self.ended = True
            elif kind == "artifact":
                self.artifacts.append(record.artifact)
            elif kind == "request" and record.request.HasField("log_artifact"):
                self.artifacts.append(record.request.log_artifact.artifact)

    @classmethod
    def ended_in(cls, path: Path) -> WandbRun:
        """Read a run once wandb's own process has written its end, which it does unasked."""
        while not (run := cls(path)).ended:
            time.sleep(0.05)
        return run

    def curve(self, key: str) -> list[tuple[int, Any]]:
        """Return the points of a curve: step and value."""
        return [(row["trainer/global_step"], row[key]) for row in self.history if key in row]


def _values(items: Iterable[Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for item in items:
        *parents, key = item.nested_key or [item.key]
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        place[key] = json.loads(item.value_json)
    return values
