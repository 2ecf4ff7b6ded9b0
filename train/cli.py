"""The command line of training: reads options, applies presets, reports mistakes in one line."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import re
import sys
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path

import jsonargparse

import fastnst
from fastnst.errors import INTERRUPTED, MISTAKE, FastnstError
from fastnst.parent_process import stop_with_parent
from fastnst.terminal import lost_output, one_line, printable, set_up_streams
from train.command import describe_os_error
from train.config import OPTION_GROUPS, TrainingConfig
from train.run.lock import run_lock
from train.terminal import is_first_process, say_once, tell, want_events

PRESETS = Path(__file__).parent / "presets"

# Of characters of a line: jsonargparse repeats what was given, however long it is.
_MOST_OF_A_MISTAKE = 600


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a style.

    Args:
        arguments: The command line without the program; None takes the process's.

    Returns:
        The exit code: 0 for a finished style, 2 for a mistake, 130 when interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    stop_with_parent()
    set_up_streams()
    # A mistake on the command line is an event too, and it may keep the options from being read.
    want_events(_asks_for_events(arguments))
    try:
        return _main(arguments)
    finally:
        want_events(False)


def _main(arguments: Sequence[str]) -> int:
    config: TrainingConfig | None = None
    try:
        config, preset = parse_arguments(arguments)
        want_events(config.progress == "json")  # as a file of --config may have it
        # Imported late: it takes seconds, which a mistake or --help should not.
        from train.run.run import run

        # Processes that Lightning starts belong to the run that holds the lock.
        lock = run_lock(config.checkpoint_path) if is_first_process() else contextlib.nullcontext()
        with lock:
            code = INTERRUPTED if run(config, preset).interrupted else 0
        if (lost := lost_output()) is not None:
            code = code or _mistake(f"the output cannot be written: {lost.strerror or lost}")
        return code
    except FastnstError as error:
        return _mistake(str(error))
    except OSError as error:
        return _mistake(describe_os_error(error))
    except KeyboardInterrupt:
        if is_first_process():
            saved = None if config is None else config.checkpoint_path
            if not tell("interrupted", checkpoint=str(saved) if saved and saved.exists() else None):
                print("train: interrupted", file=sys.stderr)  # noqa: T201 - before or after training itself
        return INTERRUPTED


def _mistake(line: str) -> int:
    number = _process_number()
    where = f" in process {number}" if number else ""
    if not tell("error", by_all=True, text=one_line(line), process=number):
        print(f"train: error{where}: {one_line(line)}", file=sys.stderr)  # noqa: T201 - the one line
    return MISTAKE


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
    arguments = _as_jsonargparse_reads_them(arguments)
    with _mistakes_in_one_line():
        given = parser.parse_args(arguments)
        _config(given)  # reports a mistake before anything is loaded
        preset = _preset(given)
        say_once(f"fastnst {fastnst.__version__}: loading PyTorch")
        if preset == "auto":
            preset = "default" if _has_gpu() else "quick"
        return _with_preset(parser, preset, arguments, given), preset


def check_arguments(arguments: Sequence[str]) -> TrainingConfig:
    """Read the options for a command that starts trainings: says nothing, and does not load PyTorch.

    Args:
        arguments: As in `parse_arguments`.

    Returns:
        The options; with the preset `auto`, which asks for a GPU, as they are without a preset.

    Raises:
        FastnstError: As `parse_arguments`.
    """
    parser = _parser()
    arguments = _as_jsonargparse_reads_them(arguments)
    with _mistakes_in_one_line():
        given = parser.parse_args(arguments)
        preset = _preset(given)
        return _config(given) if preset == "auto" else _with_preset(parser, preset, arguments, given)


def _preset(given: jsonargparse.Namespace) -> str:
    if given.preset not in ("auto", *preset_names()):
        raise FastnstError(f"there is no preset {given.preset!r}; there are {', '.join(preset_names())}")
    return str(given.preset)


def _with_preset(
    parser: jsonargparse.ArgumentParser, preset: str, arguments: Sequence[str], given: jsonargparse.Namespace
) -> TrainingConfig:
    parsed = parser.parse_args([f"--config={PRESETS / preset}.yaml", *arguments])
    if given.strength is not None or given.style_weight is not None:
        # Both set the style's weight: either replaces whichever the preset has.
        parsed.strength, parsed.style_weight = given.strength, given.style_weight
    return _config(parsed)


@contextlib.contextmanager
def _mistakes_in_one_line() -> Iterator[None]:
    try:
        yield
    except jsonargparse.ArgumentError as error:
        line = re.sub(r'Parser key "(\w+)"', lambda key: f"--{key[1].replace('_', '-')}", str(error))
        line = " ".join(re.sub(r"<class '(\w+)'>", r"\1", line).replace("typing.", "").split())
        raise FastnstError(f"{printable(line, _MOST_OF_A_MISTAKE)} (see python -m train --help)") from error
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError, AttributeError) as error:
        # jsonargparse lets some of YAML's errors through, such as bytes that are no text.
        raise FastnstError(
            "an option, or the file of --config, cannot be read: "
            f"{printable(one_line(error), _MOST_OF_A_MISTAKE)} (see python -m train --help)"
        ) from error


def _config(parsed: jsonargparse.Namespace) -> TrainingConfig:
    options = {field.name: parsed[field.name] for field in dataclasses.fields(TrainingConfig)}
    for name, hint in typing.get_type_hints(TrainingConfig).items():
        # jsonargparse takes YAML's null for a value of any type.
        if options[name] is None and type(None) not in typing.get_args(hint):
            option = f"--{name.replace('_', '-')}"
            raise FastnstError(f"{option} is null: give it a value, or leave it out for its default")
    return TrainingConfig(**options)


def preset_names() -> list[str]:
    """Return the names of the presets in train/presets."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def _parser() -> jsonargparse.ArgumentParser:
    jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = jsonargparse.ArgumentParser(
        prog="python -m train",
        usage="python -m train --style PAINTING [--data PHOTOS] [--preset NAME] [--OPTION VALUE ...]",
        description=TrainingConfig.__doc__,
        formatter_class=_HelpFormatter,
        exit_on_error=False,
        default_env=False,
    )
    parser.add_argument("--config", action="config", help="A YAML file with options of your own.")
    presets = f"Defaults for a machine: {', '.join(preset_names())}; auto asks whether there is a GPU."
    parser.add_argument("--preset", type=str, default="auto", help=presets)
    parser.add_class_arguments(TrainingConfig, None)
    _group_options(parser)
    return parser


