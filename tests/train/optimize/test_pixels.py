import itertools

import numpy as np
import pytest
import scipy.optimize
import torch

from fastnst.errors import FastnstError
from tests.train.make_photos import make_pixels
from train.image_tensor import image_to_tensor
from train.loss.perceptual_loss import PerceptualLoss
from train.loss.vgg import VGGFeatures, random_vgg_state
from train.optimize.pixels import optimize_pixels, steps_to_reach

LAYERS = ("relu1_2", "relu2_2")


@pytest.fixture(scope="module")
def features():
    return VGGFeatures("vgg19", LAYERS, random_vgg_state("vgg19", LAYERS))


@pytest.fixture(scope="module")
def content():
    """A photo with much black and white, whose pixels the style would take out of their range."""
    contrast = 3 * (image_to_tensor(make_pixels(16, 14, 1)) - 0.5) + 0.5
    return contrast.clamp(0, 1)


def make_loss(features, style=None, **options):
    style = image_to_tensor(make_pixels(28, 22, 9, finest=1.0)) if style is None else style
    return PerceptualLoss(
        features,
        style,
        **{"content_layers": LAYERS[1:], "style_layers": LAYERS, "style_weight": 10.0} | options,
    )


@pytest.fixture(scope="module")
def loss(features):
    return make_loss(features)


class Record:
    """Every step that was shown, as it was then; ends the optimisation at step `until`."""

    def __init__(self, until=None):
        self.until = until
        self.steps, self.totals, self.images, self.copies = [], [], [], []

    def __call__(self, step, losses, image):
        assert not losses.total.requires_grad
        self.steps.append(step)
        self.totals.append(losses.total.item())
        self.images.append(image)
        self.copies.append(image.clone())
        return None if self.until is None else step == self.until


def optimize(loss, content, steps=20, **options):
    record = Record()
    result = optimize_pixels(loss, content, steps=steps, on_step=record, **options)
    return result, record


def test_the_loss_falls_strongly_and_hardly_ever_rises(loss, content):
    _, record = optimize(loss, content, 30)
    totals = record.totals
    assert totals[-1] < 0.1 * totals[0]
    assert all(after <= 1.01 * before for before, after in itertools.pairwise(totals))
    assert totals[1] < 0.9 * totals[0]  # the first step is none of those that hardly move


def test_it_comes_as_far_as_an_optimiser_with_bounds(loss, content):
    """SciPy's L-BFGS-B in double precision, with as many iterations and as long a memory."""

    def value_and_gradient(flat):
        image = torch.from_numpy(flat).view(content.shape).float().requires_grad_()
        total = loss(image, content).total
        (gradient,) = torch.autograd.grad(total, image)
        return total.item(), gradient.flatten().double().numpy()

    reference = scipy.optimize.minimize(
        value_and_gradient,
        content.flatten().double().numpy(),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 1)] * content.numel(),
        options={"maxiter": 30, "maxcor": 20, "ftol": 0, "gtol": 0},
    )
    _, record = optimize(loss, content, 30)
    assert reference.fun < 0.1 * record.totals[0]
    assert record.totals[-1] < 1.1 * reference.fun


@pytest.mark.parametrize("style_weight", [0.1, 1000.0])
def test_pixels_stay_in_their_range(features, content, style_weight):
    result, record = optimize(make_loss(features, style_weight=style_weight), content)
    for image in (result, *record.images):
        assert image.dtype == torch.float32
        assert image.shape == content.shape
        assert torch.isfinite(image).all()
        assert image.min() >= 0
        assert image.max() <= 1
    at_a_bound = ((result == 0) | (result == 1)).float().mean()
    assert at_a_bound > 0.01  # the loss does push some of them out


def test_a_pixel_at_a_bound_comes_back(features):
    black = torch.zeros(1, 3, 14, 16)
    bright = torch.full((1, 3, 14, 16), 0.7)
    result, _ = optimize(make_loss(features, bright, style_weight=1e3), black, 30)
    assert result.mean() > 0.3


def test_the_losses_are_those_of_the_image(loss, content):
    result, record = optimize(loss, content, 6)
    assert torch.equal(result, record.images[-1])
    for image, total in zip(record.images, record.totals, strict=True):
        assert loss(image, content).total.item() == pytest.approx(total, rel=1e-5)


