import pytest
import torch

from train.arbitrary.any_painting_net import SHAPE, AnyPaintingNet
from train.arbitrary.colouring import Colouring
from train.arbitrary.levels import LEVELS
from train.arbitrary.painting_encoder import PaintingEncoder, mixed
from train.arbitrary.square_root import square_root
from train.network.build import build_network


@pytest.fixture(scope="module")
def encoder():
    encoder = PaintingEncoder()
    encoder.learn_photos([noise(seed, 64, 72) for seed in range(3)])
    return encoder.requires_grad_(False)


def noise(seed, height, width):
    """Return an image with shapes of many sizes, (1, 3, H, W) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    parts = [
        torch.nn.functional.interpolate(
            torch.rand(1, 3, height // size + 1, width // size + 1, generator=generator), (height, width)
        )
        for size in (2, 5, 17)
    ]
    return torch.stack(parts).mean(0)


@pytest.mark.parametrize("least", [1.0, 1e-3, 1e-6])
def test_the_root_of_a_covariance_gives_it_back(least):
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(96, 96))[0]
    values = torch.logspace(0, torch.tensor(least).log10().item(), 96)
    covariance = 30 * (basis * values) @ basis.T
    root = square_root(covariance)
    torch.testing.assert_close(root @ root, covariance, atol=30 * 1e-4, rtol=1e-4)
    torch.testing.assert_close(root, root.T, atol=1e-3, rtol=0)


def test_coloured_activations_have_the_covariance_and_the_mean():
    torch.manual_seed(0)
    covariance = torch.cov(torch.randn(8, 30))
    mean = torch.randn(8)
    white = torch.linalg.qr(torch.randn(400, 9))[0][:, 1:] * 20  # orthogonal, of variance 1
    white = (white - white.mean(0)).T.reshape(1, 8, 20, 20)
    coloured = Colouring(square_root(covariance)[None], mean[None])(white)
    torch.testing.assert_close(coloured.mean((0, 2, 3)), mean, atol=1e-4, rtol=0)
    found = torch.cov(coloured.flatten(2)[0], correction=0)
    expected = (
        square_root(covariance) @ torch.cov(white.flatten(2)[0], correction=0) @ square_root(covariance)
    )
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found, covariance, atol=0.1 * covariance.abs().max().item(), rtol=0)


def test_each_photo_of_a_batch_is_coloured_by_its_own_painting():
    torch.manual_seed(0)
    x, matrices, means = torch.randn(2, 4, 5, 6), torch.randn(2, 4, 4), torch.randn(2, 4)
    together = Colouring(matrices, means)(x)
    for n in range(2):
        alone = Colouring(matrices[n : n + 1], means[n : n + 1])(x[n : n + 1])
        torch.testing.assert_close(together[n : n + 1], alone)


def test_photos_have_mean_0_and_deviation_1_on_average(encoder):
    found = [encoder(noise(seed, 64, 72)) for seed in range(3)]
    for level in LEVELS:
        means = torch.stack([statistics[level.name].mean[0] for statistics in found])
        torch.testing.assert_close(means.mean(0), torch.zeros(level.channels), atol=1e-4, rtol=0)
        matrices = torch.stack([statistics[level.name].matrix[0] for statistics in found])
        variance = (matrices @ matrices).diagonal(dim1=1, dim2=2).mean()
        assert 0.4 < variance < 2.5


def test_mixed_statistics_lie_between_those_of_the_paintings(encoder):
    first, second = encoder(noise(5, 70, 64)), encoder(noise(6, 64, 90))
    between = mixed([(first, 0.25), (second, 0.75)])
    for level in LEVELS:
        a, b, found = first[level.name], second[level.name], between[level.name]
        torch.testing.assert_close(found.matrix, 0.25 * a.matrix + 0.75 * b.matrix)
        torch.testing.assert_close(found.mean, 0.25 * a.mean + 0.75 * b.mean)


@torch.no_grad()
def test_it_paints_photos_of_any_size_by_the_painting(encoder):
    torch.manual_seed(0)
    network = AnyPaintingNet().eval()
    first, second = encoder(noise(5, 70, 64)), encoder(noise(6, 64, 90) ** 3)
    for size in ((1, 1), (33, 70)):
        photo = torch.rand(2, 3, *size)
        painted = network(photo, first)
        assert painted.shape == photo.shape
        assert painted.min() >= 0
        assert painted.max() <= 1
    assert (network(photo, second) - painted).abs().mean() > 0.005
    both = {
        name: Colouring(*(torch.cat(pair) for pair in zip(first[name], second[name], strict=True)))
        for name in first
    }
    together = network(photo, both)
    torch.testing.assert_close(together[:1], painted[:1], atol=1e-4, rtol=0)
    torch.testing.assert_close(together[1:], network(photo, second)[1:], atol=1e-4, rtol=0)


def test_a_trained_style_can_start_it():
    torch.manual_seed(0)
    style = build_network(SHAPE)
    network = AnyPaintingNet()
    network.load_state_dict(style.state_dict())
    # Statistics that change nothing leave the style's own network.
    plain = {
        level.name: Colouring(torch.eye(level.channels)[None], torch.zeros(1, level.channels))
        for level in LEVELS
    }
    photo = torch.rand(1, 3, 40, 56)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(photo, plain), style.eval()(photo))
