import itertools
import math

import pytest
import torch

from train.style_transfer import learning_rate_factor


def factors(max_steps, warmup, decay):
    return [learning_rate_factor(step, max_steps, warmup, decay) for step in range(max_steps)]


def test_the_learning_rate_rises_linearly_and_falls_along_a_cosine():
    rates = factors(100, 10, "cosine")
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1
    assert rates[55] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.5 * (1 - math.cos(math.pi / 90)))
    assert all(earlier > later for earlier, later in itertools.pairwise(rates[10:]))
    assert learning_rate_factor(100, 100, 10, "cosine") == pytest.approx(0)


def test_without_decay_the_learning_rate_stays():
    assert factors(50, 5, "none")[5:] == 45 * [1.0]


def test_a_short_run_warms_up_for_a_tenth_of_it_at_most():
    assert factors(20, 1000, "none") == [0.5] + 19 * [1.0]
    assert factors(1, 1000, "cosine") == [1.0]


def test_the_module_holds_the_network_alone(tiny_module):
    assert all(name.startswith("network.") for name in tiny_module.state_dict())
    trained = sum(parameter.numel() for parameter in tiny_module.parameters())
    assert trained == sum(parameter.numel() for parameter in tiny_module.network.parameters())


def test_the_losses_that_are_kept_hold_no_graph(tiny_module):
    losses = tiny_module.losses
    kept = [losses.total, losses.content, losses.style, *losses.style_by_layer.values()]
    assert not any(term.requires_grad for term in kept)


def test_the_convolutions_are_channels_last(tiny_module):
    kernels = [p for p in tiny_module.network.parameters() if p.ndim == 4 and min(p.shape) > 1]
    assert kernels
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


def test_the_gradient_is_clipped_to_its_greatest_norm(tiny_module):
    tiny_module.config.gradient_clip = 0.5
    for parameter in tiny_module.network.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = sum(p.numel() for p in tiny_module.network.parameters()) ** 0.5
    tiny_module.config.gradient_clip = 0.0
    tiny_module.on_before_optimizer_step()
    norm = torch.nn.utils.get_total_norm(p.grad for p in tiny_module.network.parameters())
    assert norm.item() == pytest.approx(before)
    tiny_module.config.gradient_clip = 0.5
    tiny_module.on_before_optimizer_step()
    norm = torch.nn.utils.get_total_norm(p.grad for p in tiny_module.network.parameters())
    assert norm.item() == pytest.approx(0.5, rel=1e-3)
