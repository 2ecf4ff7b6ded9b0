"""Reading a checkpoint file: the trained network and the record of its run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fastnst.errors import FastnstError
from train.machine.refused_pickle import forbidden_in_pickle
from train.network.build import StyleNetwork, build_network, sizes_of_weights
from train.network.record import FORMAT, RunRecord

KEY = "fastnst"
"""Where a Lightning checkpoint holds the run's record."""
NETWORK_PREFIX = "network."


@dataclass(frozen=True)
class StyleCheckpoint:
    """A training run as it stands in its checkpoint file.

    Attributes:
        path: The file.
        state: All of it, as Lightning saved it.
        steps: Optimizer steps done.
        record: The run's record.
    """

    path: Path
    state: Mapping[str, Any]
    steps: int
    record: RunRecord

    def network(self) -> StyleNetwork:
        """Return the trained network, on the CPU in float32 and evaluation mode.

        Raises:
            FastnstError: If the weights do not fit the network that the options describe.
        """
        weights = {
            name.removeprefix(NETWORK_PREFIX): value
            for name, value in self.state["state_dict"].items()
            if name.startswith(NETWORK_PREFIX)
        }
        another = FastnstError(f"{self.path} holds the weights of another network than it says")
        try:
            # Before it is built: a foreign file may name a network that no memory holds.
            if sizes_of_weights(self.record.network_shape, len(weights)) != {
                name: value.shape for name, value in weights.items()
            }:
                raise another
            network = build_network(self.record.network_shape)
        except (LookupError, TypeError, RuntimeError, ValueError, ArithmeticError) as error:
            raise FastnstError(f"{self.path} says it holds a network that cannot be built") from error
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:  # such as of sparse tensors
            raise another from error
        return network.eval().requires_grad_(False)


def load_checkpoint(path: str | os.PathLike[str]) -> StyleCheckpoint:
    """Read a checkpoint of `python -m train`.

    Args:
        path: The `.ckpt` file.

    Returns:
        Its content, on the CPU.

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
        # On a damaged file, the unpickler may raise any exception.
        except Exception as error:
            if (asked := forbidden_in_pickle(error)) is not None:
                raise FastnstError(
                    f"{path} asks for {asked}, which could run code: a checkpoint of fastnst holds only "
                    "tensors and plain values"
                ) from error
            raise FastnstError(
                f"{path} is damaged or no checkpoint: train again, or take another copy"
            ) from error
    entries = state.get(KEY) if isinstance(state, dict) else None
    if not isinstance(entries, dict) or not isinstance(entries.get("format"), int) or not _is_whole(state):
        raise FastnstError(f"{path} is no checkpoint of fastnst")
    if entries["format"] > FORMAT:
        raise FastnstError(f"{path} was written by a newer fastnst: update this one to read it")
    if entries["format"] < FORMAT:  # 1: the network enlarged by the nearest neighbour
        raise FastnstError(
            f"{path} was written by an older fastnst with another network: train again (FRESH=1, --fresh); "
            "--init with the .onnx file that was exported from it saves most of the steps"
        )
    try:
        return StyleCheckpoint(path, state, state["global_step"], RunRecord.from_entries(entries))
    except (KeyError, TypeError, ValueError) as error:
        raise FastnstError(f"{path} is no checkpoint of fastnst: its record is damaged ({error})") from error


def _is_whole(state: Mapping[str, Any]) -> bool:
    """Return whether a file holds the steps and weights of a run, of whatever network."""
    weights = state.get("state_dict")
    return (
        isinstance(state.get("global_step"), int)
        and isinstance(weights, dict)
        and all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in weights.items())
    )
