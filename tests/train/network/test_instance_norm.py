import pytest
import torch
import torch.nn.functional as F

from train.network.instance_norm import InstanceNorm2d


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def norm_of(channels):
    norm = InstanceNorm2d(channels)
    with torch.no_grad():
        norm.weight.copy_(random(channels, seed=1))
        norm.bias.copy_(random(channels, seed=2))
    return norm


def results(function, x, norm, weights):
    """Return the output and the gradients of a weighted sum of it."""
    x = x.detach().requires_grad_()
    norm.zero_grad()
    out = function(x)
    (out * weights).sum().backward()
    return out.detach(), x.grad, norm.weight.grad.clone(), norm.bias.grad.clone()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (3, 16, 9, 7), (2, 1, 8, 8)])
def test_values_and_gradients_are_pytorchs(shape, memory_format):
    x = (3 + 2 * random(*shape)).contiguous(memory_format=memory_format)
    norm, weights = norm_of(shape[1]), random(*shape, seed=3)
    ours = results(norm, x, norm, weights)
    theirs = results(lambda x: F.instance_norm(x, None, None, norm.weight, norm.bias), x, norm, weights)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-5)


def test_bfloat16_keeps_its_layout_and_has_float32_statistics():
    # The mean is 30 times the deviation: statistics in bfloat16 would be far off.
    x = (30 + random(2, 8, 16, 16)).bfloat16().contiguous(memory_format=torch.channels_last)
    norm = norm_of(8)
    out, gradient, *_ = results(norm, x, norm, torch.ones(()))
    assert out.dtype == gradient.dtype == torch.bfloat16
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert gradient.is_contiguous(memory_format=torch.channels_last)
    exact = F.instance_norm(x.double(), None, None, norm.weight.double(), norm.bias.double())
    assert (out.double() - exact).abs().max() < 0.03


def test_without_gradients_it_is_pytorchs_own_operation():
    x, norm = random(1, 4, 6, 6), norm_of(4)
    expected = F.instance_norm(x, None, None, norm.weight, norm.bias)
    assert torch.equal(norm.eval()(x), expected)
    with torch.no_grad():
        assert torch.equal(norm.train()(x), expected)
