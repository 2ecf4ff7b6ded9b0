"""The checkpoint of the network for any painting, and the record of its run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from fastnst.errors import FastnstError
from train.arbitrary.any_painting_net import AnyPaintingNet
from train.arbitrary.painting_encoder import PaintingEncoder

KEY = "fastnst_any_painting"
"""Where the file holds the record."""
FORMAT = 1


class AnyPaintingRecord(NamedTuple):
    """What a run was.

    Attributes:
        format: Of the checkpoint.
        version: Of fastnst.
        options: The run's options, as plain values.
        paintings: Names and SHA-256 sums of the given paintings.
        start: The style whose weights came first; empty for random ones.
        max_steps: Optimizer steps in all.
        seconds: Training time.
        finished: Whether the run has ended.
        tracking_run: What finds the run on its dashboard again, if it has one.
    """

    format: int
    version: str
    options: Mapping[str, Any]
    paintings: Mapping[str, str]
    start: str
    max_steps: int
    seconds: float = 0.0
    finished: bool = False
    tracking_run: Mapping[str, str] | None = None


class AnyPaintingCheckpoint(NamedTuple):
    """A run as it stands in its checkpoint file.

    Attributes:
        network: The network, on the CPU in evaluation mode.
        encoder: Measures paintings for it.
        record: The run's record.
        steps: Optimizer steps done.
    """

    network: AnyPaintingNet
    encoder: PaintingEncoder
    record: AnyPaintingRecord
    steps: int


def load_any_painting(path: Path) -> AnyPaintingCheckpoint:
    """Read a checkpoint of `python -m train.arbitrary`.

    Args:
        path: The `.ckpt` file.

    Raises:
        FastnstError: If the file is missing, damaged, or no such checkpoint.
    """
    try:
        # weights_only: a checkpoint from elsewhere must not run code.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FastnstError(f"there is no checkpoint {path}; `python -m train.arbitrary` makes one") from None
    except OSError as error:
        raise FastnstError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    except Exception as error:  # on a damaged file, the unpickler may raise any
        raise FastnstError(
            f"{path} is damaged or no checkpoint: train again, or take another copy"
        ) from error
    if not isinstance(state, dict) or KEY not in state:
        raise FastnstError(f"{path} is no checkpoint of `python -m train.arbitrary`")
    network, encoder = AnyPaintingNet(), PaintingEncoder()
    try:
        if state[KEY]["format"] > FORMAT:
            raise FastnstError(f"{path} was written by a newer fastnst: update this one to read it")
        known = AnyPaintingRecord._fields  # what a later version adds is ignored
        record = AnyPaintingRecord(**{name: state[KEY][name] for name in known if name in state[KEY]})
        for name, module in (("network.", network), ("encoder.", encoder)):
            weights = {
                key.removeprefix(name): value
                for key, value in state["state_dict"].items()
                if key.startswith(name)
            }
            module.load_state_dict(weights)
        steps = int(state["global_step"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise FastnstError(f"{path} is no checkpoint of this network: {reason}") from error
    return AnyPaintingCheckpoint(
        network.eval().requires_grad_(False), encoder.eval().requires_grad_(False), record, steps
    )
