import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.train.network.look_inside import names_of_gradients, shapes_of
from train.network.build import build_network
from train.network.grain import Grain
from train.network.shape import NETWORKS, NetworkShape
from train.network.transformer_net import TransformerNet
from train.network.wide_net import WideNet

SMALL = NetworkShape(width=3, residual_blocks=1, outer_kernel_size=5, wide_blocks=2)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return WideNet(*SMALL).eval().requires_grad_(False)


@torch.no_grad()
def test_it_drafts_at_an_eighth_and_revises_at_a_quarter():
    expected = [(32, 128, 128), (64, 64, 64), (96, 32, 32)]
    expected += [(96, 32, 32)] + 4 * [(96, 32, 32), (192, 32, 32), (96, 32, 32)]
    expected += [(64, 64, 64)] + 2 * [(64, 64, 64), (64, 64, 64)]
    expected += [(32, 128, 128), (16, 256, 256), (3, 256, 256)]
    assert shapes_of(build_network(NETWORKS["wide"]), torch.rand(1, 3, 256, 256)) == expected


def test_the_default_network_has_472_thousand_parameters():
    kernels = [32 * 3 * 25, 64 * 32 * 9, 96 * 64 * 9, 96]  # down, and the grain's strength
    kernels += 4 * [96 * 49, 192 * 96 + 192, 96 * 192]  # the draft, with the biases of its first 1x1
    kernels += [64 * 96 * 9, *4 * [64 * 64 * 9]]  # the revision
    kernels += [32 * 64 * 9, 16 * 32 * 9, 3 * 16 * 25 + 3]  # up
    norms = 2 * (32 + 64 + 96 + 4 * 96 + 64 + 4 * 64 + 32 + 16)
    count = sum(parameter.numel() for parameter in build_network(NETWORKS["wide"]).parameters())
    assert count == sum(kernels) + norms
    assert 2 * count < 1e6  # bytes of a style with float16 weights


@torch.no_grad()
def test_its_numbers_shape_the_network():
    shapes = shapes_of(WideNet(2, 3, 7, 1), torch.rand(1, 3, 40, 33))
    assert [shape[0] for shape in shapes] == [4, 8, 12, 12, 12, 24, 12, 8, *6 * [8], 4, 2, 3]
    assert shapes[3][1:] == (5, 5)
    small = WideNet(1, 0, 9, 1)
    assert {tuple(small.to_half[0].weight.shape[2:]), tuple(small.to_rgb.weight.shape[2:])} == {(9, 9)}
    assert small(torch.rand(1, 3, 1, 1)).shape == (1, 3, 1, 1)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((0, 2, 5, 4), "width must be at least 1"),
        ((16, -1, 5, 4), "residual_blocks and wide_blocks at least 0"),
        ((16, 2, 5, -1), "residual_blocks and wide_blocks at least 0"),
        ((16, 2, 4, 4), "outer_kernel_size must be one of"),
        ((16, 2, 5, 0), "at least one wide block"),
    ],
)
def test_impossible_networks_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        WideNet(*shape)


def test_the_shape_says_which_network_it_is():
    assert isinstance(build_network(SMALL), WideNet)
    assert isinstance(build_network(SMALL._replace(wide_blocks=0)), TransformerNet)


@settings(deadline=None, max_examples=40)
@given(height=st.integers(1, 70), width=st.integers(1, 70), batch=st.integers(1, 2), seed=st.integers(0, 99))
@example(height=1, width=1, batch=1, seed=0)
@example(height=1, width=33, batch=2, seed=0)
@example(height=39, width=2, batch=1, seed=0)
def test_any_size_from_1x1_keeps_its_size_and_range(network, height, width, batch, seed):
    image = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))
    stylized = network(image)
    assert stylized.shape == image.shape
    assert stylized.dtype == torch.float32
    assert torch.isfinite(stylized).all()
    assert stylized.min() >= 0
    assert stylized.max() <= 1


@pytest.mark.parametrize("outer", [1, 3, 5, 7, 9])
@torch.no_grad()
def test_the_smallest_images_allow_every_outer_kernel(outer):
    network = WideNet(1, 1, outer, 1)
    for size in ((1, 1), (31, 8), (32, 32)):
        assert network(torch.rand(1, 3, *size)).shape[-2:] == size
        assert network(torch.rand(1, 3, *size)).isfinite().all()


@torch.no_grad()
def test_an_even_photo_gets_strokes_and_the_same_ones_each_time(network):
    even = torch.full((1, 3, 600, 64), 0.4)
    stylized = network(even)
    assert stylized.std() > 1e-3
    assert torch.equal(stylized, network(even))


@torch.no_grad()
def test_the_grain_repeats_after_512_pixels_and_lies_elsewhere_in_training():
    grain = Grain(3, 64)
    x = torch.zeros(2, 3, 70, 130)
    laid = grain.eval()(x)
    assert torch.equal(laid[..., :6, :2], laid[..., 64:, 128:])
    assert not torch.equal(laid[..., :32, :32], laid[..., 32:64, 32:64])
    grain.train().move(seed=7)
    moved = grain(x)
    down, right = grain.place.tolist()
    assert (down, right) != (0, 0)
    assert torch.equal(
        moved, laid[..., :64, :64].roll((-down, -right), (2, 3)).repeat(1, 1, 2, 3)[..., :70, :130]
    )
    grain.move(seed=8)
    assert grain.place.tolist() != [down, right]
    grain.move(seed=7)
    assert grain.place.tolist() == [down, right]
    assert torch.equal(grain.eval()(x), laid)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_flat_images_stay_finite(network, level):
    assert torch.isfinite(network(torch.full((1, 3, 17, 9), level))).all()


def test_flat_images_have_finite_gradients():
    network = WideNet(*SMALL)
    network(torch.zeros(1, 3, 40, 40)).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())


def test_the_images_of_a_batch_do_not_influence_each_other(network):
    first, second = torch.rand(2, 1, 3, 44, 51, generator=torch.Generator().manual_seed(1))
    together = network(torch.cat([first, 100 * second]))
    torch.testing.assert_close(together[:1], network(first), rtol=0, atol=1e-5)


def test_training_takes_faster_forms_of_the_same_network():
    torch.manual_seed(0)
    network = WideNet(*SMALL)
    image = torch.rand(2, 3, 44, 51, generator=torch.Generator().manual_seed(2))
    weight = torch.rand(2, 3, 44, 51, generator=torch.Generator().manual_seed(3))
    trained = network(image)
    assert "_Interleave" in names_of_gradients(trained)
    plain = network.eval()(image)
    assert "_Interleave" not in names_of_gradients(plain)
    torch.testing.assert_close(trained, plain, rtol=0, atol=1e-5)
    parameters = dict(network.named_parameters())
    fast = torch.autograd.grad((trained * weight).sum(), [*parameters.values()])
    slow = torch.autograd.grad((plain * weight).sum(), [*parameters.values()])
    for name, one, other in zip(parameters, fast, slow, strict=True):
        if not counts_for_nothing(name):
            error = (one - other).abs().max() / other.abs().max()
            assert error < 1e-3, name


def test_the_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    network = WideNet(*SMALL)
    (network(torch.rand(1, 3, 64, 72)) * torch.rand(1, 3, 64, 72)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert counts_for_nothing(name) or parameter.grad.abs().max() > 1e-3, name


def counts_for_nothing(name):
    """The norms after a block subtract what its last bias adds: its gradient is rounding."""
    return name.endswith("block.2.bias")