def _group_options(parser: jsonargparse.ArgumentParser) -> None:
    (options,) = (
        group
        for group in parser._action_groups
        if any(action.dest == "style" for action in group._group_actions)
    )
    parser._action_groups = [group for group in parser._action_groups if group is not options]
    for action in options._group_actions:
        if action.dest in OPTION_GROUPS:
            group = parser.add_argument_group(OPTION_GROUPS[action.dest])
        group._group_actions.append(action)


class _HelpFormatter(jsonargparse.DefaultHelpFormatter):
    """Each option with its default instead of its type: two screens instead of five."""

    def __init__(self, prog: str, **options: typing.Any) -> None:
        super().__init__(prog, **options | {"max_help_position": 34})  # type: ignore[no-untyped-call]

    def _format_action_invocation(self, action: argparse.Action) -> str:
        names = [name if name == "-h" else name.replace("_", "-") for name in action.option_strings]
        if action.nargs == 0 or action.dest == "print_config":
            return ", ".join(names)
        default = action.default
        if isinstance(default, tuple):
            default = f"[{','.join(map(str, default))}]"
        elif isinstance(default, bool):
            default = str(default).lower()
        elif default in (None, "", {}, argparse.SUPPRESS):
            default = "..."
        return f"{names[0]} {default}"

    def _get_help_string(self, action: argparse.Action) -> str:
        if action.dest == "print_config":
            return "Print the options and exit."
        text = str(action.help or "").replace("%", "%%")
        choices = typing.get_args(typing.get_type_hints(TrainingConfig).get(action.dest))
        if choices and all(isinstance(choice, str) for choice in choices):
            text += f" One of {', '.join(choices)}."
        return text


def _as_jsonargparse_reads_them(arguments: Sequence[str]) -> list[str]:
    # It names options after the fields, but people type hyphens; it wants [a,b], but people type a,b;
    # it wants --fresh true, but people type --fresh.
    hints = typing.get_type_hints(TrainingConfig)
    lists = {f"--{name}" for name, hint in hints.items() if "tuple" in str(hint)}
    switches = {f"--{name}" for name, hint in hints.items() if hint is bool}
    read: list[str] = []
    for argument, following in zip(arguments, [*arguments, "--"][1:], strict=True):
        if argument.startswith("--"):
            option, equals, value = argument.partition("=")
            option = option.replace("-", "_").replace("__", "--", 1)
            bracketed = equals and option in lists and not value.startswith("[")
            if option in switches and not equals and following.lower() not in ("true", "false"):
                option += "=true"
            read.append(option + equals + (f"[{value}]" if bracketed else value))
        elif read and read[-1] in lists and not argument.startswith("["):
            read.append(f"[{argument}]")
        else:
            read.append(argument)
    return read


def _asks_for_events(arguments: Sequence[str]) -> bool:
    return any(
        argument == "--progress=json" or [argument, following] == ["--progress", "json"]
        for argument, following in zip(arguments, [*arguments, ""][1:], strict=True)
    )


def _process_number() -> int:
    # Lightning, torchrun and Slurm number the processes that train together; by hand, one numbers machines.
    numbers = ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")
    return next((number for name in numbers if (number := int(os.environ.get(name) or 0))), 0)


def _has_gpu() -> bool:
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return False
    import torch  # takes a second: asked only when the preset depends on it

    return torch.cuda.is_available() or torch.backends.mps.is_available()
