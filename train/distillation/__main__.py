"""Make the compact loss network from VGG-19: `python -m train.distillation`.

The student learns three things from VGG-19. Its features are those of VGG-19, projected onto their principal
directions; its Gram matrices differ between two images as VGG-19's do; and the gradient of the training loss
with respect to the pixels, which trains a style, is VGG-19's. The last is learned by differentiating twice.
The images are those that training meets, see `DistillationImages`.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from fastnst.errors import FastnstError
from train.command import CommandParser, run_command, say, write_result
from train.distillation.start import pruned_state
from train.distillation.student import Student, distillation_loss
from train.distillation.targets import TEACHER, TEACHER_KEYS, Targets, TeacherNetwork, find_basis
from train.distillation.workers import Sources, TargetSupply
from train.loss.compact import (
    COMPACT_WEIGHTS,
    LICENCE,
    CompactFeatures,
    load_compact_state,
    weight_shapes,
)
from train.loss.vgg import load_vgg_state
from train.machine.freed_memory import keep_freed_memory

_EXAMPLES = """\
example:
  python -m train.distillation --teacher vgg19.pth --data train2017/ \\
    --paintings kandinsky.jpg starry_night.jpg wave.jpg --networks kandinsky starry_night wave
"""

_BASIS_IMAGES, _BASIS_SEED = 60, 0
_SOLVING_IMAGES = 56
_VALIDATION_GROUPS = 8
# With a larger relative squared error, features belong to other directions than the teacher's. A network that
# was solved for has 0.1, and one that always answers 0 has 1.
_OTHER_DIRECTIONS = 0.5

# The teacher costs more than the student: on average each of its answers serves for this many steps, least
# and most. At first, without gradients, the student is cheaper still.
_STEPS_A_GROUP = (1, 6)
_MOST_GROUPS = 400

_WARMUP = 50
_FEATURE_WEIGHT, _GRAM_WEIGHT, _GRADIENT_WEIGHT, _LENGTH_WEIGHT = 1.0, 1.0, 2.0, 0.1
# The least size of a weight that its learning rate is proportional to: biases start near 0.
_LEAST_SIZE = 0.03
_GREATEST_GRADIENT = 1.0

_STEPS_BETWEEN_REPORTS = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Distil the network.

    Args:
        arguments: The command line without the program; None takes the process's.

    Returns:
        The exit code: 0 when the file is written, 2 for a mistake, 130 when interrupted.
    """

    def distil() -> None:
        options = _parser().parse_args(arguments)
        _check(options)
        _distill(options)

    return run_command("distillation", distil)


