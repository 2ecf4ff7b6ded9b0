"""Damaged and hostile checkpoints and YAML options, each made from a number: read, or refused in one line.

`python -m tests.train.fuzz --kind checkpoint --seconds 600` names every number after which something else
happened: another exception than a FastnstError, or more than ten seconds.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import functools
import io
import os
import pickle
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]

from export.metadata import describe_style
from fastnst.errors import FastnstError
from fastnst.terminal import one_line
from tests.fastnst.damage import damaged
from tests.fastnst.fuzz_models import assert_one_line
from train.cli import parse_arguments
from train.config import TrainingConfig
from train.network.build import build_network
from train.network.checkpoint import KEY, NETWORK_PREFIX, load_checkpoint
from train.network.record import FORMAT
from train.network.shape import NetworkShape

MOST_SECONDS = 10

_SHAPE = NetworkShape(width=4, residual_blocks=1, outer_kernel_size=9)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1,
    3,
    10**6,
    2**63,
    10**40,
    0.5,
    -1.5,
    float("nan"),
    float("inf"),
    "",
    "a",
    "\0",
    "a\nfastnst: error: faked",
    "\x1b[2J",
    "x" * 5000,
    "../../etc/passwd",
    "2024-01-01",
    "1e9",
    "auto",
    b"bytes",
    [],
    [1],
    ["relu1_2"],
    [[[]]],
    {},
    {"a": 1},
    {1: {2: 3}},
    (),
    (1, 2),
)
_YAML = (
    "!!python/object/apply:os.system ['true']",
    "!!python/name:os.system",
    "&a [*a]",
    "*nowhere",
    "<<: 1",
    "? [a]",
    "{",
    "[",
    "'",
    "%YAML 9.9",
    "--- a\n--- b",
    "\t",
    "!!binary x",
    "!!set {a}",
    "0x10",
    "1:30:00",
    "2024-01-01",
    "2024-99-99",
    "~",
    "yes",
    ".nan",
    ".inf",
    "|\n a",
    ">",
    "@",
    "`",
    "\x00",
    "\x1b[2J",
    "\ufeff",
    "\u2028",
    "[" * 500,
    "- " * 500,
    "{a: " * 300,
    "9" * 5000,
    "!<tag:yaml.org,2002:float> x",
    "config: [.]",
    "print_config:",
)


class _Forbidden:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


def _state() -> dict[str, Any]:
    network = build_network(_SHAPE)
    config = TrainingConfig(style=Path("a.jpg"), data="photos", **_SHAPE._asdict(), loss_network="vgg16")
    return {
        "epoch": 0,
        "global_step": 600,
        "state_dict": {NETWORK_PREFIX + name: value for name, value in network.state_dict().items()},
        "optimizer_states": [],
        KEY: {
            "format": FORMAT,
            "version": "0.1.0",
            "options": config.to_dict(),
            "style": {"name": "a", "sha256": "5e" * 32, "width": 3, "height": 2, "author": "", "licence": ""},
            "precision": "32-true",
            "world_size": 1,
            "max_steps": 600,
            "seconds": 7.5,
            "losses": {"val/content_loss": 0.5},
            "quality": {
                "content": 0.7,
                "style": 0.02,
                "style_by_scale": {1: 0.03},
                "style_at_trained_size": 0.04,
                "content_by_layer": {"relu3_3": 0.7},
                "style_by_layer": {"relu1_2": 0.01},
                "photos": 8,
                "size": 512,
            },
            "finished": True,
            "tracking_run": {"id": "a"},
            "init": {},
        },
    }


@functools.cache
def _whole() -> tuple[bytes, ...]:
    """A checkpoint in either of PyTorch's formats."""
    found = []
    for is_zip in (True, False):
        buffer = io.BytesIO()
        torch.save(_state(), buffer, _use_new_zipfile_serialization=is_zip)
        found.append(buffer.getvalue())
    return tuple(found)


