import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from train.network.border_pad import border_pad


@settings(deadline=None, max_examples=40)
@given(
    pad=st.integers(0, 4),
    more=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    batch=st.integers(1, 2),
    channels_last=st.booleans(),
    border=st.sampled_from(["reflect", "replicate"]),
)
def test_values_and_gradients_are_pytorchs(pad, more, batch, channels_last, border):
    generator = torch.Generator().manual_seed(pad)
    x = torch.randn(batch, 3, pad + more[0], pad + more[1], generator=generator)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    padded = border_pad(ours, pad, border)
    expected = F.pad(theirs, (pad, pad, pad, pad), mode=border)
    assert torch.equal(padded, expected)
    weights = torch.randn(padded.shape, generator=generator)
    weights_before = weights.clone()
    padded.backward(weights)
    expected.backward(weights_before)
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert torch.equal(weights, weights_before)  # the gradient that comes in belongs to others too
