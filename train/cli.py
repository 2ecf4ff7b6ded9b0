"""The command line of training: options read, presets applied, mistakes told in one line."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import jsonargparse

import fastnst
from fastnst.errors import FastnstError
from train.config import TrainingConfig

PRESETS = Path(__file__).parent / "configs"

# 128 and the signal's number, as shells report it.
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a style.

    Args:
        arguments: The command line without the program; None takes the process's.

    Returns:
        The exit code: 0 for a finished style, 2 for a mistake, 130 when interrupted.
    """
    try:
        config, preset = parse_arguments(sys.argv[1:] if arguments is None else arguments)
        # Only now: these take seconds, and a mistake or --help should not.
        print(f"fastnst {fastnst.__version__}: loading PyTorch", file=sys.stderr, flush=True)  # noqa: T201
        from train.run import run

        return INTERRUPTED if run(config, preset).interrupted else 0
    except FastnstError as error:
        print(f"train: error: {error}", file=sys.stderr)  # noqa: T201 - the one line
        return 2
    except KeyboardInterrupt:
        print("train: interrupted", file=sys.stderr)  # noqa: T201 - before training had begun
        return INTERRUPTED


def parse_arguments(arguments: Sequence[str]) -> tuple[TrainingConfig, str]:
    """Read the options: the defaults, then the preset, then the command line.

    Args:
        arguments: The command line without the program. `--style-weight` and `--style_weight` are the same.

    Returns:
        The options and the name of the preset.

    Raises:
        FastnstError: If an option is unknown or out of its range.
        SystemExit: With code 0, after --help.
    """
    parser = _parser()
    arguments = [_underscored(argument) for argument in arguments]
    try:
        preset = parser.parse_args(arguments).preset
        if preset == "auto":
            preset = "default" if _has_gpu() else "quick"
        if preset not in preset_names():
            raise FastnstError(f"there is no preset {preset!r}; there are {', '.join(preset_names())}")
        parsed = parser.parse_args([f"--config={PRESETS / preset}.yaml", *arguments])
        options = {field.name: parsed[field.name] for field in dataclasses.fields(TrainingConfig)}
        return TrainingConfig(**options), preset
    except jsonargparse.ArgumentError as error:
        line = " ".join(str(error).split())
        raise FastnstError(f"{line} (see python -m train --help)") from error


def preset_names() -> list[str]:
    """Return the names of the presets in train/configs."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def _parser() -> jsonargparse.ArgumentParser:
    parser = jsonargparse.ArgumentParser(
        prog="python -m train", description=TrainingConfig.__doc__, exit_on_error=False, default_env=False
    )
    parser.add_argument("--config", action="config", help="A YAML file with options of your own.")
    parser.add_argument("--preset", type=str, default="auto", help=" ".join(preset_names()))
    parser.add_class_arguments(TrainingConfig, None)
    return parser


def _underscored(argument: str) -> str:
    # jsonargparse names options after the fields; people type hyphens.
    if not argument.startswith("--"):
        return argument
    option, equals, value = argument.partition("=")
    return "--" + option[2:].replace("-", "_") + equals + value


def _has_gpu() -> bool:
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return False
    import torch  # takes a second, which is why it is asked only when the preset depends on it

    return torch.cuda.is_available() or torch.backends.mps.is_available()
