import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train.loss.test_gram_matrix import numpy_gram
from tests.train.loss.test_vgg import ConvolutionCounter
from train.loss.gram_matrix import gram_matrix
from train.loss.perceptual_loss import PerceptualLoss, relative_squared_error, total_variation
from train.loss.vgg import VGGFeatures, random_vgg_state

LAYERS = ("relu1_2", "relu2_1", "relu2_2")


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def features():
    return VGGFeatures("vgg16", LAYERS, random_vgg_state("vgg16", LAYERS))


def make_loss(features, style=None, **options):
    options = {"content_layers": ["relu2_1"], "style_layers": ["relu1_2", "relu2_2"]} | options
    style = random(1, 3, 20, 24, seed=9) if style is None else style
    return PerceptualLoss(features, style, **{"style_weight": 3.0} | options)


def numpy_error(estimate, target):
    return float(((estimate - target) ** 2).sum() / (target**2).sum())


def test_the_relative_error_of_a_case_worked_out_by_hand():
    target = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    estimate = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    assert relative_squared_error(estimate, target).tolist() == [1.0, 0.25]
    assert relative_squared_error(target, target).tolist() == [0.0, 0.0]


@settings(deadline=None, max_examples=30)
@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_the_relative_error_is_free_of_scale(scale, seed):
    estimate, target = random(2, 3, 4, 4, seed=seed), random(2, 3, 4, 4, seed=seed + 100)
    expected = relative_squared_error(estimate, target)
    torch.testing.assert_close(relative_squared_error(scale * estimate, scale * target), expected)
    scaled = relative_squared_error(gram_matrix(scale * estimate), gram_matrix(scale * target))
    torch.testing.assert_close(scaled, relative_squared_error(gram_matrix(estimate), gram_matrix(target)))


def test_one_target_serves_a_whole_batch():
    estimate, target = random(3, 2, 4), random(1, 2, 4, seed=1)
    together = relative_squared_error(estimate, target)
    alone = torch.cat([relative_squared_error(part, target) for part in estimate.split(1)])
    torch.testing.assert_close(together, alone)


def test_a_target_of_zeros_gives_a_finite_error():
    zeros = torch.zeros(1, 2, 4)
    assert relative_squared_error(zeros, zeros).item() == 0
    assert math.isfinite(relative_squared_error(100 * random(1, 2, 4), zeros).item())


@settings(deadline=None, max_examples=20)
@given(height=st.integers(1, 6), width=st.integers(1, 6), seed=st.integers(0, 99))
def test_the_total_variation_is_numpys(height, width, seed):
    image = random(2, 3, height, width, seed=seed)
    pixels = image.numpy().astype(np.float64)
    parts = [np.abs(np.diff(pixels, axis=axis)) for axis in (2, 3)]
    expected = sum(part.mean() for part in parts if part.size)
    assert total_variation(image).item() == pytest.approx(expected, abs=1e-6)


def test_the_terms_are_those_of_numpy(features):
    loss = make_loss(
        features,
        content_layers=["relu1_2", "relu2_1"],
        content_weight=2.0,
        tv_weight=0.5,
    )
    stylized, content = random(2, 3, 16, 20, seed=1), random(2, 3, 16, 20, seed=2)
    style = random(1, 3, 20, 24, seed=9)
    found, wanted, painted = features(stylized), features(content), features(style)
    losses = loss(stylized, content)
    expected_content = {
        layer: np.mean([numpy_error(found[layer][i].numpy(), wanted[layer][i].numpy()) for i in range(2)])
        for layer in ("relu1_2", "relu2_1")
    }
    expected_style = {
        layer: np.mean(
            [numpy_error(numpy_gram(found[layer])[i], numpy_gram(painted[layer])[0]) for i in range(2)]
        )
        for layer in ("relu1_2", "relu2_2")
    }
    for layer, expected in expected_content.items():
        assert losses.content_by_layer[layer].item() == pytest.approx(expected, rel=1e-4)
    for layer, expected in expected_style.items():
        assert losses.style_by_layer[layer].item() == pytest.approx(expected, rel=1e-4)
    content_loss, style_loss = (np.mean(list(d.values())) for d in (expected_content, expected_style))
    tv = total_variation(stylized).item()
    assert losses.content.item() == pytest.approx(content_loss, rel=1e-4)
    assert losses.style.item() == pytest.approx(style_loss, rel=1e-4)
    assert losses.tv.item() == pytest.approx(tv)
    assert losses.total.item() == pytest.approx(2 * content_loss + 3 * style_loss + 0.5 * tv, rel=1e-4)


