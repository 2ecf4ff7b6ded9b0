import torch


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def assert_same_function(ours, theirs, inputs):
    """Compare the values and the gradients of two functions."""
    inputs = [given.requires_grad_() for given in inputs]
    out, expected = ours(*inputs), theirs(*inputs)
    torch.testing.assert_close(out, expected)
    weights = random(*out.shape, seed=9)
    for our, their in zip(
        torch.autograd.grad(out, inputs, weights), torch.autograd.grad(expected, inputs, weights), strict=True
    ):
        torch.testing.assert_close(our, their)
