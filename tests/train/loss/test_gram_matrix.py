import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from train.loss.gram_matrix import gram_matrix

CHANNELS_LAST = torch.channels_last


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def numpy_gram(features):
    n, c, h, w = features.shape
    flat = features.numpy().astype(np.float64).reshape(n, c, h * w)
    return np.einsum("nip,njp->nij", flat, flat) / (c * h * w)


@settings(deadline=None, max_examples=30)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 7), st.integers(1, 7)),
    seed=st.integers(0, 999),
    channels_last=st.booleans(),
)
def test_the_gram_matrix_is_numpys(shape, seed, channels_last):
    features = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    if channels_last:
        features = features.contiguous(memory_format=CHANNELS_LAST)
    gram = gram_matrix(features)
    np.testing.assert_allclose(gram.numpy(), numpy_gram(features), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gram, gram.transpose(1, 2))


@pytest.mark.parametrize("size", [(64, 64), (128, 96), (67, 128)])
def test_bfloat16_features_lose_less_than_half_a_percent(size):
    features = random(2, 24, *size).bfloat16()
    gram = gram_matrix(features)
    assert gram.dtype == torch.float32
    exact = numpy_gram(features.float())
    assert np.linalg.norm(gram.numpy() - exact) < 5e-3 * np.linalg.norm(exact)


def test_float16_features_do_not_overflow():
    large = torch.full((1, 2, 64, 64), 60_000.0, dtype=torch.float16)  # its square is beyond float16
    gram = gram_matrix(large)
    assert gram.dtype == torch.float32
    np.testing.assert_allclose(gram.numpy(), numpy_gram(large.float()), rtol=1e-5)


def test_float32_features_are_not_rounded_under_autocast():
    features = random(2, 8, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert (features @ features.transpose(-1, -2)).dtype == torch.bfloat16  # autocast is at work here
        gram = gram_matrix(features)
    assert gram.dtype == torch.float32
    assert torch.equal(gram, gram_matrix(features))


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (1, 2, 3, 4, 5)])
def test_the_gram_matrix_needs_four_dimensions(shape):
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        gram_matrix(torch.zeros(shape))


def test_the_gradient_is_the_numerical_one():
    features = torch.randn(2, 3, 4, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(gram_matrix, (features,))


def test_the_gradient_of_bfloat16_features_is_that_of_float32():
    features = random(2, 16, 32, 32).bfloat16()
    target = random(2, 16, 16, seed=1)
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        leaf = features.to(dtype).requires_grad_()
        (gram_matrix(leaf) - target).square().sum().backward()
        gradients.append(leaf.grad.float())
    assert (gradients[0] - gradients[1]).norm() < 0.01 * gradients[0].norm()
