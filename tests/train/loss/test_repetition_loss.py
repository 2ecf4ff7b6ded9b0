import math

import pytest
import torch
import torch.nn.functional as F

from train.loss.repetition_loss import RepetitionLoss, spectral_concentration


def noise(*shape, seed=0, deviation=0.1):
    generator = torch.Generator().manual_seed(seed)
    return (0.5 + deviation * torch.randn(shape, generator=generator)).clamp(0, 1)


def lattice(period, height=128, width=128, deviation=0.1):
    """One soft dot in each square of `period` pixels."""
    rows, columns = (0.5 + 0.5 * torch.cos(2 * math.pi * torch.arange(n) / period) for n in (height, width))
    dots = (rows[:, None] * columns).expand(1, 3, -1, -1)
    return (0.5 + deviation * (dots - dots.mean()) / dots.std()).clamp(0, 1)


def strokes(height=128, width=128):
    """Noise smeared along one direction."""
    image = noise(1, 3, height, width + 8, seed=5, deviation=0.5)
    return F.avg_pool2d(image, (1, 9), stride=1)


@pytest.mark.parametrize("period", [4, 8, 12])
def test_a_lattice_is_more_concentrated_than_noise_and_strokes(period):
    least = spectral_concentration(lattice(period)).min()
    assert least > 4 * spectral_concentration(noise(1, 3, 128, 128)).max()
    assert least > 2 * spectral_concentration(strokes()).max()


def test_equal_powers_give_the_number_of_frequencies():
    # Of a single impulse every frequency has the same power; the weighting by frequency leaves 64 * 64 less.
    tile = torch.zeros(1, 1, 64, 64)
    tile[..., 32, 32] = 64
    participating = 1 / spectral_concentration(tile).item()
    squared = (torch.fft.fftfreq(64)[:, None] ** 2 + torch.fft.fftfreq(64) ** 2).double()
    squared[squared <= 24.0**-2] = 0
    expected = squared.sum() ** 2 / squared.square().sum()
    assert participating == pytest.approx(expected.item(), rel=0.02)


def test_it_does_not_depend_on_where_the_pattern_starts_or_how_strong_it_is():
    image = lattice(8, 160, 160)
    found = [
        spectral_concentration(image[..., y : y + 64, x : x + 64]).item() for y, x in ((0, 0), (3, 5), (7, 2))
    ]
    assert max(found) < 1.1 * min(found)
    weaker = 0.5 + 0.5 * (image[..., :64, :64] - 0.5)
    assert spectral_concentration(weaker).item() == pytest.approx(found[0], rel=0.1)


def test_what_nobody_sees_is_not_regular():
    invisible = lattice(4, 64, 64, deviation=0.2 / 255)
    assert spectral_concentration(invisible).item() < 0.1 * spectral_concentration(lattice(4, 64, 64)).item()
    assert spectral_concentration(torch.full((1, 3, 64, 64), 0.3)).item() < 1e-6


def test_shading_is_not_regular():
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    assert spectral_concentration((ramp + noise(1, 3, 64, 64) - 0.5).clamp(0, 1)).item() < 0.003


def test_the_term_is_none_for_the_photo_and_the_painting_themselves():
    painting, photo = strokes(), noise(1, 3, 128, 128, seed=2)
    loss = RepetitionLoss(painting)
    assert loss(photo, photo).item() == 0
    assert RepetitionLoss(lattice(8))(lattice(8), lattice(8)).item() == 0


def test_the_photos_own_pattern_may_stay():
    fence, even = lattice(8), noise(1, 3, 128, 128)
    loss = RepetitionLoss(strokes())
    assert loss(fence, fence).item() == 0
    assert loss(fence, even).item() > 1


def test_the_paintings_own_pattern_may_be_painted():
    even = noise(1, 3, 128, 128)
    assert RepetitionLoss(lattice(8))(lattice(8), even).item() < 0.1


def test_descent_takes_a_lattice_away():
    photo = noise(1, 3, 64, 64, deviation=0.02)
    loss = RepetitionLoss(strokes())
    image = (photo + lattice(4, 64, 64) - 0.5).requires_grad_()
    before = loss(image, photo)
    before.backward()
    with torch.no_grad():
        after = loss(image - 0.02 * image.grad / image.grad.abs().max(), photo)
    assert after.item() < before.item()


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_pictures_give_finite_terms_and_gradients(level):
    flat = torch.full((1, 3, 64, 64), level, requires_grad=True)
    term = RepetitionLoss(flat.detach())(flat, flat.detach())
    term.backward()
    assert math.isfinite(term.item())
    assert torch.isfinite(flat.grad).all()


def test_small_pictures_and_small_paintings_are_let_be():
    small = noise(1, 3, 63, 200)
    assert RepetitionLoss(strokes())(small, small).item() == 0
    # Of a small painting nothing is known: only the photo counts.
    loss = RepetitionLoss(noise(1, 3, 32, 32))
    assert loss(lattice(8), noise(1, 3, 128, 128)).item() > 1
    assert loss(lattice(8), lattice(8)).item() == 0


def test_it_is_float32_under_autocast():
    image, photo = lattice(8), noise(1, 3, 128, 128)
    loss = RepetitionLoss(strokes())
    exact = loss(image, photo)
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(image, photo)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact)
