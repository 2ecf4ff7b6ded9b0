"""Muon: orthogonalised momentum for kernels, and Adam for everything else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

# Coefficients of the quintic iteration that brings all singular values near 1 (Jordan et al. 2024). They do
# not converge exactly, but come near in few rounds.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
# An orthogonal matrix of shape (a, b) has entries of root mean square 1 / sqrt(max(a, b)). Times this factor
# the update is as large as Adam's, so that one learning rate serves both (Liu et al. 2025, arXiv:2502.16982).
_ADAMS_SIZE = 0.2


class Muon(Optimizer):
    """Orthogonalised momentum for matrices and kernels, Adam for vectors and the parameters in `by_adam`.

    A gradient of this network has a few large singular values, and steps along it change little else. Muon
    steps equally far in all directions (Jordan et al. 2024, kellerjordan.github.io/posts/muon; a kernel
    counts as a matrix with one row for each output channel). It reaches Adam's loss in about half the steps.
    `torch.optim.Muon` accepts only matrices.

    Args:
        parameters: The parameters to train. Those of two or more dimensions get orthogonalised steps.
        lr: Learning rate of Adam.
        ratio: The orthogonalised steps' learning rate as a multiple of `lr`.
        momentum: Nesterov momentum of the orthogonalised steps.
        betas: Adam's betas.
        by_adam: Parameters of two or more dimensions that Adam trains all the same: those of the last layer.

    Raises:
        ValueError: If there are no parameters, or a rate is negative.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        *,
        ratio: float = 2.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        by_adam: Iterable[nn.Parameter] = (),
    ) -> None:
        if lr < 0 or ratio < 0:
            raise ValueError(f"learning rates must be at least 0, got {lr} and {ratio * lr}")
        excluded = {id(parameter) for parameter in by_adam}
        groups: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
        for parameter in parameters:
            groups[parameter.ndim >= 2 and id(parameter) not in excluded].append(parameter)
        options: list[dict[str, Any]] = [
            {"params": groups[False], "lr": lr, "orthogonal": False, "betas": betas},
            {"params": groups[True], "lr": ratio * lr, "orthogonal": True, "momentum": momentum},
        ]
        super().__init__([group for group in options if group["params"]], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step along the gradients.

        Args:
            closure: Recomputes the loss and the gradients, if given.

        Returns:
            What `closure` returns, or None.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            (self._orthogonal_step if group["orthogonal"] else self._adam_step)(group, parameters)
        return loss

    def _orthogonal_step(self, group: dict[str, Any], parameters: list[nn.Parameter]) -> None:
        if not parameters:
            return
        gradients = [_gradient(parameter) for parameter in parameters]
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        directions = torch._foreach_lerp(gradients, momenta, group["momentum"])
        by_shape: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = {}
        for parameter, direction in zip(parameters, directions, strict=True):
            by_shape.setdefault(parameter.shape, []).append((parameter, direction))
        # Kernels of one shape are stacked: ten residual convolutions become one product.
        stacks = [
            torch.stack([direction.reshape(shape[0], -1) for _, direction in members])
            for shape, members in by_shape.items()
        ]
        for members, matrices, updates in zip(
            by_shape.values(), stacks, orthogonalize_all(stacks), strict=True
        ):
            factor = _ADAMS_SIZE * math.sqrt(max(matrices.shape[1:]))
            for (parameter, _), update in zip(members, updates, strict=True):
                parameter.add_(update.view(parameter.shape).to(parameter.dtype), alpha=-group["lr"] * factor)

    def _adam_step(self, group: dict[str, Any], parameters: list[nn.Parameter]) -> None:
        if not parameters:
            return
        first, second = group["betas"]
        gradients = [_gradient(parameter) for parameter in parameters]
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
                state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        states = [self.state[parameter] for parameter in parameters]
        steps, means, squares = ([state[name] for state in states] for name in ("step", "mean", "square"))
        torch._foreach_add_(steps, 1)
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_lerp_(squares, torch._foreach_mul(gradients, gradients), 1 - second)
        roots = list(torch._foreach_div(squares, _bias_corrections(second, steps)))
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, 1e-8)
        updates = list(torch._foreach_div(means, _bias_corrections(first, steps)))
        torch._foreach_mul_(updates, group["lr"])
        torch._foreach_div_(updates, roots)
        torch._foreach_sub_(list[Tensor](parameters), updates)


def _bias_corrections(beta: float, steps: list[Tensor]) -> list[Tensor]:
    """Return `1 - beta^step` for each count of steps."""
    corrections = list(torch._foreach_neg(torch._foreach_pow(beta, steps)))
    torch._foreach_add_(corrections, 1)
    return corrections


def _gradient(parameter: nn.Parameter) -> Tensor:
    gradient = parameter.grad
    assert gradient is not None
    return gradient


def orthogonalize(matrices: Tensor) -> Tensor:
    """Bring the singular values of matrices near 1 by a Newton-Schulz iteration.

    Each round multiplies by a polynomial in `X X^T`, and these polynomials commute. So the rounds run on that
    small square matrix, and `X` is multiplied only once. For residual kernels, nine times wider than high,
    this takes a third of the arithmetic.

    Args:
        matrices: Shape (B, M, N). One of zeros stays zeros.

    Returns:
        Float32 of the same shape: the same singular vectors, with values between about 0.7 and 1.2.
    """
    return orthogonalize_all([matrices])[0]


def orthogonalize_all(stacks: Sequence[Tensor]) -> list[Tensor]:
    """Do as `orthogonalize` with several stacks; those with square matrices of one size share the rounds."""
    wide, squares = [], []
    by_side: dict[int, list[int]] = {}
    for number, matrices in enumerate(stacks):
        x = matrices.float()
        x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-20)
        wide.append(x.transpose(1, 2) if x.shape[1] > x.shape[2] else x)
        squares.append(wide[-1] @ wide[-1].transpose(1, 2))
        by_side.setdefault(squares[-1].shape[1], []).append(number)
    results = list(wide)
    for numbers in by_side.values():
        product = _product_of_rounds(torch.cat([squares[number] for number in numbers]))
        for number, part in zip(numbers, torch.split(product, [len(wide[n]) for n in numbers]), strict=True):
            x = part @ wide[number]
            results[number] = x if x.shape == stacks[number].shape else x.transpose(1, 2)
    return results


def _product_of_rounds(square: Tensor) -> Tensor:
    """Return the product of all rounds' polynomials, (B, M, M), from the first round's `X X^T`."""
    a, b, c = _QUINTIC
    identity = torch.eye(square.shape[1], dtype=square.dtype, device=square.device)
    product = polynomial = a * identity + b * square + c * (square @ square)
    for _ in range(_ROUNDS - 1):
        square = polynomial @ square @ polynomial
        polynomial = a * identity + b * square + c * (square @ square)
        product = polynomial @ product
    return product
