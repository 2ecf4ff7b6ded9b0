import copy

import pytest
import torch
from torch import nn

from train.step.muon import Muon, orthogonalize


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 8, 40), (2, 40, 8), (1, 16, 16)])
def test_singular_values_become_about_one_and_the_vectors_stay(shape):
    matrices = random(*shape) * torch.logspace(0, 1, shape[2])
    result = orthogonalize(matrices)
    assert result.shape == shape
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.6
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    assert torch.linalg.norm(result - left @ right) < 0.35 * torch.linalg.norm(left @ right)


def test_a_matrix_of_zeros_stays_zeros():
    assert torch.equal(orthogonalize(torch.zeros(1, 4, 6)), torch.zeros(1, 4, 6))


def test_vectors_and_what_is_named_step_as_adam_does():
    ours, theirs = (nn.Linear(5, 3) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    optimizers = (
        Muon(ours.parameters(), lr=0.01, by_adam=[ours.get_parameter("weight")]),
        torch.optim.Adam(theirs.parameters(), lr=0.01),
    )
    for step in range(5):
        for network, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            network(random(4, 5, seed=step)).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


def test_a_kernels_step_has_the_size_of_adams():
    kernel = nn.Parameter(random(16, 8, 3, 3))
    before = kernel.detach().clone()
    kernel.grad = 1000 * random(16, 8, 3, 3, seed=1)
    Muon([kernel], lr=0.01, ratio=1.0).step()
    change = (kernel.detach() - before).square().mean().sqrt()
    assert 0.1 < change / 0.01 < 0.3
    assert (kernel.detach() - before).flatten() @ kernel.grad.flatten() < 0


def test_kernels_of_one_shape_do_not_mix():
    first, second = nn.Parameter(random(4, 3, 3, 3)), nn.Parameter(random(4, 3, 3, 3, seed=1))
    alone = nn.Parameter(first.detach().clone())
    for kernel in (first, alone):
        kernel.grad = random(4, 3, 3, 3, seed=2)
    second.grad = 100 * random(4, 3, 3, 3, seed=3)
    Muon([first, second], lr=0.1).step()
    Muon([alone], lr=0.1).step()
    torch.testing.assert_close(first, alone, rtol=0, atol=1e-3)


def test_the_state_goes_on_bit_for_bit():
    def train(network, optimizer, steps):
        for step in steps:
            optimizer.zero_grad()
            network(random(2, 3, 8, 8, seed=step)).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3))
    resumed = copy.deepcopy(network)
    optimizer = Muon(network.parameters(), lr=0.01)
    train(network, optimizer, range(3))
    state = copy.deepcopy((network.state_dict(), optimizer.state_dict()))
    train(network, optimizer, range(3, 6))
    resumed.load_state_dict(state[0])
    again = Muon(resumed.parameters(), lr=0.01)
    again.load_state_dict(state[1])
    train(resumed, again, range(3, 6))
    for one, other in zip(network.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_impossible_rates_are_refused():
    with pytest.raises(ValueError, match="at least 0"):
        Muon([nn.Parameter(torch.zeros(2))], lr=-1.0)
