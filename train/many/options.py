"""The command line of many trainings: the paintings, its own options, and those of each training."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fastnst.errors import FastnstError
from train.cli import check_arguments
from train.command import CommandParser
from train.config import TrainingConfig

_DESCRIPTION = """\
Train one style for each painting, several at a time: one on each GPU, or on each group of cores. Each style
is exported as soon as it is trained. At the end there are a table (CSV and JSON) and a sheet of all styles in
the output folder. Ctrl-C saves every run. The same command goes on: it skips what is trained.
"""
_EXAMPLES = """\
examples:
  python -m train.many styles/*.jpg --data train2017/
  python -m train.many styles/*.jpg --data train2017/ --preset quick --strength 7 --jobs 2 --group strong

Every other option goes to each training: python -m train --help lists them.
"""
_USAGE = "python -m train.many PAINTING... [--jobs N] [--group NAME] [--json] [--OPTION VALUE ...]"

# Options of a training that are this command's own, and why.
_NOT_HANDED_ON = {
    "style": "give the paintings without an option",
    "name": "each style has the name of its painting's file",
    "progress": "json is its only value here",
    "print_config": "python -m train prints the options of one training",
}


class ManyOptions(NamedTuple):
    """What the user asked for.

    Attributes:
        paintings: The painting of each style by the style's name, in the order given.
        jobs: How many trainings run at once; None for as many as there are GPUs or groups of cores.
        group: Name of the table, of the sheet and of the runs' group on the dashboard.
        as_json: Whether standard output is JSON lines.
        as_events: Whether standard error is events.
        training: The options of every training, as given.
        config: The same as the first training reads them; those that the preset `auto` sets are missing.
        ray: The address of the cluster of Ray that trains them; None trains on this machine.
    """

    paintings: dict[str, Path]
    jobs: int | None
    group: str
    as_json: bool
    as_events: bool
    training: tuple[str, ...]
    config: TrainingConfig
    ray: str | None = None


def read_arguments(arguments: Sequence[str]) -> ManyOptions:
    """Read the command line, and check all of it before anything is started.

    Args:
        arguments: The command line without the program.

    Raises:
        FastnstError: If an option is unknown or out of its range, a painting is missing, or two styles would
            have one name.
        SystemExit: With code 0, after --help.
    """
    parser = _parser()
    own, training, named = _divided(arguments, parser)
    given = parser.parse_args(own)
    if given.jobs is not None and given.jobs < 1:
        raise FastnstError(f"--jobs must be at least 1, got {given.jobs}")
    if not named:
        raise FastnstError("give the paintings: python -m train.many styles/*.jpg (--help says more)")
    paintings = _by_name(named)
    for painting in paintings.values():
        if not painting.is_file():
            raise FastnstError(f"there is no painting {painting}")
    config = check_arguments([f"--style={next(iter(paintings.values()))}", *training])
    for painting in paintings.values():
        dataclasses.replace(config, style=painting, name=None)  # checks the name
    group = dataclasses.replace(config, name=given.group).style_name  # fit for a file, as a style's name
    as_events = given.progress == "json"
    return ManyOptions(
        paintings, given.jobs, group, given.json, as_events, tuple(training), config, given.ray
    )


def _parser() -> CommandParser:
    parser = CommandParser("train.many", _DESCRIPTION, examples=_EXAMPLES, allow_abbrev=False)
    parser.usage = _USAGE
    add = parser.add_argument
    add("--jobs", type=int, metavar="N", help="trainings at once; by default one per GPU, or per four cores")
    add(
        "--group",
        default="many",
        metavar="NAME",
        help="of the table, the sheet and the group on the dashboard (%(default)s)",
    )
    add(
        "--ray",
        metavar="ADDRESS",
        help="train on all machines of a cluster of Ray: its address, or auto on one of its machines",
    )
    add("--json", action="store_true", help="print the table as JSON, one style a line")
    add("--progress", choices=("auto", "json"), default="auto", help="json: events on standard error")
    return parser


def _divided(arguments: Sequence[str], parser: CommandParser) -> tuple[list[str], list[str], list[Path]]:
    """Return the own options, those of the trainings, and the paintings."""
    hints = typing.get_type_hints(TrainingConfig)
    switches = {name for name, hint in hints.items() if hint is bool}
    own: list[str] = []
    training: list[str] = []
    paintings: list[Path] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            paintings += map(Path, rest)
            break
        if not argument.startswith("-") or argument == "-":
            paintings.append(Path(argument))
            continue
        option, equals, _ = argument.partition("=")
        action = parser._option_string_actions.get(option)
        name = option.removeprefix("--").replace("-", "_").partition(".")[0]
        if action is None and name in _NOT_HANDED_ON:
            raise FastnstError(f"{option} is no option here: {_NOT_HANDED_ON[name]}")
        if action is None and name not in (*hints, "config", "preset"):
            raise FastnstError(
                f"{option} is an option neither of train.many nor of train (python -m train.many --help and "
                "python -m train --help list them)"
            )
        words = [argument]
        takes_value = name not in switches if action is None else action.nargs != 0
        if not equals and rest and (takes_value or rest[0].lower() in ("true", "false")):
            words.append(rest.pop(0))
        (training if action is None else own).extend(words)
    return own, training, paintings


def _by_name(paintings: Sequence[Path]) -> dict[str, Path]:
    """Return the paintings by the names of their styles; one that is given twice counts once."""
    by_name: dict[str, Path] = {}
    for painting in paintings:
        known = by_name.setdefault(painting.stem, painting)
        if known.resolve() != painting.resolve():
            raise FastnstError(
                f"{known} and {painting} would both be the style {painting.stem}: rename one of "
                "them, or train them in two calls with another --output"
            )
    return by_name