def averaged(image, scale):
    """Reduce an image by averaging, in numpy."""
    pixels = image.numpy().astype(np.float64)
    height, width = (side // scale for side in pixels.shape[2:])
    blocks = pixels[..., : height * scale, : width * scale].reshape(
        *pixels.shape[:2], height, scale, width, scale
    )
    return torch.from_numpy(blocks.mean((3, 5)).astype(np.float32))


def test_the_style_term_is_the_mean_over_the_scales_of_photo_and_painting(features):
    painting, stylized, content = (random(1, 3, side, 66, seed=side) for side in (80, 67, 67))
    losses = make_loss(features, painting, style_scales=(1, 2, 4))(stylized, content)
    alone = {
        scale: make_loss(features, averaged(painting, scale))(*[averaged(stylized, scale)] * 2)
        for scale in (1, 2, 4)
    }
    assert list(losses.style_by_scale) == [1, 2, 4]
    for scale, one in alone.items():
        assert losses.style_by_scale[scale].item() == pytest.approx(one.style.item(), rel=1e-4)
    assert losses.style.item() == pytest.approx(np.mean([one.style.item() for one in alone.values()]))
    for layer, value in losses.style_by_layer.items():
        expected = np.mean([one.style_by_layer[layer].item() for one in alone.values()])
        assert value.item() == pytest.approx(expected, rel=1e-4)
    one_scale = make_loss(features, painting)(stylized, content)
    assert losses.content.item() == one_scale.content.item()
    assert losses.total.item() == pytest.approx(losses.content.item() + 3 * losses.style.item())


def test_strokes_of_another_size_are_missed_at_every_scale(features):
    fine = random(1, 3, 96, 96)
    coarse = torch.nn.functional.interpolate(random(1, 3, 12, 12, seed=3), scale_factor=8)
    loss = make_loss(features, coarse, style_scales=(1, 2, 4))
    assert all(
        value.item() == pytest.approx(0, abs=1e-9) for value in loss(coarse, coarse).style_by_scale.values()
    )
    assert all(value.item() > 0.01 for value in loss(fine, fine).style_by_scale.values())


def test_a_lattice_of_any_scale_counts_as_repetition(features):
    wave = torch.cos(2 * torch.pi * torch.arange(256) / 48)
    lattice = (0.5 + 0.25 * (wave[:, None] + wave)).expand(1, 3, -1, -1)
    painting, even = random(1, 3, 256, 256, seed=9), torch.full((1, 3, 256, 256), 0.5)
    one, two = (
        make_loss(features, painting, style_scales=scales, repetition_weight=0.3)(
            lattice, even
        ).repetition.item()
        for scales in ((1,), (1, 4))
    )
    assert two > one + 0.5


def test_a_scale_that_leaves_too_few_pixels_is_left_out(features):
    painting = random(1, 3, 80, 80, seed=9)
    loss = make_loss(features, painting, style_scales=(1, 2, 4), repetition_weight=0.2)
    assert list(loss(*[random(1, 3, 63, 80)] * 2).style_by_scale) == [1, 2]
    assert list(loss(*[random(1, 3, 8, 8)] * 2).style_by_scale) == [1]
    narrow = make_loss(features, random(1, 3, 20, 80, seed=9), style_scales=(1, 2, 4))
    assert list(narrow(*[random(1, 3, 80, 80)] * 2).style_by_scale) == [1]


@pytest.mark.parametrize("scales", [(), (2, 4), (1, 4, 2), (1, 1)])
def test_scales_rise_from_1(features, scales):
    with pytest.raises(ValueError, match="rise from 1"):
        make_loss(features, style_scales=scales)


def test_the_repetition_counts_by_its_weight(features):
    painting, photo = random(1, 3, 64, 64, seed=9), random(1, 3, 64, 64, seed=1)
    wave = torch.cos(2 * torch.pi * torch.arange(64) / 8)
    lattice = (0.5 + 0.25 * (wave[:, None] + wave)).expand(1, 3, -1, -1)
    without = make_loss(features, painting)(lattice, photo)
    losses = make_loss(features, painting, repetition_weight=0.3)(lattice, photo)
    assert without.repetition.item() == 0
    assert losses.repetition.item() > 1
    assert losses.total.item() == pytest.approx(without.total.item() + 0.3 * losses.repetition.item())


def test_style_layers_count_by_their_weights_relative_to_the_mean(features):
    stylized, content = random(1, 3, 16, 16), random(1, 3, 16, 16, seed=1)
    equal = make_loss(features)(stylized, content)
    first, second = (value.item() for value in equal.style_by_layer.values())
    assert equal.style.item() == pytest.approx((first + second) / 2)
    for weights in ([1.0, 3.0], [10.0, 30.0]):
        losses = make_loss(features, style_layer_weights=weights)(stylized, content)
        assert losses.style.item() == pytest.approx((first + 3 * second) / 4)
        assert losses.total.item() == pytest.approx(losses.content.item() + 3 * losses.style.item())
        assert losses.style_by_layer == equal.style_by_layer
    for weights in ([1.0, 1.0], [0.1, 0.1]):
        assert make_loss(features, style_layer_weights=weights)(stylized, content).total == equal.total


def test_the_photo_itself_loses_no_content_and_the_painting_misses_no_style(features):
    painting = random(1, 3, 20, 24, seed=9)
    losses = make_loss(features, painting)(painting, painting)
    assert losses.content.item() == 0
    assert losses.style.item() == pytest.approx(0, abs=1e-9)


def test_the_style_term_does_not_depend_on_the_batch_size(features):
    loss, image = make_loss(features), random(1, 3, 16, 16)
    once, four_times = loss(image, image), loss(image.expand(4, -1, -1, -1), image.expand(4, -1, -1, -1))
    torch.testing.assert_close(four_times.style, once.style)


def test_the_photo_runs_only_as_deep_as_the_content_layer_and_without_gradient(features):
    loss = make_loss(features)  # content relu2_1 is the third convolution, style reaches the fourth
    stylized = random(1, 3, 16, 16).requires_grad_()
    content = random(1, 3, 16, 16, seed=1).requires_grad_()
    with ConvolutionCounter() as counter:
        losses = loss(stylized, content)
    assert counter.convolutions == 3 + 4
    assert counter.with_gradient == 4
    losses.total.backward()
    assert stylized.grad is not None
    assert content.grad is None


def test_the_loss_network_and_its_targets_stay_out_of_the_state(features):
    loss = make_loss(features)
    assert not loss.state_dict()
    assert not list(loss.parameters())
    buffers = {name for name, _ in loss.named_buffers()}
    grams = {"gram_1_relu1_2", "gram_1_relu2_2"}
    assert buffers == grams | {"style_layer_weights", "repetition.0.style_concentration"}


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_photos_and_paintings_give_finite_losses_and_gradients(features, level):
    flat = torch.full((1, 3, 16, 16), level)
    stylized = random(1, 3, 16, 16).requires_grad_()
    losses = make_loss(features, flat, tv_weight=1.0)(stylized, flat)
    losses.total.backward()
    assert torch.isfinite(losses.total)
    assert torch.isfinite(stylized.grad).all()


def test_a_photo_without_any_features_does_not_end_the_run(features):
    # Random weights without biases see nothing in an image of their mean colour.
    mean = torch.tensor([0.48235, 0.45882, 0.40784]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    losses = make_loss(features)(random(1, 3, 16, 16), mean)
    assert torch.isfinite(losses.total)


def test_the_terms_are_float32_under_autocast(features):
    loss = make_loss(features)
    stylized, content = random(1, 3, 16, 16), random(1, 3, 16, 16, seed=1)
    exact = loss(stylized, content)
    with torch.autocast("cpu", torch.bfloat16):
        losses = loss(stylized, content)
    for term in ("total", "content", "style"):
        assert getattr(losses, term).dtype == torch.float32
        torch.testing.assert_close(getattr(losses, term), getattr(exact, term), rtol=0.05, atol=0)


def test_mistakes_are_told(features):
    with pytest.raises(ValueError, match="at least one content layer"):
        make_loss(features, content_layers=[])
    with pytest.raises(ValueError, match="at least one content layer"):
        make_loss(features, style_layers=[])
    with pytest.raises(ValueError, match="2 style layers have 3 weights"):
        make_loss(features, style_layer_weights=[1, 1, 1])
    with pytest.raises(ValueError, match=r"\(1, 3, H, W\)"):
        make_loss(features, torch.zeros(2, 3, 8, 8))
    with pytest.raises(ValueError, match=r"stylized is .* but content is"):
        make_loss(features)(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))
