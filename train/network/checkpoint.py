"""Checkpoint files, read back as the style that they hold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fastnst.errors import FastnstError
from train.network.shape import NetworkShape
from train.network.transformer_net import TransformerNet

# The key of a Lightning checkpoint under which fastnst's own entries are.
KEY = "fastnst"
FORMAT = 2
NETWORK_PREFIX = "network."


@dataclass(frozen=True)
class StyleCheckpoint:
    """A training run as it stands in its checkpoint file.

    Attributes:
        path: The file.
        state: All of it, as Lightning saved it.
        options: The run's options by name, plain values (see `train.config.TrainingConfig`).
        style: What is known of the painting: `name`, `sha256`, `width`, `height`, `author`, `licence`.
        steps: Optimizer steps done.
        finished: Whether the run reached its last step and was measured.
        record: fastnst's own entries: `precision`, `seconds`, `losses`, `quality` and others.
    """

    path: Path
    state: Mapping[str, Any]
    options: Mapping[str, Any]
    style: Mapping[str, Any]
    steps: int
    finished: bool
    record: Mapping[str, Any]

    @property
    def network_shape(self) -> NetworkShape:
        """The shape of the trained network."""
        # Every network had the paper's outer kernels before there was the option.
        options = {"outer_kernel_size": 9} | dict(self.options)
        return NetworkShape(**{key: options[key] for key in NetworkShape._fields})

    def network(self) -> TransformerNet:
        """Return the trained network, on the CPU in float32 and evaluation mode.

        Raises:
            FastnstError: If the weights do not fit the network that the options describe.
        """
        network = TransformerNet(*self.network_shape)
        weights = {
            name.removeprefix(NETWORK_PREFIX): value
            for name, value in self.state["state_dict"].items()
            if name.startswith(NETWORK_PREFIX)
        }
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise FastnstError(f"{self.path} holds the weights of another network than it says") from error
        return network.eval().requires_grad_(False)


def load_checkpoint(path: str | os.PathLike[str]) -> StyleCheckpoint:
    """Read a checkpoint of `python -m train`.

    Args:
        path: The `.ckpt` file.

    Returns:
        What it holds, on the CPU.

    Raises:
        FastnstError: If the file is missing, damaged, or no checkpoint of fastnst.
    """
    path = Path(path)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise FastnstError(f"there is no checkpoint {path}; `make train STYLE=...` makes one") from None
    except OSError as error:
        raise FastnstError(f"cannot read the checkpoint {path}: {error.strerror or error}") from error
    with file:
        try:
            # weights_only: a checkpoint from elsewhere must not run code.
            state = torch.load(file, map_location="cpu", weights_only=True)
        # A damaged file makes the unpickler raise nearly anything.
        except Exception as error:
            raise FastnstError(
                f"{path} is damaged or no checkpoint: train again, or take another copy"
            ) from error
    record = state.get(KEY) if isinstance(state, dict) else None
    if not isinstance(record, dict) or "format" not in record or "state_dict" not in state:
        raise FastnstError(f"{path} is no checkpoint of fastnst")
    if record["format"] > FORMAT:
        raise FastnstError(f"{path} was written by a newer fastnst: update this one to read it")
    if record["format"] < FORMAT:  # 1: the network enlarged by the nearest neighbour
        raise FastnstError(
            f"{path} was written by an older fastnst with another network: train again (FRESH=1, --fresh); "
            "--init with the .onnx file that was exported from it saves most of the steps"
        )
    return StyleCheckpoint(
        path=path,
        state=state,
        options=record["options"],
        style=record["style"],
        steps=state["global_step"],
        finished=record["finished"],
        record=record,
    )