def _parser() -> CommandParser:
    parser = CommandParser(
        "train.distillation", "Distil VGG-19 into the compact loss network.", examples=_EXAMPLES
    )
    add = parser.add_argument
    # Not torchvision's download, which has another licence.
    add(
        "--teacher",
        type=Path,
        required=True,
        metavar="FILE",
        help="the Visual Geometry Group's VGG-19 weights",
    )
    add(
        "--data",
        required=True,
        metavar="PHOTOS",
        help="a folder of photos; some hundreds are used, except 8 that styles are judged on",
    )
    add("--paintings", type=Path, nargs="+", required=True, metavar="FILE", help="paintings")
    add(
        "--networks",
        nargs="+",
        required=True,
        metavar="STYLE",
        help="trained styles, by name or file; they make some of the images",
    )
    add("--steps", type=int, default=3000, metavar="N", help="number of steps (%(default)s)")
    add(
        "--feature-steps",
        type=int,
        default=0,
        metavar="N",
        help="number of first steps that learn features only, without gradients (%(default)s)",
    )
    add(
        "--learning-rate",
        type=float,
        default=3e-3,
        metavar="X",
        help="the highest rate, relative to each weight (%(default)s)",
    )
    add(
        "--start",
        type=Path,
        metavar="FILE",
        help="continue from weights that this command wrote, with as many channels or fewer",
    )
    add("--workers", type=int, default=1, metavar="N", help="processes that make images (%(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="(%(default)s)")
    add("-o", "--output", type=Path, default=COMPACT_WEIGHTS, metavar="FILE", help="(%(default)s)")
    return parser


def _check(options: argparse.Namespace) -> None:
    at_least = {"steps": 1, "feature_steps": 0, "workers": 1, "seed": 0}
    for option, least in at_least.items():
        value = getattr(options, option)
        if value < least:
            raise FastnstError(f"--{option.replace('_', '-')} must be at least {least}, got {value}")
    if not (math.isfinite(options.learning_rate) and options.learning_rate > 0):
        raise FastnstError(f"--learning-rate must be above 0, got {options.learning_rate}")
    if options.output.is_dir() or not options.output.absolute().parent.is_dir():
        raise FastnstError(f"-o {options.output} must be a file in a folder that exists")


def _distill(options: argparse.Namespace) -> None:
    keep_freed_memory()
    start = None if options.start is None else load_compact_state(options.start)
    narrower = start is not None and not _has_all_channels(start, options.start)
    sources = Sources(options.teacher, options.data, tuple(options.paintings), tuple(options.networks))
    features = sources.load_features()
    # The same for the same sources: the weights of --start have learned these directions.
    images = sources.open_images(_BASIS_SEED)
    say(f"finding the principal directions of {_BASIS_IMAGES} images")
    basis = find_basis(features, images.basis_images(_BASIS_IMAGES))
    say(", ".join(f"{layer} keeps {part:.4f}" for layer, part in basis.kept.items()))
    held_out = sources.open_images(_BASIS_SEED, held_out=True)
    teacher = TeacherNetwork(features, basis)
    checks = [teacher(held_out.group(None)) for _ in range(_VALIDATION_GROUPS)]
    student, reason = None, "solving for the first weights"
    if start is not None and narrower:
        reason = f"{options.start} has fewer channels: solving for the others"
    elif start is not None:
        student = Student(start)
        if _feature_error(_measure(student, checks)) > _OTHER_DIRECTIONS:
            reason = f"{options.start} has learned other directions, of other images: solving for these"
            student = None
    if student is None:
        say(reason)
        vgg = load_vgg_state(TEACHER, options.teacher)
        solving = images.solving_images(_SOLVING_IMAGES)
        student = Student(pruned_state(vgg, TEACHER_KEYS, basis, solving, trunk=start))
    say("first: " + _describe(_measure(student, checks)))
    supply = TargetSupply(sources, basis, student, workers=options.workers, seed=options.seed)
    try:
        _train(student, supply, checks, options)
    finally:
        supply.close()
    _save(student, options.output)
    _unfinished(options.output).unlink(missing_ok=True)


def _has_all_channels(start: Mapping[str, Tensor], path: Path) -> bool:
    """Return whether a network has all channels of the one to make, rather than fewer.

    Raises:
        FastnstError: If it has more, or is no compact network.
    """
    narrower = False
    for name, shape in weight_shapes().items():
        found = tuple(start[name].shape) if name in start else ()
        if len(found) != len(shape) or any(here > there for here, there in zip(found, shape, strict=True)):
            raise FastnstError(f"--start {path}: {name} is {found or 'missing'} where {shape} is needed")
        narrower |= found != shape
    return not narrower


def _train(
    student: Student, supply: TargetSupply, checks: Sequence[Targets], options: argparse.Namespace
) -> None:
    # Steps in proportion to the weights: larger ones, and Muon's, lose more of the solution than they learn.
    optimizer = torch.optim.Adam(
        [
            {"params": [weight], "lr": options.learning_rate * max(_size(weight), _LEAST_SIZE)}
            for weight in student.weights.values()
        ],
        betas=(0.9, 0.99),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _learning_rate_factor(step, options.steps)
    )
    chooser = np.random.default_rng(options.seed)
    groups: list[Targets] = []
    taken = 0
    started = time.monotonic()
    for step in range(options.steps):
        if step == options.feature_steps:
            supply.ask_for_gradients()
            groups, taken = [], 0
        steps_of_phase = step - options.feature_steps if step >= options.feature_steps else step
        least, most = _STEPS_A_GROUP
        if steps_of_phase >= most * taken or (steps_of_phase >= least * taken and supply.ready()):
            if len(groups) == _MOST_GROUPS:  # the older half was made with a younger student
                groups.pop(int(chooser.integers(_MOST_GROUPS // 2)))
            groups.append(supply.take())
            taken += 1
            chosen = groups[-1]
        else:
            chosen = groups[int(chooser.integers(len(groups)))]
        optimizer.zero_grad()
        loss = _total(distillation_loss(student, chosen))
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(student.weights.values(), _GREATEST_GRADIENT)
        if torch.isfinite(loss):
            optimizer.step()
        schedule.step()
        if (step + 1) % _STEPS_BETWEEN_REPORTS == 0 or step + 1 == options.steps:
            found = _measure(student, checks)
            say(
                f"step {step + 1} of {options.steps}, {taken} groups, {time.monotonic() - started:.0f} s: "
                + _describe(found)
            )
            _save(student, _unfinished(options.output))


def _unfinished(output: Path) -> Path:
    """Return the file for unfinished weights: only finished ones replace a good file."""
    return output.with_name(f"{output.stem}.partial{output.suffix}")


def _size(weight: Tensor) -> float:
    return float(weight.detach().square().mean().sqrt())


def _learning_rate_factor(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / _WARMUP) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


def _total(terms: Mapping[str, Tensor]) -> Tensor:
    def mean(kind: str) -> Tensor:
        # The logarithm keeps one odd image from outweighing all others.
        return torch.stack([v.log1p().mean() for name, v in terms.items() if name.startswith(kind)]).mean()

    total = _FEATURE_WEIGHT * (mean("feature") + mean("content")) + _GRAM_WEIGHT * mean("gram")
    if "length" not in terms:
        return total
    return total + _GRADIENT_WEIGHT * mean("gradient") + _LENGTH_WEIGHT * mean("length")


def _measure(student: Student, checks: Sequence[Targets]) -> dict[str, float]:
    frozen = Student({name: weight.detach() for name, weight in student.weights.items()})
    found: dict[str, list[float]] = {}
    for targets in checks:
        for name, value in distillation_loss(frozen, targets).items():
            found.setdefault(name, []).extend(value.detach().tolist())
    return {name: fmean(values) for name, values in found.items()}


def _feature_error(terms: Mapping[str, float]) -> float:
    return fmean(value for name, value in terms.items() if name.startswith("feature"))


def _describe(terms: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in terms.items())


def _save(student: Student, path: Path) -> None:
    state = {name: weight.detach().half().contiguous() for name, weight in student.weights.items()}
    CompactFeatures((), state)  # checks that training can read it
    write_result(
        path,
        lambda temporary: safetensors.torch.save_file(state, temporary, metadata={"licence": LICENCE}),
    )


if __name__ == "__main__":
    sys.exit(main())