def test_an_image_that_was_shown_does_not_change(loss, content):
    before = content.clone()
    _, record = optimize(loss, content, 6)
    assert torch.equal(content, before)
    for image, copy in zip(record.images, record.copies, strict=True):
        assert torch.equal(image, copy)
    assert not torch.equal(record.copies[2], record.copies[3])


def test_every_step_is_shown_from_the_start_on(loss, content):
    _, record = optimize(loss, content, 7)
    assert record.steps == list(range(8))


@pytest.mark.parametrize("until", [0, 3])
def test_it_stops_when_told(loss, content, until):
    record = Record(until)
    result = optimize_pixels(loss, content, steps=50, on_step=record)
    assert record.steps == list(range(until + 1))
    assert torch.equal(result, record.images[-1])
    assert torch.equal(result, optimize_pixels(loss, content, steps=until))


def test_it_starts_at_the_photo_or_where_it_is_told(loss, content):
    assert torch.equal(optimize_pixels(loss, content, steps=0), content)
    noise = torch.rand(content.shape, generator=torch.Generator().manual_seed(3))
    _, record = optimize(loss, content, 10, start=noise)
    assert torch.equal(record.images[0], noise)
    assert record.totals[-1] < 0.5 * record.totals[0]
    assert torch.equal(
        optimize_pixels(loss, content, steps=0, start=4 * noise - 1), (4 * noise - 1).clamp(0, 1)
    )


def test_a_step_seldom_takes_more_than_one_evaluation(loss, content):
    evaluations = 0

    def count(*_):
        nonlocal evaluations
        evaluations += 1

    with loss.register_forward_hook(count):
        optimize(loss, content, 40)
    assert evaluations <= 40 + 10


def test_the_scale_of_the_weights_does_not_matter(features, content):
    """The thresholds of an optimiser know no scale: with a loss of 1e-9 it would stand still."""
    weights = {"content_weight": 1.0, "style_weight": 10.0}
    expected, _ = optimize(make_loss(features, **weights), content, 8)
    tiny = {name: weight * 2**-33 for name, weight in weights.items()}
    found, _ = optimize(make_loss(features, **tiny), content, 8)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)
    assert (expected - content).abs().max() > 0.1


def test_gradients_may_be_off_around_it(loss, content):
    with torch.no_grad():
        without, _ = optimize(loss, content, 3)
    with_them, _ = optimize(loss, content, 3)
    assert torch.equal(without, with_them)


def test_it_ends_where_nothing_is_lower(features, content):
    result, record = optimize(make_loss(features, content), content, 50)  # the photo is the painting
    assert record.steps == [0]
    assert torch.equal(result, content)


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 3, 8, 8), (1, 1, 8, 8)])
def test_it_takes_one_rgb_photo(loss, shape):
    with pytest.raises(ValueError, match=r"\(1, 3, H, W\)"):
        optimize_pixels(loss, torch.zeros(shape), steps=1)


def test_start_and_steps_are_checked(loss, content):
    with pytest.raises(ValueError, match="start is"):
        optimize_pixels(loss, content, steps=1, start=content[..., 1:])
    with pytest.raises(ValueError, match="steps"):
        optimize_pixels(loss, content, steps=-1)


def test_a_loss_that_is_no_number_is_an_error(features, content):
    with pytest.raises(FastnstError, match="the loss is nan"):
        optimize_pixels(make_loss(features, torch.full((1, 3, 8, 8), np.nan)), content, steps=1)


def test_steps_to_reach_is_the_first_step_that_is_low_enough(loss, content):
    _, record = optimize(loss, content, 20)
    target = 0.2 * record.totals[0]
    step = steps_to_reach(loss, content, target, most=20)
    assert 1 < step < 20
    assert record.totals[step] <= target < min(record.totals[:step])
    assert steps_to_reach(loss, content, target, most=step) == step
    assert steps_to_reach(loss, content, target, most=step - 1) is None
    assert steps_to_reach(loss, content, record.totals[step], most=20) == step


def test_a_photo_that_is_good_enough_takes_no_steps(loss, content):
    assert steps_to_reach(loss, content, loss(content, content).total.item(), most=20) == 0


def test_what_is_out_of_reach_is_none(loss, content):
    assert steps_to_reach(loss, content, 0.0, most=3) is None
