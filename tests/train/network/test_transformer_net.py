import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train.network.look_inside import names_of_gradients, shapes_of
from train.network.build import build_network
from train.network.shape import NETWORKS
from train.network.transformer_net import TransformerNet


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return TransformerNet(width=4, residual_blocks=1).eval().requires_grad_(False)


@torch.no_grad()
def test_layer_shapes_are_those_of_the_paper():
    # Johnson et al. 2016, supplementary material, table 1, for a 256x256 photo.
    expected = [(32, 256, 256), (64, 128, 128), (128, 64, 64)]
    expected += 5 * [(128, 64, 64), (128, 64, 64)]
    expected += [(64, 128, 128), (32, 256, 256), (3, 256, 256)]
    assert shapes_of(TransformerNet(), torch.rand(1, 3, 256, 256)) == expected


@pytest.mark.parametrize(("name", "count"), [("fast", 153), ("tiny", 50)])
def test_the_smaller_networks_have_the_thousands_of_parameters_that_are_documented(name, count):
    parameters = build_network(NETWORKS[name]).parameters()
    assert round(sum(parameter.numel() for parameter in parameters) / 1000) == count


def test_the_full_network_has_the_papers_1_68_million_parameters():
    convolutions = [(3, 32, 9), (32, 64, 3), (64, 128, 3), *10 * [(128, 128, 3)]]
    convolutions += [(128, 64, 3), (64, 32, 3), (32, 3, 9)]
    weights = sum(i * o * k * k for i, o, k in convolutions)
    norms = sum(2 * o for _, o, _ in convolutions[:-1])
    count = sum(parameter.numel() for parameter in TransformerNet().parameters())
    assert count == weights + norms + 3
    assert round(count / 1e6, 2) == 1.68


@torch.no_grad()
def test_width_and_residual_blocks_shape_the_network():
    shapes = shapes_of(TransformerNet(width=3, residual_blocks=2), torch.rand(1, 3, 32, 16))
    assert [shape[0] for shape in shapes] == [3, 6, 12, *4 * [12], 6, 3, 3]
    small = TransformerNet(width=2, residual_blocks=1, outer_kernel_size=5)
    assert {tuple(small.to_rgb.weight.shape[2:]), tuple(small.downsampling[0][0].weight.shape[2:])} == {
        (5, 5)
    }
    assert small(torch.rand(1, 3, 17, 9)).shape == (1, 3, 17, 9)
    assert len(shapes_of(TransformerNet(width=1, residual_blocks=0), torch.rand(1, 3, 16, 16))) == 6


@pytest.mark.parametrize(("width", "blocks"), [(0, 5), (-1, 5), (32, -1)])
def test_impossible_networks_are_refused(width, blocks):
    with pytest.raises(ValueError, match="width must be at least 1"):
        TransformerNet(width, blocks)


@settings(deadline=None, max_examples=40)
@given(height=st.integers(1, 40), width=st.integers(1, 40), batch=st.integers(1, 2), seed=st.integers(0, 99))
def test_any_size_from_1x1_keeps_its_size_and_range(network, height, width, batch, seed):
    image = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))
    stylized = network(image)
    assert stylized.shape == image.shape
    assert stylized.dtype == torch.float32
    assert torch.isfinite(stylized).all()
    assert stylized.min() >= 0
    assert stylized.max() <= 1


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_flat_images_stay_finite(network, level):
    assert torch.isfinite(network(torch.full((1, 3, 17, 9), level))).all()


def test_the_images_of_a_batch_do_not_influence_each_other(network):
    first, second = torch.rand(2, 1, 3, 20, 24, generator=torch.Generator().manual_seed(1))
    together = network(torch.cat([first, 100 * second]))
    torch.testing.assert_close(together[:1], network(first), rtol=0, atol=1e-5)


def test_training_takes_faster_forms_of_the_same_network():
    torch.manual_seed(0)
    network = TransformerNet(width=4, residual_blocks=1)
    image = torch.rand(2, 3, 20, 27, generator=torch.Generator().manual_seed(2))
    trained = network(image)
    assert "_Interleave" in names_of_gradients(trained)
    torch.testing.assert_close(trained.detach(), network.eval()(image).detach(), rtol=0, atol=1e-5)


def test_the_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    network = TransformerNet(width=4, residual_blocks=2)
    (network(torch.rand(1, 3, 20, 20)) * torch.rand(1, 3, 20, 20)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