def checkpoint_case(number: int) -> bytes:
    """Return the checkpoint of a number: damaged bytes, a foreign pickle, or wrong values in the record."""
    chance = random.Random(number)
    kind = chance.random()
    if kind < 0.3:
        return damaged(chance.choice(_whole()), chance, header=3000)
    if kind < 0.4:
        foreign = chance.choice((
            *_VALUES, _Forbidden(), collections.OrderedDict(a=1), datetime.date(2024, 1, 1),
            torch.nn.Linear(2, 2),
        ))  # fmt: skip
        return damaged(pickle.dumps(foreign), chance) if chance.random() < 0.3 else pickle.dumps(foreign)
    state = _state()
    for _ in range(chance.choice((1, 1, 2, 4))):
        _change(state, chance)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _change(entries: Any, chance: random.Random) -> None:
    """Drop or replace something, seldom at the top and mostly in the record."""
    if not entries:
        return
    keys = list(entries)
    key = KEY if KEY in entries and chance.random() < 0.85 else chance.choice(keys)
    if isinstance(entries[key], dict) and entries[key] and chance.random() < 0.85:
        _change(entries[key], chance)
    elif chance.random() < 0.2:
        del entries[key]
    elif isinstance(entries[key], torch.Tensor) and chance.random() < 0.5:
        value = entries[key]
        entries[key] = chance.choice((
            value.half(), value.to(torch.int8), value[..., :0], value * float("nan"), value.to_sparse(),
            value.to(torch.complex64), value.unsqueeze(0), value.expand(2, *value.shape), torch.tensor(1),
        ))  # fmt: skip
    else:
        entries[key] = _Forbidden() if chance.random() < 0.05 else chance.choice(_VALUES)


def config_case(number: int) -> bytes:
    """Return the YAML file of a number."""
    chance = random.Random(number)
    options = TrainingConfig(style=Path("a.jpg")).to_dict()
    chosen = {name: options[name] for name in chance.sample(sorted(options), chance.randrange(1, 8))}
    for name in chosen:
        if chance.random() < 0.4:
            value = chance.choice(_VALUES)
            chosen[name] = list(value) if isinstance(value, tuple) else value
    lines = yaml.safe_dump(chosen, allow_unicode=chance.random() < 0.5).splitlines()
    for _ in range(chance.choice((0, 1, 1, 2))):
        text = chance.choice(_YAML)
        line = text if chance.random() < 0.3 else f"{chance.choice(sorted(options))}: {text}"
        lines.insert(chance.randrange(len(lines) + 1), line)
    data = "\n".join(lines).encode(errors="surrogatepass")
    return damaged(data, chance) if chance.random() < 0.4 else data


def check_checkpoint(data: bytes) -> None:
    """Read a checkpoint, and use what export uses of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ckpt"
        path.write_bytes(data)
        try:
            checkpoint = load_checkpoint(path)
            checkpoint.network()
            metadata = describe_style(checkpoint)
            assert all(isinstance(value, str) for value in metadata.values())
        except FastnstError as error:
            assert_one_line(error)


def check_config(data: bytes) -> None:
    """Read options as `python -m train --config` does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.yaml"
        path.write_bytes(data)
        try:
            parse_arguments(["--preset=quick", "--style=a.jpg", "--config", str(path)])
        except FastnstError as error:
            assert_one_line(FastnstError(one_line(error)))  # as the command prints it


KINDS: dict[str, tuple[Callable[[int], bytes], Callable[[bytes], None]]] = {
    "checkpoint": (checkpoint_case, check_checkpoint),
    "config": (config_case, check_config),
}


def findings(kind: str, first: int, *, seconds: float, most: int | None = None) -> tuple[int, list[str]]:
    """Run cases for a time; return how many there were, and what was wrong with which."""
    make, check = KINDS[kind]
    make(first)
    found, number = [], first
    end = time.monotonic() + seconds
    while time.monotonic() < end and (most is None or number - first < most):
        data = make(number)
        start = time.monotonic()
        try:
            check(data)
        except (Exception, SystemExit):  # noqa: BLE001 - what the fuzzer looks for
            found.append(f"{kind} {number}: {traceback.format_exc()}")
        if (taken := time.monotonic() - start) > MOST_SECONDS:
            found.append(f"{kind} {number}: {taken:.0f} s")
        number += 1
    return number - first, found


def main() -> None:
    """Run for a time, and end with code 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, default="checkpoint")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--one", type=int, help="run the case of this number alone")
    options = parser.parse_args()
    if options.one is not None:
        make, check = KINDS[options.kind]
        check(make(options.one))
        return
    cases, found = findings(options.kind, options.first, seconds=options.seconds)
    print(*found, f"{cases} {options.kind} cases, {len(found)} findings", sep="\n")
    sys.exit(min(len(found), 1))


if __name__ == "__main__":
    main()
