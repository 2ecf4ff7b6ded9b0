"""The first weights of the student: the teacher with fewer channels, which are solved to replace the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from train.distillation.targets import Basis
from train.loss.compact import COMPACT_LAYERS, HEADS, MEAN, STD, TRUNK

# Positions of each image that give equations, and the fraction of the mean energy that ridge regression adds
# to the energy of each unknown, which keeps solutions small.
_POSITIONS = 700
_RIDGE = 1e-4
# Values that a ReLU turns to 0 need not be predicted: in each of these rounds, such predictions become their
# own targets.
_ROUNDS = 3


@torch.no_grad()
def pruned_state(
    state: Mapping[str, Tensor],
    keys: Sequence[str],
    basis: Basis,
    images: Sequence[Tensor],
    *,
    trunk: Mapping[str, Tensor] | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Return weights for the compact network in which each channel stands for one of VGG-19's.

    In each layer the channels that explain most of the energy are kept, chosen one by one. The kernels are
    then solved for, layer by layer: from the student's features so far they predict the kept channels by
    linear least squares (He et al. 2017, arXiv:1707.06168).

    Args:
        state: VGG-19's weights.
        keys: Their names, such as `features.0`, for each convolution of the compact network.
        basis: The directions that the heads predict.
        images: Images to solve on, each (1, 3, H, W) in [0, 1], all of one size.
        trunk: Weights of a compact network of the same widths or narrower, whose 3x3 convolutions are kept.
            Only the heads and the missing channels, which explain what the given ones leave unexplained, are
            solved for.
        seed: Seed of the choice of positions.

    Returns:
        Float32 weights by their names in the compact network.
    """
    generator = torch.Generator().manual_seed(seed)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    teacher = student = (torch.cat(list(images)) - mean) / std
    heads = {(block, conv): layer for layer, (block, conv, _) in HEADS.items()}
    found: dict[str, Tensor] = {}
    for key, (name, block, conv, width) in zip(keys, TRUNK, strict=True):
        if block and not conv:
            teacher, student = F.max_pool2d(teacher, 2), F.max_pool2d(student, 2)
        kernel, bias = state[f"{key}.weight"].float(), state[f"{key}.bias"].float()
        wanted = F.conv2d(teacher, kernel, bias, padding=1)
        teacher = F.relu(wanted)
        where = torch.randint(teacher[0, 0].numel(), (len(teacher), _POSITIONS), generator=generator)
        weight, constant = _given(trunk, name, student.shape[1])
        if added := width - len(weight):
            explained = F.relu(F.conv2d(student, weight, constant, padding=1)) if len(weight) else None
            kept = _representatives(_unexplained_moment(teacher, explained), added)
            scale = teacher[:, kept].square().mean().sqrt()
            targets = _at(wanted[:, kept] / scale, where)
            solution = _solve(_at(F.unfold(student, 3, padding=1), where), targets)
            weight = torch.cat((weight, solution[:-1].T.reshape(added, student.shape[1], 3, 3)))
            constant = torch.cat((constant, solution[-1]))
        found |= {f"{name}.weight": weight, f"{name}.bias": constant}
        student = F.relu(F.conv2d(student, weight, constant, padding=1))
        if layer := heads.get((block, conv)):
            projected = _at(F.conv2d(teacher, basis.kernels[layer]), where)
            solution = _solve(_at(student, where), projected, rectified=False)
            found[f"{layer}.weight"] = solution[:-1].T[:, :, None, None].contiguous()
            found[f"{layer}.bias"] = solution[-1].clone()
    assert set(COMPACT_LAYERS) <= {name.partition(".")[0] for name in found}
    return found


def _given(trunk: Mapping[str, Tensor] | None, name: str, channels: int) -> tuple[Tensor, Tensor]:
    """Return the given kernels of a convolution, with zeros for new input channels, and their biases."""
    if trunk is None:
        return torch.empty(0, channels, 3, 3), torch.empty(0)
    kernel, bias = trunk[f"{name}.weight"].float(), trunk[f"{name}.bias"].float()
    return F.pad(kernel, (0, 0, 0, 0, 0, channels - kernel.shape[1])), bias


def _unexplained_moment(activations: Tensor, explained: Tensor | None) -> Tensor:
    """Return the second moments, (C, C), of the residual of activations that others predict."""
    flat = activations.transpose(0, 1).flatten(1)
    moment = flat @ flat.T / flat.shape[1]
    if explained is None:
        return moment
    known = explained.transpose(0, 1).flatten(1)
    square, cross = (known @ known.T / known.shape[1]).double(), (known @ flat.T / known.shape[1]).double()
    square.diagonal().add_(_RIDGE * square.diagonal().mean())
    predicted: Tensor = (cross.T @ torch.linalg.solve(square, cross)).float()
    return moment - predicted


def _representatives(moment: Tensor, count: int) -> list[int]:
    """Choose the channels that predict all channels best, by their second moments, (C, C)."""
    rest = moment.double().clone()
    chosen: list[int] = []
    for _ in range(count):
        gains = rest.square().sum(0) / rest.diagonal().clamp_min(1e-12 * float(moment.diagonal().max()))
        gains[chosen] = -1
        best = int(gains.argmax())
        chosen.append(best)
        column = rest[:, best].clone()
        rest -= torch.outer(column, column) / column[best].clamp_min(1e-12)
    return sorted(chosen)


def _at(maps: Tensor, where: Tensor) -> Tensor:
    """Return the vectors at some positions of each map: (N, C, ...) and (N, P) give (N * P, C)."""
    flat = maps.flatten(2)
    return flat.gather(2, where[:, None].expand(-1, flat.shape[1], -1)).transpose(1, 2).flatten(0, 1)


def _solve(inputs: Tensor, targets: Tensor, *, rectified: bool = True) -> Tensor:
    """Return the affine map, (C + 1, K), that predicts targets, (P, K), from inputs, (P, C)."""
    inputs = F.pad(inputs, (0, 1), value=1.0)
    square = inputs.T.double() @ inputs.double()
    square.diagonal().add_(_RIDGE * square.diagonal().mean())
    factor = torch.linalg.cholesky(square)
    solution = torch.cholesky_solve(inputs.T.double() @ targets.double(), factor).float()
    for _ in range(_ROUNDS if rectified else 0):
        predicted = inputs @ solution
        idle = (targets < 0) & (predicted < 0)
        solution = torch.cholesky_solve(
            inputs.T.double() @ torch.where(idle, predicted, targets).double(), factor
        ).float()
    return solution
