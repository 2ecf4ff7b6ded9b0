"""The square root of a covariance matrix, by products alone: so it goes into an ONNX graph."""

from __future__ import annotations

import torch
from torch import Tensor

# An eigenvalue that is a millionth of the norm needs 17 rounds to come near its root, and a few to reach it.
_ROUNDS = 24


def square_root(matrix: Tensor) -> Tensor:
    """Return the symmetric square root of positive definite matrices.

    It is the coupled Newton-Schulz iteration (Higham 2008, Functions of Matrices, section 6.7).

    Args:
        matrix: Symmetric, of shape (C, C), float32, its eigenvalues at least a millionth of its norm.

    Returns:
        Shape (C, C); its square is the matrix.
    """
    norm = matrix.square().sum().sqrt()
    identity = torch.eye(matrix.shape[0], dtype=matrix.dtype, device=matrix.device)
    root, inverse = matrix / norm, identity
    for _ in range(_ROUNDS):
        step = 1.5 * identity - 0.5 * (inverse @ root)
        root, inverse = root @ step, step @ inverse
    return root * norm.sqrt()
